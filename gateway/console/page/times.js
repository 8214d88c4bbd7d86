/* Streets coloured by how long the first, second or third unit takes to them:
 * a layer that is switched on beside the map, and what its colours mean. */
import { byId, element } from "./dom.js";
import { reloadTiles, setMapTimes } from "./map.js";
import { minutes, onLanguage, say } from "./say.js";
import { timesSteps } from "./style_times.js";
import { currentTheme, onTheme } from "./theme.js";
import { currentView, onView } from "./view.js";

const AGAIN_MS = 10000;
let shown = 0;
let allowed = true;

/* A line as the map has it: colour, and width that grows with the time. */
function sample({ colour, width, dashes }) {
    const line = element("span", null, "times-line");
    line.style.borderTop = `${width}px ${dashes ? "dashed" : "solid"} ${colour}`;
    return line;
}

function showLegend() {
    const legend = byId("times-legend");
    legend.hidden = shown === 0;
    legend.replaceChildren(...timesSteps(currentTheme()).map((step) => {
        const item = element("li");
        const text = step.late ? say("times_late")
            : step.dashes ? say("times_nobody")
                : step.most === null ? say("times_longer", { time: minutes(step.above) })
                    : say("times_up_to", { time: minutes(step.most) });
        item.append(sample(step), text);
        return item;
    }));
}

function show(place) {
    if (shown === place) return;
    shown = place;
    setMapTimes(place);
    showLegend();
}

/* Planners want it from the start, dispatchers when they ask for it. */
function wished() {
    const wish = localStorage.getItem("times") ?? (currentView() === "plan" ? "1" : "0");
    return ["1", "2", "3"].includes(wish) ? Number(wish) : 0;
}

function showWished() {
    byId("times").value = String(wished());
    show(allowed ? wished() : 0);
}

/** Whether it may be shown: not beside what is not now. */
export function allowTimes(may) {
    allowed = may;
    byId("times-box").hidden = !may;
    showWished();
}

export function startTimes() {
    const select = byId("times");
    select.addEventListener("change", () => {
        localStorage.setItem("times", select.value);
        showWished();
    });
    onTheme(showLegend);
    onLanguage(showLegend);
    onView(showWished);
    setInterval(() => {
        if (shown > 0 && !document.hidden) reloadTiles(["coverage"]);
    }, AGAIN_MS);
}
