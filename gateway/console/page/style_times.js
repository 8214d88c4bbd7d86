/* Streets by the time that units take to them. Darker by day and brighter by
 * night is later, and wider is, too: that is seen without colours. ColorBrewer's YlGnBu
 * (Brewer, Penn State; Apache 2.0), which the colour-blind tell apart. */
const MOST_S = [60, 120, 180, 300, 600];
const SHADES = {
    day: ["#7fcdbb", "#41b6c4", "#1d91c0", "#225ea8", "#253494", "#081d58"],
    night: ["#225ea8", "#1d91c0", "#41b6c4", "#7fcdbb", "#c7e9b4", "#ffffd9"],
};
const LATE = { day: "#c00000", night: "#ff5a4d" };
const NOBODY = { day: "#8c2d04", night: "#fe9929" };
const widthOf = (step) => 1.5 + 0.7 * step;

/** As they are called on the map. */
export const TIMES_LAYERS = ["times", "times-late", "times-nobody"];

/** What the colours of that layer mean, from soon to never. */
export function timesSteps(theme) {
    const steps = SHADES[theme].map((colour, i) => ({
        colour, width: widthOf(i), most: MOST_S[i] ?? null, above: MOST_S[i - 1] ?? 0,
    }));
    return [
        ...steps,
        { colour: NOBODY[theme], width: 4, dashes: true },
        { colour: LATE[theme], width: 1, late: true },
    ];
}

/* `place`: whose arrival, 1 to 3. Streets later than promised have an edge. */
export function timesLayers(theme, place) {
    const seconds = ["get", `s${place}`];
    const step = (values) => ["step", seconds, values[0],
        ...MOST_S.flatMap((most, i) => [most + 0.5, values[i + 1]])];
    const wide = (more) => ["interpolate", ["linear"], ["zoom"],
        10, step(MOST_S.concat(0).map((_, i) => 0.6 + 0.3 * i + more / 2)),
        14, step(MOST_S.concat(0).map((_, i) => widthOf(i) + more)),
        18, step(MOST_S.concat(0).map((_, i) => 2 * widthOf(i) + more))];
    const layer = (id, filter, paint) => ({
        id, type: "line", source: "coverage", "source-layer": "coverage", filter,
        layout: { "line-join": "round" }, paint,
    });
    const known = ["has", `s${place}`];
    return [
        layer("times-late", ["all", known, ["has", "promise_s"],
            [">", seconds, ["get", "promise_s"]]], {
            "line-color": LATE[theme], "line-width": wide(3),
        }),
        layer("times", known, { "line-color": step(SHADES[theme]), "line-width": wide(0) }),
        layer("times-nobody", ["!", known], {
            "line-color": NOBODY[theme], "line-width": 3, "line-dasharray": [2, 1.5],
        }),
    ];
}
