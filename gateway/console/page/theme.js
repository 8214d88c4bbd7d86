/* Day and night, as whoever looks wants it, or else their system. Paper is white:
 * what goes there is drawn as by day. */
import { byId } from "./dom.js";
import { onLanguage, say } from "./say.js";

const listeners = [];
let wished = localStorage.getItem("theme") ??
    (matchMedia("(prefers-color-scheme: dark)").matches ? "night" : "day");
let forPaper = false;

export function currentTheme() {
    return forPaper ? "day" : wished;
}

/** `listener` runs whenever it has changed. */
export function onTheme(listener) {
    listeners.push(listener);
}

function apply() {
    document.body.dataset.theme = currentTheme();
    byId("theme").setAttribute("aria-pressed", String(currentTheme() === "night"));
    for (const listener of listeners) listener();
}

/** The page's colours are paper's, until they are not. */
export function drawForPaper(on) {
    const before = currentTheme();
    forPaper = on;
    if (currentTheme() !== before) apply();
}

export function startTheme() {
    byId("theme").addEventListener("click", () => {
        wished = wished === "night" ? "day" : "night";
        localStorage.setItem("theme", wished);
        apply();
    });
    onLanguage(() => { byId("theme").textContent = say("theme"); });
    apply();
}
