/* What the page says, in three languages; switched at once, everywhere. */
import { words } from "./words.js";

const LANGUAGES = Object.keys(words);
const listeners = new Set();
let language = "en";

/* French has a space before some marks, at which no line may end. */
function typeset(text, name) {
    if (name !== "fr") return text.replaceAll(" %", "\u00a0%");
    return text.replace(/ (?=[%:;?!»])/g, "\u00a0").replaceAll("« ", "«\u00a0").replaceAll("'", "’");
}

const texts = Object.fromEntries(Object.entries(words).map(([name, all]) => [name,
    Object.fromEntries(Object.entries(all).map(([key, text]) => [key, typeset(text, name)]))]));

/* In French what is below two is one. */
function isOne(value) {
    return String(value) === "1" || (language === "fr" && /^[01](,\d+)?$/.test(value));
}

function first() {
    const wished = [localStorage.getItem("language"), ...navigator.languages];
    for (const wish of wished) {
        const short = (wish ?? "").slice(0, 2).toLowerCase();
        if (LANGUAGES.includes(short)) return short;
    }
    return "en";
}

/** The words for `key`, with {name} replaced by fill.name, and {name|one|many} by
 * the one or the other as fill.name is one or not. */
export function say(key, fill = {}) {
    const text = texts[language][key] ?? key;
    return text.replace(/\{(\w+)\|([^|}]*)\|([^}]*)\}/g,
        (all, name, one, many) => isOne(fill[name]) ? one : many).replace(/\{(\w+)\}/g, (all, name) => fill[name] ?? all);
}

export function currentLanguage() {
    return language;
}

/** `listener` runs now and whenever the language changes. */
export function onLanguage(listener) {
    listeners.add(listener);
    listener();
}

export function setLanguage(next) {
    language = LANGUAGES.includes(next) ? next : "en";
    localStorage.setItem("language", language);
    document.documentElement.lang = language;
    for (const place of document.querySelectorAll("[data-say]"))
        place.textContent = say(place.dataset.say);
    document.title = say("title");
    for (const listener of listeners) listener();
}

export function startLanguage(select) {
    setLanguage(first());
    select.value = language;
    select.addEventListener("change", () => setLanguage(select.value));
}

/** Why the API did not answer, in words. */
export function problemText({ slug, detail }) {
    const key = `problem_${slug}`;
    const text = say(key);
    return text === key ? say("problem_other", { why: plain(detail) }) : text;
}

/* ---------------------------------------------------- numbers and times */
export function minutes(seconds) {
    const whole = Math.round(seconds);
    const rest = String(whole % 60).padStart(2, "0");
    return `${Math.floor(whole / 60)}:${rest}`;
}

/** A length of time of any size: "45 s", "12 min", "3.5 h", "2.1 d". */
export function lasting(seconds) {
    return seconds < 86400 * 2 ? ageText(seconds)
        : say("age_d", { n: number(seconds / 86400, 1) });
}

export function number(value, decimals = 0) {
    return new Intl.NumberFormat(language, {
        minimumFractionDigits: decimals,
        maximumFractionDigits: decimals,
    }).format(value);
}

export function ageText(seconds) {
    if (seconds === null) return say("never");
    if (seconds < 90) return say("age_s", { n: Math.max(0, Math.round(seconds)) });
    if (seconds < 5400) return say("age_min", { n: Math.round(seconds / 60) });
    return say("age_h", { n: number(seconds / 3600, 1) });
}

export function distance(metres) {
    return metres < 1000 ? `${number(metres)} m` : `${number(metres / 1000, 1)} km`;
}

let zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Times are told in the time zone of the city's zones. */
export function setTimeZone(name) {
    try {
        Intl.DateTimeFormat("en", { timeZone: name });
        zone = name;
    } catch {
        /* a name this browser does not know: its own zone stays */
    }
}

export function clock(date) {
    return new Intl.DateTimeFormat(language, {
        timeZone: zone, hour: "2-digit", minute: "2-digit", second: "2-digit",
        hourCycle: "h23",
    }).format(date);
}

/** "21 nov 2026, 13:50": a day and a time there, as the language writes them. */
export function dayAndTime(ms, there = zone) {
    return new Intl.DateTimeFormat(language, {
        timeZone: there, dateStyle: "medium", timeStyle: "short", hourCycle: "h23",
    }).format(new Date(ms));
}

export function timeZone() {
    return zone;
}

export function clockZone() {
    return zone.replaceAll("_", " ");
}

/* ------------------------------------------------------- strangers' texts */
/* Marks that would turn the text beside them round, and what has no shape. */
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** A name as it can be shown: nothing unseen in it, no longer than `most`. */
export function plain(text, most = 120) {
    const seen = String(text ?? "").slice(0, most * 4).replace(UNSEEN, "\ufffd");
    const letters = Array.from(seen);
    return letters.length > most || String(text ?? "").length > most * 4
        ? letters.slice(0, most - 1).join("") + "…" : seen;
}
