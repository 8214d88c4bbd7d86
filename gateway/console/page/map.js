/* The map: our own tiles, drawn by MapLibre GL JS; units lie over it. */
import { byId } from "./dom.js";
import { units } from "./feed.js";
import { markAnswer, markChosen, startOverlay, unitAt } from "./overlay.js";
import { shownAt } from "./reckon.js";
import { onLanguage, say } from "./say.js";
import { mapStyle, NOTHING, visibilityOf } from "./style.js";
import { currentTheme, onTheme } from "./theme.js";

const { maplibregl } = globalThis;
/* As small as tiles are made for. While it is not known where the city lies, the
 * map is smaller: tiles of elsewhere would be waited for before the city's. */
const LEAST_ZOOM = 6;
const FIT = { padding: 40, duration: 0, maxZoom: 15 };
const WORLD = [[-180, -60], [180, 75]];
const COARSE = 0.1; /* of the screen's pixels, along a side, ... */
const COARSE_MS = 1500; /* ... for so long at most */
const NOWHERE = { center: [0, 20], zoom: 5, minZoom: 5 };
let map = null;
const maps = new Set(); /* it, and another beside it */
/* What lies over the streets, by the names of its sources. */
const shown = {
    route: NOTHING, closures: NOTHING, gaps: NOTHING, cover: NOTHING, tried: NOTHING,
    posts: NOTHING, planned: NOTHING, weak: NOTHING,
};
let styled = null; /* what of it the last style was made with */
let times = 0;
let crossHeld = false;
const chosenListeners = [];

export function onChosen(listener) {
    chosenListeners.push(listener);
}

/** Marks a unit here and in the list; `go` brings the map to it. */
export function chooseUnit(name, go = true) {
    markChosen(name);
    for (const listener of chosenListeners) listener(name);
    const unit = units.get(name);
    const radio = unit?.data.radio;
    const heard = radio && radio.lat !== null ? radio : null;
    if (!go || map === null || !(unit?.data.position || heard)) return;
    /* what was heard by radio is newer than its position */
    const { lat, lon } = heard ?? shownAt(unit, performance.now());
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
    showOnMap("route", geometry === null ? NOTHING
        : { type: "Feature", properties: {}, geometry });
}

/** A GeoJSON collection for one of the sources of `shown`; null: nothing. */
export function showOnMap(source, collection) {
    shown[source] = collection ?? NOTHING;
    if (map !== null) drawCollection(map, source, shown[source]);
}

/** The same on a map made by newMap(), as soon as it has its style. */
export function drawCollection(drawn, source, collection) {
    if (!drawn.getSource(source)) return;
    drawn.getSource(source).setData(collection);
    for (const id of drawn.getLayersOrder())
        if (drawn.getLayer(id).source === source)
            drawn.setLayoutProperty(id, "visibility", visibilityOf(collection));
}

/** What is drawn over the streets now, by the names of the sources. */
export function shownOnMap() {
    return shown;
}

/** A map with the units over it as a picture. */
export function pictureOf(drawnMap, unitsOver) {
    const picture = document.createElement("canvas");
    const drawn = drawnMap.getCanvas();
    picture.width = drawn.width;
    picture.height = drawn.height;
    const pen = picture.getContext("2d");
    drawnMap.redraw(); /* what was drawn is there only until it is on the screen */
    pen.drawImage(drawn, 0, 0);
    if (unitsOver.width > 0) pen.drawImage(unitsOver, 0, 0, picture.width, picture.height);
    return picture;
}

/** The map as it is drawn now, null when there is none. */
export function mapPicture() {
    return map === null ? null : pictureOf(map, byId("units-on-map"));
}

/** Waits until all maps show what they are to show, `within_ms` at most. */
export function mapsDrawn(within_ms) {
    const late = new Promise((done) => { setTimeout(done, within_ms); });
    const drawn = [...maps].map((one) => new Promise((done) => {
        one.once("idle", done);
        one.triggerRepaint();
    }));
    return Promise.race([Promise.all(drawn), late]);
}

/** MapLibre's own; null when this browser cannot draw it. */
export function mainMap() {
    return map;
}

function styleNow() {
    styled = { ...shown };
    return mapStyle(currentTheme(), shown, times);
}

/** Streets by the time of the first, second or third unit to them; 0: not. */
export function setMapTimes(place) {
    times = place;
    map?.setStyle(styleNow());
}

/** Streets or missions are others now: their tiles are asked for again. */
export function reloadTiles(sources) {
    for (const drawn of maps)
        for (const name of sources) {
            const source = drawn.getSource(name);
            source?.setTiles(source.tiles);
        }
}

/** The rectangle [[west, south], [east, north]] of coordinates, however nested,
 * and `more_deg` on each side; the world's when there are none. */
export function boundsOf(coordinates, more_deg = 0) {
    const flat = coordinates.flat(Infinity);
    if (flat.length === 0) return WORLD;
    const least = [Infinity, Infinity], most = [-Infinity, -Infinity];
    flat.forEach((value, i) => {
        least[i % 2] = Math.min(least[i % 2], value - more_deg);
        most[i % 2] = Math.max(most[i % 2], value + more_deg);
    });
    return [least, most];
}

/** Shows a rectangle as boundsOf() gives it. */
export function showBounds(bounds) {
    map?.fitBounds(bounds, FIT);
    map?.setMinZoom(LEAST_ZOOM);
}

/** Shows all of these, as boundsOf() takes them; nothing when there are none. */
export function showAround(coordinates, more_deg) {
    if (coordinates.flat(Infinity).length > 0) showBounds(boundsOf(coordinates, more_deg));
}

/** Its box has another size. */
export function resizeMap() {
    map?.resize();
}

/** What of the layers lies under a point of the map's box, the top first. */
export function featuresAt({ x, y }, layers) {
    const r = 4; /* pixels: a hand is not a needle */
    const there = layers.filter((layer) => map?.getLayer(layer));
    return there.length === 0 ? []
        : map.queryRenderedFeatures([[x - r, y - r], [x + r, y + r]], { layers: there });
}

/** The middle of the map, where the cross is; null without a map. */
export function mapCentre() {
    const centre = map?.getCenter();
    return centre ? { lat: centre.lat, lon: centre.lng } : null;
}

/** Whether the cross is seen also while nobody is at the map's keys. */
export function holdCross(hold) {
    crossHeld = hold;
    byId("crosshair").hidden = !hold;
}

/** Lets a hand pull units elsewhere while `wanted()`: `moved` is given a unit's
 * name and place as it goes, `dropped` its name in the end. */
export function onDrag(wanted, moved, dropped) {
    let held = null;
    const take = (event) => {
        held = wanted() ? unitAt(event.point.x, event.point.y) : null;
        if (held !== null) event.preventDefault(); /* the map stays */
    };
    const pull = (event) => {
        if (held !== null) moved(held, { lat: event.lngLat.lat, lon: event.lngLat.lng });
    };
    const drop = () => {
        if (held !== null) dropped(held);
        held = null;
    };
    for (const [act, kinds] of [[take, ["mousedown", "touchstart"]],
        [pull, ["mousemove", "touchmove"]], [drop, ["mouseup", "touchend"]]])
        for (const kind of kinds) map?.on(kind, act);
}

function listen(onPoint, hint) {
    const surface = map.getCanvas();
    const cross = byId("crosshair");
    map.on("click", (event) => {
        const name = unitAt(event.point.x, event.point.y);
        if (name !== null) chooseUnit(name, false);
        else onPoint({ lat: event.lngLat.lat, lon: event.lngLat.lng }, event.point);
    });
    map.on("mousemove", (event) => {
        surface.style.cursor = unitAt(event.point.x, event.point.y) === null
            ? "crosshair" : "pointer";
    });
    surface.addEventListener("keydown", (event) => {
        if (event.key !== "Enter") return;
        const { lat, lng } = map.getCenter();
        onPoint({ lat, lon: lng }, map.project([lng, lat]));
    });
    surface.addEventListener("focus", () => {
        cross.hidden = !crossHeld && !surface.matches(":focus-visible");
    });
    surface.addEventListener("blur", () => { cross.hidden = !crossHeld; });
    const label = () => surface.setAttribute("aria-label", `${say("map")}. ${say(hint())}`);
    onLanguage(label);
    surface.addEventListener("focus", label);
}

/** Another map in `container`, north up, looking at `view` ({center, zoom}). Its
 * tiles are asked for again with the others' until it is removed. */
export function newMap(container, style, view) {
    const made = new maplibregl.Map({
        container, style, attributionControl: false, dragRotate: false,
        pitchWithRotate: false, touchPitch: false, fadeDuration: 0, minZoom: LEAST_ZOOM, maxZoom: 19,
        renderWorldCopies: false, ...view,
    });
    made.touchZoomRotate.disableRotation();
    made.keyboard.disableRotation();
    made.addControl(new maplibregl.ScaleControl({ unit: "metric" }), "bottom-left");
    /* a tile that did not come is asked for again when it is next in view */
    made.on("error", (event) => console.warn("map:", event.error?.message ?? event));
    made.on("remove", () => maps.delete(made));
    maps.add(made);
    return made;
}

/* While there are no streets to see the map is drawn in few pixels: without a
 * graphics card each of these pictures would hold up what is still to come. */
function sharpenInTime() {
    const sharpen = () => {
        map.off("sourcedata", look);
        clearTimeout(late);
        map.setPixelRatio(null); /* the screen's */
    };
    const look = ({ tile }) => {
        if (tile && map.areTilesLoaded()) sharpen();
    };
    const late = setTimeout(sharpen, COARSE_MS);
    map.on("sourcedata", look);
}

/** Begins with a rectangle as showBounds() takes it, null: that comes later.
 * `onPoint` is given the place and pixel of a click or of Enter, `hint` says
 * which words tell what comes of it. False when this browser cannot draw it. */
export function startMap(bounds, onPoint, hint) {
    if (!maplibregl) return false;
    try {
        map = newMap("map", styleNow(),
            bounds === null ? NOWHERE : { bounds, fitBoundsOptions: FIT, pixelRatio: COARSE });
    } catch {
        return false;
    }
    /* what was to be shown before there was a style to show it */
    map.on("style.load", () => {
        for (const [source, data] of Object.entries(shown))
            if (data !== styled[source]) drawCollection(map, source, data);
    });
    if (bounds !== null) sharpenInTime();
    onTheme(() => map.setStyle(styleNow()));
    startOverlay(map, byId("units-on-map"));
    listen(onPoint, hint);
    return true;
}
