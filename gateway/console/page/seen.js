/* A crew is told that somebody has seen what it said. What the gateway does not
 * take is told again until it does, also after the page was loaded anew. */
import { putJson } from "./feed.js";
import { byId } from "./dom.js";
import { onLanguage, plain, say } from "./say.js";

const KEPT = "seen-untold";
const EVERY_MS = 2000;
/* Nothing more is to be done: it is not what was said last, or nobody is. */
const OVER = ["nothing-to-be-seen", "no-such-unit", "invalid-parameter"];

let untold = JSON.parse(localStorage.getItem(KEPT) ?? "[]"); /* {name, what, at} */
let telling = false;

function keep() {
    localStorage.setItem(KEPT, JSON.stringify(untold));
    show();
}

function show() {
    const names = [...new Set(untold.map(({ name }) => plain(name, 40)))].join(", ");
    const box = byId("untold");
    box.textContent = names === "" ? "" : say("untold", { names });
    box.hidden = names === "";
}

async function tellAll() {
    if (telling || untold.length === 0) return;
    telling = true;
    for (const one of [...untold]) {
        const { name, what, at } = one;
        try {
            const who = whoSays();
            await putJson(`/v1/units/${encodeURIComponent(name)}/seen`,
                { what, at, ...(who ? { who } : {}) });
        } catch ({ slug }) {
            if (!OVER.includes(slug)) continue;
        }
        untold = untold.filter((other) => other !== one);
    }
    telling = false;
    keep();
}

/** Whoever sits here, as he said himself; "": he did not. */
export function whoSays() {
    return localStorage.getItem("who") ?? "";
}

/** This browser has said so, whether the crew has been told or not. */
export function isSeenHere(name, what, at) {
    return untold.some((one) => one.name === name && one.what === what && one.at === at);
}

/** The unit's panic, or the place it said (`what`), of that time was seen. */
export function tellSeen(name, what, at) {
    untold.push({ name, what, at });
    localStorage.setItem(KEPT, JSON.stringify(untold));
    tellAll();
}

export function startSeen() {
    setInterval(tellAll, EVERY_MS);
    onLanguage(show);
    tellAll();
}
