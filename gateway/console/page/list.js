/* The units as a list: for eyes that look for one, and for screen readers. */
import { eachSecond } from "./beat.js";
import { buttonElement, byId, element, nameElement } from "./dom.js";
import { on, units } from "./feed.js";
import { chooseUnit, onChosen } from "./map.js";
import { openRadio, radioText } from "./radio.js";
import { ageOf } from "./reckon.js";
import { ageText, clock, number, onLanguage, plain, say } from "./say.js";
import { fold } from "./search.js";
import { isSeenHere, tellSeen } from "./seen.js";
import { lookOf, STATUSES, symbolPicture } from "./symbols.js";
import { currentTheme, onTheme } from "./theme.js";

const ROWS_MAX = 100;
const OLD_S = 90;

const rows = new Map(); /* call sign -> {item, button, ...} */
const ORDER = new Intl.Collator("en", { numeric: true });
let ordered = [];
let chosen = null;

function makeRow(name) {
    const item = element("li");
    const button = element("button", null, "unit");
    const picture = element("span", null, "picture");
    const text = element("span", null, "text");
    const shown = nameElement(plain(name, 64), "name");
    const state = element("span", null, "state");
    const details = element("span", null, "details");
    const radio = element("span", null, "by-radio");
    const acts = element("div", null, "unit-acts");
    const heard = buttonElement("", () => note(name));
    const seen = buttonElement("", () => {
        tellSeen(name, "place", units.get(name).data.said_place.at);
        show();
    });
    button.type = "button";
    text.append(shown, state, radio, details);
    button.append(picture, text);
    button.addEventListener("click", () => chooseUnit(name));
    button.addEventListener("keydown", (event) => {
        if (event.key.toLowerCase() !== "r" || event.ctrlKey || event.metaKey) return;
        event.preventDefault(); /* else it is typed into the sheet */
        note(name);
    });
    acts.append(heard, seen);
    item.append(button, acts);
    return { item, button, picture, state, radio, details, acts, heard, seen, look: "" };
}

function note(name) {
    openRadio(name, Boolean(units.get(name)?.data.radio));
}

/* What people said of it. */
function saidOf({ crew, said_place: place, panic_at: panic, panic_seen_at: seen,
    panic_seen_by: by, radio, status }) {
    const parts = [];
    if (crew && status !== "off_duty") parts.push(say("crew_of", { names: plain(crew.text, 120) }));
    if (place) parts.push(say("place_said", {
        place: plain(place.text, 120), time: clock(new Date(place.at)) }));
    if (panic) parts.push(say(seen === null ? "panic_open" : by ? "panic_seen_by" : "panic_seen", {
        time: clock(new Date(panic)), seen: clock(new Date(seen)), who: plain(by ?? "", 60) }));
    if (radio?.note) parts.push(plain(radio.note, 200));
    if (radio?.who) parts.push(say("radio_who", { who: plain(radio.who, 60) }));
    return parts;
}

function fillActs(row, name, data) {
    const { said_place: place } = data;
    row.acts.hidden = name !== chosen;
    if (row.acts.hidden) return;
    setText(row.heard, say("radio_note"));
    row.heard.setAttribute("aria-label", `${say("radio_note")} ${plain(name, 64)}`);
    row.seen.hidden = !place || place.seen_at !== null || isSeenHere(name, "place", place.at);
    setText(row.seen, say("place_seen"));
}

function detailsOf(data) {
    const { position, connected } = data;
    const parts = saidOf(data);
    if (position === null) return parts.join(" · ");
    const { speed_mps: speed, course_deg: course, accuracy_m: accuracy } = position;
    if (speed !== null)
        parts.push(speed < 1.5 ? say("standing") : say("speed", { speed: number(speed * 3.6) }));
    if (speed >= 1.5 && course !== null) parts.push(say("heading", { course: number(course) }));
    if (accuracy !== null) parts.push(say("accuracy", { m: number(accuracy) }));
    if (!connected) parts.push(say("not_connected"));
    return parts.join(" · ");
}

function setText(place, text) {
    if (place.textContent !== text) place.textContent = text;
}

function fillRow(row, name, unit, now) {
    const { data } = unit;
    const age_s = ageOf(unit, now);
    const look = { ...lookOf(data), old: age_s === null || age_s > OLD_S };
    const state = [say(`status_${look.status}`)];
    if (look.silent) state.push(say("silent"));
    state.push(age_s === null ? say("no_position") : ageText(age_s));
    setText(row.state, state.join(" · "));
    setText(row.details, name === chosen ? detailsOf(data) : "");
    setText(row.radio, data.radio ? radioText(unit, now) : "");
    fillActs(row, name, data);
    row.button.setAttribute("aria-pressed", String(name === chosen));
    row.button.classList.toggle("silent", look.silent);
    row.button.classList.toggle("panic", Boolean(data.panic_at) && data.panic_seen_at === null);
    const key = `${look.status} ${look.silent} ${look.radio} ${look.old} ${currentTheme()}`;
    if (row.look !== key) {
        row.picture.replaceChildren(symbolPicture(look, currentTheme()));
        row.look = key;
    }
}

/* All names as people count; put in order again only when one came or went. */
function inOrder() {
    if (ordered.length !== units.size || !ordered.every((name) => units.has(name)))
        ordered = [...units.keys()].sort(ORDER.compare);
    return ordered;
}

function wanted() {
    const words = fold(byId("filter").value).split(" ").filter(Boolean);
    const names = inOrder();
    if (words.length === 0) return names;
    return names.filter((name) => {
        const { data } = units.get(name);
        const text = fold(`${name} ${say(`status_${lookOf(data).status}`)} ` +
            `${data.silent ? say("silent") : ""} ${data.radio ? say("radio") : ""} ` +
            data.capabilities.join(" "));
        return words.every((word) => text.includes(word));
    });
}

function show() {
    const now = performance.now();
    const names = wanted();
    const shown = names.slice(0, ROWS_MAX);
    const keep = new Set(shown);
    const list = byId("unit-list");
    for (const [name, row] of rows)
        if (!keep.has(name)) {
            row.item.remove();
            rows.delete(name);
        }
    shown.forEach((name, i) => {
        if (!rows.has(name)) rows.set(name, makeRow(name));
        const row = rows.get(name);
        fillRow(row, name, units.get(name), now);
        if (list.children[i] !== row.item) list.insertBefore(row.item, list.children[i] ?? null);
    });
    setText(byId("units-count"), say("units_count", { shown: shown.length, all: units.size }));
    setText(byId("unit-more"), names.length > shown.length
        ? say("more_units", { n: names.length - shown.length }) : "");
}

function closureItem() {
    const made = element("li");
    made.append(element("span", null, "symbol closed"), element("span", say("legend_closure")));
    return made;
}

function showLegend() {
    const item = (look, words, pointer) => {
        const made = element("li");
        made.append(symbolPicture(look, currentTheme(), pointer), element("span", words));
        return made;
    };
    byId("legend").replaceChildren(
        ...STATUSES.map((status) => item({ status }, say(`status_${status}`))),
        item({ status: "available" }, say("legend_heading"), true),
        item({ status: "available", silent: true }, say("legend_silent")),
        item({ status: "available", silent: true, radio: true }, say("legend_radio")),
        item({ status: "available", old: true }, say("legend_old")),
        closureItem());
}

export function startList() {
    byId("filter").addEventListener("input", show);
    onChosen((name) => {
        chosen = name;
        show();
        rows.get(name)?.item.scrollIntoView({ block: "nearest" });
    });
    on("units", show);
    eachSecond(show);
    const renew = () => {
        show();
        showLegend();
    };
    onTheme(renew);
    onLanguage(renew);
}
