/* What the planner's map has more than the dispatchers': how many units reach
 * each mission in time, told by number, size and colour, and the gaps. What
 * lacks nothing is quiet; the colours differ in lightness for every eye and are
 * none of the units'. */
const WITHIN = {
    day: ["#c04a00", "#f2a93b", "#fdeab5", "#ffffff"],
    night: ["#ff8a3d", "#c98a1d", "#5c4a1c", "#10151b"],
};
const INK = {
    day: { text: ["#ffffff", "#101418", "#101418", "#4a4a42"], edge: "#7a1f5c", gap: "#c04a00",
        post: "#101418", number: "#ffffff", weak: "#6a00a8", planned: "#00594a" },
    night: { text: ["#101418", "#101418", "#f4f6f8", "#b9c2cc"], edge: "#e3a0cf", gap: "#ff8a3d",
        post: "#f4f6f8", number: "#101418", weak: "#d9a6ff", planned: "#7fe0c8" },
};

const byWithin = (values) => ["match", ["get", "within"],
    0, values[0], 1, values[1], 2, values[2], values[3]];

/* Weak streets; what is closed to try lies over them. */
function weakLines(ink) {
    const wide = ["case", ["get", "chosen"], 9, 5];
    const line = (id, paint) => ({
        id, type: "line", source: "weak", filter: ["has", "number"],
        layout: { "line-cap": "round", "line-join": "round" }, paint,
    });
    return [
        line("weak-edge", { "line-color": ink.number, "line-width": ["+", wide, 4] }),
        line("weak", { "line-color": ink.weak, "line-width": wide }),
    ];
}

/* Their places in the list, and the missions that the chosen one would uncover. */
function weakMarks(ink) {
    return [{
        id: "weak-loses", type: "circle", source: "weak", filter: ["has", "loses"],
        paint: {
            "circle-radius": 17, "circle-opacity": 0, "circle-stroke-width": 4,
            "circle-stroke-color": ink.weak,
        },
    }, {
        id: "weak-numbers", type: "symbol", source: "weak", filter: ["has", "number"],
        layout: {
            "symbol-placement": "line-center", "text-field": ["get", "number"],
            "text-size": 15, "text-font": ["sans-serif"], "text-allow-overlap": true,
            "text-rotation-alignment": "viewport", "text-offset": [0, -1.1],
        },
        paint: {
            "text-color": ink.weak, "text-halo-color": ink.number, "text-halo-width": 2.5,
        },
    }];
}

/* Numbered places. */
function postMarks(source, colour, ink) {
    return [{
        id: source, type: "circle", source,
        paint: {
            "circle-color": colour, "circle-radius": 13, "circle-stroke-color": ink.number,
            "circle-stroke-width": 2.5,
        },
    }, {
        id: `${source}-numbers`, type: "symbol", source,
        layout: {
            "text-field": ["get", "number"], "text-size": 14, "text-font": ["sans-serif"],
            "text-allow-overlap": true, "text-ignore-placement": true,
        },
        paint: { "text-color": ink.number },
    }];
}

/** Layers over sources "gaps", "cover", "tried" (what is closed only to try),
 * "posts" (proposed ones), "planned" (those of a plan) and "weak". */
export function planLayers(theme) {
    const ink = INK[theme];
    return [{
        id: "gaps-area", type: "fill", source: "gaps",
        filter: ["in", ["geometry-type"], ["literal", ["Polygon", "MultiPolygon"]]],
        paint: { "fill-color": ink.gap, "fill-opacity": 0.18 },
    }, {
        id: "gaps", type: "line", source: "gaps",
        layout: { "line-cap": "butt", "line-join": "round" },
        paint: {
            "line-color": ink.gap, "line-opacity": 0.9, "line-dasharray": [2, 1],
            "line-width": ["interpolate", ["linear"], ["zoom"], 10, 1, 14, 2.5, 18, 4],
        },
    }, ...weakLines(ink), {
        id: "tried", type: "line", source: "tried",
        paint: { "line-color": ink.edge, "line-width": 8, "line-dasharray": [0.35, 0.5] },
    }, {
        id: "cover", type: "circle", source: "cover",
        paint: {
            "circle-color": byWithin(WITHIN[theme]), "circle-stroke-color": ink.edge,
            "circle-stroke-width": ["case", ["get", "enough"], 1, 3],
            "circle-radius": ["interpolate", ["linear"], ["zoom"],
                10, ["case", ["get", "enough"], 5, 8], 14, ["case", ["get", "enough"], 9, 12]],
        },
    }, {
        id: "cover-numbers", type: "symbol", source: "cover", minzoom: 11,
        layout: {
            "text-field": ["to-string", ["get", "within"]], "text-size": 12,
            "text-font": ["sans-serif"], "text-allow-overlap": true,
            "text-ignore-placement": true,
        },
        paint: { "text-color": byWithin(ink.text) },
    }, ...weakMarks(ink), ...postMarks("posts", ink.post, ink), ...postMarks("planned", ink.planned, ink)];
}
