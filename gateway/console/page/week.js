/* The 168 hours of a week as a table of days and hours, and as a chart. */
import { element } from "./dom.js";
import { currentLanguage, say } from "./say.js";
import { fillTable } from "./tables.js";
import { currentTheme, onTheme } from "./theme.js";

const { uPlot } = globalThis;
export const HOURS = 168;
const CHART_HEIGHT = 190;
const INKS = {
    day: { text: "#14181d", grid: "#d5d8dc", lines: ["#0b4f94", "#b35900", "#6b2a86"] },
    night: { text: "#eef1f4", grid: "#3a444f", lines: ["#7cc0ee", "#f2a93b", "#d79bee"] },
};
const DASHES = [[], [8, 4], [2, 3]]; /* the lines are told apart without colours */
const charts = new Map(); /* box -> {chart, again(), which draws it anew} */

/* A box gets wider or narrower: the window, a tablet turned, a second map. */
const sizes = new ResizeObserver((entries) => {
    for (const { target: box } of entries) {
        const { chart } = charts.get(box) ?? {};
        if (chart && box.clientWidth > 0 && box.clientWidth !== chart.width)
            chart.setSize({ width: box.clientWidth, height: CHART_HEIGHT });
    }
});

/** Class names for a share that is good the higher it is. */
export const levelOf = (share) => `level level-${share >= 0.995 ? 4 : share >= 0.9 ? 3
    : share >= 0.75 ? 2 : share >= 0.5 ? 1 : 0}`;

/** The days from Monday on, "short" or "long". */
export function dayNames(length = "short") {
    /* 2024-01-01 was a Monday */
    const name = new Intl.DateTimeFormat(currentLanguage(), { weekday: length, timeZone: "UTC" });
    return Array.from({ length: 7 }, (_, day) => name.format(Date.UTC(2024, 0, 1 + day)));
}

const ENGLISH = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/** The API's "Sat 10:00" in the page's language. */
export function hourName(text) {
    const day = ENGLISH.indexOf(text.slice(0, 3));
    return day < 0 ? text : `${dayNames("long")[day]} ${text.slice(4)}`;
}

/** Of [text, classes] for each hour of the week; null: nothing is known. */
export function fillWeek(table, cells) {
    const names = [[say("day")], ...Array.from({ length: 24 }, (_, hour) => [String(hour)])];
    fillTable(table, names, dayNames().map((day, i) => ({
        head: element("span", day),
        cells: cells.slice(i * 24, i * 24 + 24).map((cell) => cell ?? ["·"]),
    })));
}

/** Up to three lines, [{label, values}], over the week; null values are gaps.
 * `top` is the scale's end, null for what the values need, `unit` stands behind
 * its numbers. Takes the place of what was in the box. */
export function drawWeek(box, lines, top, unit) {
    const ink = INKS[currentTheme()];
    charts.get(box)?.chart.destroy();
    charts.delete(box);
    if (!uPlot) return;
    sizes.observe(box);
    const days = dayNames();
    const axis = { stroke: ink.text, grid: { stroke: ink.grid, width: 1 }, ticks: { stroke: ink.grid } };
    const most = Math.max(1, ...lines.flatMap(({ values }) => values.map((value) => value ?? 0)));
    const chart = new uPlot({
        width: box.clientWidth || 560, height: CHART_HEIGHT, cursor: { show: false },
        legend: { show: true, live: false },
        scales: { x: { time: false, range: [0, HOURS] }, y: { range: [0, top ?? most * 1.05] } },
        axes: [{ ...axis, splits: () => days.map((_, i) => i * 24), values: () => days },
            { ...axis, size: 56, values: (_, all) => all.map((value) =>
                `${value.toLocaleString(currentLanguage())}${unit}`) }],
        series: [{}, ...lines.map(({ label }, i) => ({
            label, stroke: ink.lines[i], width: 2, dash: DASHES[i], points: { show: true, size: 4, width: 0, fill: ink.lines[i] },
        }))],
    }, [Array.from({ length: HOURS }, (_, hour) => hour), ...lines.map(({ values }) => values)], box);
    charts.set(box, { chart, again: () => drawWeek(box, lines, top, unit) });
}

onTheme(() => [...charts.values()].forEach(({ again }) => again()));
