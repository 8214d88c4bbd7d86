/* The map's own quiet style, for day and for night: streets are there to be
 * found, units to be seen. */
import { planLayers } from "./style_plan.js";
import { timesLayers } from "./style_times.js";

const PAINT = {
    day: {
        ground: "#f2f1ec", main: "#ffffff", middle: "#ffffff", small: "#fbfaf7",
        edge: "#c9c6bb", path: "#d9d6cb", text: "#4a4a42", halo: "#f7f6f2",
        zone: "#7a5c99", mission: "#7a1f5c", route: "#b4004e", closed: "#c00000",
    },
    night: {
        ground: "#10151b", main: "#3b4653", middle: "#303a46", small: "#252d37",
        edge: "#0a0e12", path: "#20272f", text: "#b9c2cc", halo: "#10151b",
        zone: "#b79ad6", mission: "#e3a0cf", route: "#ff6aa2", closed: "#ff5a4d",
    },
};

const kind = (...names) => ["in", ["get", "class"],
    ["literal", names.flatMap((name) => [name, `${name}_link`])]];
const MAIN = kind("motorway", "trunk", "primary");
const MIDDLE = kind("secondary", "tertiary");
const SMALL = kind("residential", "unclassified", "living_street", "road");
const OTHER = ["!", ["any", MAIN, MIDDLE, SMALL]];

/* Widths in pixels at levels 11, 14 and 18. */
const width = (a, b, c) => ["interpolate", ["exponential", 1.4], ["zoom"], 11, a, 14, b, 18, c];

function street(id, filter, colour, size, minzoom = 0) {
    return {
        id, type: "line", source: "streets", "source-layer": "streets", filter, minzoom,
        layout: { "line-cap": "round", "line-join": "round" },
        paint: { "line-color": colour, "line-width": size },
    };
}

function tiles(layer) {
    return {
        type: "vector", minzoom: 6, maxzoom: layer === "streets" ? 15 : 14,
        tiles: [`${location.origin}/v1/tiles/${layer}/{z}/{x}/{y}.mvt`],
    };
}

function labels(paint) {
    const text = {
        "text-color": paint.text, "text-halo-color": paint.halo, "text-halo-width": 1.5,
    };
    return [{
        id: "street-names", type: "symbol", source: "streets", "source-layer": "streets",
        minzoom: 14, filter: ["has", "name"],
        layout: {
            "symbol-placement": "line", "text-field": ["get", "name"], "text-size": 12,
            "text-font": ["sans-serif"], "text-max-angle": 30, "symbol-spacing": 300,
        },
        paint: text,
    }, {
        id: "mission-names", type: "symbol", source: "missions", "source-layer": "missions",
        minzoom: 13,
        layout: {
            "text-field": ["slice", ["get", "name"], 0, 60], "text-size": 12,
            "text-font": ["sans-serif"], "text-anchor": "top", "text-offset": [0, 0.7],
            "text-max-width": 12,
        },
        paint: { ...text, "text-color": paint.mission },
    }, {
        id: "zone-names", type: "symbol", source: "zones", "source-layer": "zones",
        minzoom: 10, maxzoom: 14,
        layout: {
            "text-field": ["slice", ["get", "name"], 0, 60], "text-size": 13,
            "text-font": ["sans-serif"], "text-max-width": 10,
        },
        paint: { ...text, "text-color": paint.zone },
    }];
}

export const NOTHING = { type: "FeatureCollection", features: [] };

/** How the layers over a collection are set. Those over one without anything in
 * it would cost each picture of the map as much as others: what bounds its tiles
 * is drawn first. */
export function visibilityOf({ features }) {
    return features?.length === 0 ? "none" : "visible";
}

/** A MapLibre style; `shown` are collections by the names of their sources
 * ("route", "closures", "gaps" and so on), kept when the style is changed;
 * `times` is whose arrival streets are coloured by, 0 for none. */
export function mapStyle(theme, shown, times) {
    const paint = PAINT[theme];
    const seen = (layer) => shown[layer.source] === undefined ? layer : {
        ...layer, layout: { ...layer.layout, visibility: visibilityOf(shown[layer.source]) },
    };
    const collections = Object.fromEntries(Object.entries(shown)
        .map(([name, data]) => [name, { type: "geojson", data }]));
    return {
        version: 8,
        sources: {
            streets: tiles("streets"), zones: tiles("zones"), missions: tiles("missions"),
            ...collections,
            ...(times > 0 && { coverage: tiles("coverage") }),
        },
        layers: [
            { id: "ground", type: "background", paint: { "background-color": paint.ground } },
            street("paths", OTHER, paint.path, width(0.5, 1, 4), 14),
            street("small-edge", SMALL, paint.edge, width(0.8, 3, 18), 13),
            street("middle-edge", MIDDLE, paint.edge, width(1.5, 5, 24)),
            street("main-edge", MAIN, paint.edge, width(2.5, 7, 30)),
            street("small", SMALL, paint.small, width(0.4, 2, 15), 13),
            street("middle", MIDDLE, paint.middle, width(0.9, 3.6, 21)),
            street("main", MAIN, paint.main, width(1.6, 5.4, 27)),
            ...(times > 0 ? timesLayers(theme, times) : []),
            {
                id: "zones", type: "line", source: "zones", "source-layer": "zones",
                paint: {
                    "line-color": paint.zone, "line-width": 1.5, "line-opacity": 0.7,
                    "line-dasharray": [4, 3],
                },
            }, {
                /* a chain of bars over the street, told from all else by its form */
                id: "closures", type: "line", source: "closures",
                paint: {
                    "line-color": paint.closed, "line-width": 8,
                    "line-dasharray": [0.35, 0.5],
                },
            }, {
                id: "route-edge", type: "line", source: "route",
                layout: { "line-cap": "round", "line-join": "round" },
                paint: { "line-color": paint.halo, "line-width": 9 },
            }, {
                id: "route", type: "line", source: "route",
                layout: { "line-cap": "round", "line-join": "round" },
                paint: { "line-color": paint.route, "line-width": 5 },
            }, {
                id: "missions", type: "circle", source: "missions", "source-layer": "missions",
                minzoom: 10,
                paint: {
                    "circle-color": paint.mission, "circle-stroke-color": paint.halo,
                    "circle-stroke-width": 1.5,
                    "circle-radius": ["interpolate", ["linear"], ["zoom"], 10, 2, 14, 4.5],
                },
            },
            ...planLayers(theme),
            ...labels(paint),
        ].map(seen),
    };
}
