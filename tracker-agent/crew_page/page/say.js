/* The page's words in the language chosen; switched at once. */
import { words } from "./words.js";

const KEPT = "crew-language";
let language = "en";

function wished() {
    for (const wish of [localStorage.getItem(KEPT), ...navigator.languages]) {
        const short = (wish ?? "").slice(0, 2);
        if (short in words) return short;
    }
    return "en";
}

/** The words for `key`, {name} replaced by fill.name. */
export function say(key, fill = {}) {
    return words[language][key].replace(/\{(\w+)\}/g, (all, name) => fill[name] ?? all);
}

/** How long ago, in the largest unit that is at least 2. */
export function age(seconds) {
    const s = Math.max(0, Math.round(seconds));
    if (s < 120) return say("s", { n: s });
    return s < 7200 ? say("min", { n: Math.floor(s / 60) }) : say("h", { n: Math.floor(s / 3600) });
}

export function clock(ms) {
    return new Intl.DateTimeFormat(language, {
        hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
    }).format(ms);
}

/** `changed` runs whenever the language has. */
export function startLanguage(select, changed) {
    const set = (next) => {
        language = next;
        document.documentElement.lang = next;
        document.title = say("title");
        for (const place of document.querySelectorAll("[data-say]"))
            place.textContent = say(place.dataset.say);
        changed();
    };
    select.value = wished();
    select.addEventListener("change", () => {
        localStorage.setItem(KEPT, select.value);
        set(select.value);
    });
    set(select.value);
}
