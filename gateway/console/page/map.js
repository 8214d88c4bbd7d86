/* The map: our own tiles, drawn by MapLibre GL JS; units lie over it. */
import { byId } from "./dom.js";
import { units } from "./feed.js";
import {
    markAnswer, markChosen, overlayTheme, startOverlay, unitAt,
} from "./overlay.js";
import { shownAt } from "./reckon.js";
import { onLanguage, say } from "./say.js";
import { mapStyle, NOTHING } from "./style.js";

const { maplibregl } = globalThis;
let map = null;
let theme = "day";
let route = NOTHING;
let closures = NOTHING;
const chosenListeners = [];

export function onChosen(listener) {
    chosenListeners.push(listener);
}

/** Marks a unit here and in the list; `go` brings the map to it. */
export function chooseUnit(name, go = true) {
    markChosen(name);
    for (const listener of chosenListeners) listener(name);
    const unit = units.get(name);
    if (!go || map === null || !unit?.data.position) return;
    const { lat, lon } = shownAt(unit, performance.now());
    map.easeTo({ center: [lon, lat], zoom: Math.max(map.getZoom(), 14), duration: 300 });
}

/** The place asked about, null for none, and who comes, in order. */
export function markTarget(at, names) {
    markAnswer(at, names);
}

/** Brings a place into view, if it is not. */
export function lookAt({ lat, lon }) {
    if (map !== null && !map.getBounds().contains([lon, lat]))
        map.easeTo({ center: [lon, lat], duration: 300 });
}

/** The way of a unit, a GeoJSON geometry; null: none. */
export function showRoute(geometry) {
    route = geometry === null ? NOTHING : { type: "Feature", properties: {}, geometry };
    map?.getSource("route")?.setData(route);
}

/** What is closed or slowed, as the API tells it. */
export function showClosures(collection) {
    closures = collection;
    map?.getSource("closures")?.setData(closures);
}

export function setMapTheme(next) {
    theme = next;
    overlayTheme(next);
    map?.setStyle(mapStyle(theme, route, closures));
}

/** Streets or missions are others now: their tiles are asked for again. */
export function reloadTiles(sources) {
    for (const name of sources) {
        const source = map?.getSource(name);
        source?.setTiles(source.tiles);
    }
}

/** Shows the rectangle [[west, south], [east, north]]. */
export function showBounds(bounds) {
    map?.fitBounds(bounds, { padding: 40, duration: 0, maxZoom: 15 });
}

function listen(askPoint) {
    const surface = map.getCanvas();
    const cross = byId("crosshair");
    map.on("click", (event) => {
        const name = unitAt(event.point.x, event.point.y);
        if (name !== null) chooseUnit(name, false);
        else askPoint({ lat: event.lngLat.lat, lon: event.lngLat.lng });
    });
    map.on("mousemove", (event) => {
        surface.style.cursor = unitAt(event.point.x, event.point.y) === null
            ? "crosshair" : "pointer";
    });
    surface.addEventListener("keydown", (event) => {
        if (event.key !== "Enter") return;
        const { lat, lng } = map.getCenter();
        askPoint({ lat, lon: lng });
    });
    surface.addEventListener("focus", () => {
        cross.hidden = !surface.matches(":focus-visible");
    });
    surface.addEventListener("blur", () => { cross.hidden = true; });
    onLanguage(() => surface.setAttribute("aria-label", `${say("map")}. ${say("map_hint")}`));
}

/** False when this browser cannot draw it. */
export function startMap(askPoint) {
    if (!maplibregl) return false;
    try {
        maplibregl.setWorkerUrl("/console/maplibre-gl-csp-worker.js");
        map = new maplibregl.Map({
            container: "map", style: mapStyle(theme, route, closures), attributionControl: false,
            dragRotate: false, pitchWithRotate: false, touchPitch: false, fadeDuration: 0,
            minZoom: 6, maxZoom: 19, center: [0, 20], zoom: 6, renderWorldCopies: false,
        });
    } catch {
        return false;
    }
    map.touchZoomRotate.disableRotation();
    map.keyboard.disableRotation();
    map.addControl(new maplibregl.ScaleControl({ unit: "metric" }), "bottom-left");
    /* a tile that did not come is asked for again when it is next in view */
    map.on("error", (event) => console.warn("map:", event.error?.message ?? event));
    startOverlay(map, byId("units-on-map"));
    listen(askPoint);
    return true;
}
