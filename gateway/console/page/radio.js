/* Units heard by voice radio: noted in a sheet, by keyboard alone as well. */
import { findCorners, knownMissions } from "./ask.js";
import { buttonElement, byId, element, refill } from "./dom.js";
import { deleteJson, putJson } from "./feed.js";
import { ageText, onLanguage, plain, problemText, say } from "./say.js";
import { findMissions, isCorner, parsePoint } from "./search.js";
import { whoSays } from "./seen.js";
import { STATUSES } from "./symbols.js";

const OFFERED_MAX = 5;

let chosen = null; /* {text, where: {mission} or {lat, lon}} */
let name = null;
let opener = null;

/** What was heard, in words: "by radio 3 min ago: busy, at 23 y L". */
export function radioText(unit, now) {
    const { radio } = unit.data;
    const age_s = radio.age_s + (unit.still ? 0 : (now - unit.at) / 1000);
    const said = [];
    if (radio.status !== null) said.push(say(`status_${radio.status}`));
    if (radio.place !== null) said.push(plain(radio.place, 120));
    else if (radio.mission_id !== null) said.push(plain(missionName(radio.mission_id), 80));
    else if (radio.lat !== null) said.push(`${radio.lat.toFixed(5)}, ${radio.lon.toFixed(5)}`);
    return say("radio_heard", { age: ageText(age_s) }) +
        (said.length > 0 ? `: ${said.join(", ")}` : "");
}

const missionName = (id) =>
    knownMissions().find((one) => one.mission_id === id)?.name ?? String(id);

/* ---------------------------------------------------------------- the sheet */
const field = (id) => byId(`radio-${id}`);

function offer(list) {
    refill(field("places"), list.map(([text, where]) => {
        const item = element("li");
        item.append(buttonElement(plain(text, 80), () => {
            field("place").value = text;
            chosen = { text, where };
            offer([]);
            field("place").focus();
        }, text));
        return item;
    }));
}

/* Words stay words unless one of the places offered is taken. */
async function look() {
    const typed = field("place").value.trim();
    const missions = findMissions(typed, knownMissions(), OFFERED_MAX)
        .map((one) => [one.name, { mission: one.mission_id }]);
    let corners = [];
    if (isCorner(typed)) {
        try {
            corners = (await findCorners(typed))
                .map(({ name: text, lat, lon }) => [text, { lat, lon }]);
        } catch {
            /* then it is words */
        }
        if (field("place").value.trim() !== typed) return;
    }
    offer([...corners, ...missions].slice(0, OFFERED_MAX));
}

function placeSaid() {
    const place = field("place").value.trim();
    if (place === "") return {};
    const point = parsePoint(place);
    return { place, ...(chosen?.text === place ? chosen.where : point ?? {}) };
}

function body() {
    const sent = placeSaid();
    const ago_min = Number(field("ago").value);
    if (ago_min > 0) sent.at = new Date(Date.now() - ago_min * 60000).toISOString();
    if (field("status").value !== "") sent.status = field("status").value;
    if (field("note").value.trim() !== "") sent.note = field("note").value.trim();
    if (field("who").value.trim() !== "") sent.who = field("who").value.trim();
    return sent;
}

function told(text) {
    field("told").textContent = text;
    field("told").hidden = text === "";
}

const path = () => `/v1/units/${encodeURIComponent(name)}/heard`;

async function attempt(ask) {
    try {
        const answer = await ask();
        if (answer.shown === false) told(say("radio_older"));
        else field("sheet").close("done");
    } catch (problem) {
        told(problemText(problem));
    }
}

function save() {
    localStorage.setItem("who", field("who").value.trim());
    return attempt(() => putJson(path(), body()));
}

function withdraw() {
    const who = field("who").value.trim();
    return attempt(() => deleteJson(path() + (who ? `?who=${encodeURIComponent(who)}` : "")));
}

function fillStatuses() {
    const kept = field("status").value;
    const options = ["", ...STATUSES.filter((status) => status !== "unknown")].map((status) => {
        const option = element("option", say(status === "" ? "radio_unsaid" : `status_${status}`));
        option.value = status;
        return option;
    });
    field("status").replaceChildren(...options);
    field("status").value = kept;
}

/** The sheet for that unit; `heard`: something is noted of it. */
export function openRadio(unitName, heard) {
    name = unitName;
    opener = document.activeElement;
    field("unit").textContent = plain(name, 64);
    for (const id of ["place", "note", "status"]) field(id).value = "";
    field("ago").value = "0";
    field("who").value = whoSays();
    field("withdraw").hidden = !heard;
    chosen = null;
    offer([]);
    told("");
    field("sheet").showModal();
    field("place").focus();
}

export function startRadio() {
    field("place").addEventListener("input", look);
    field("sheet").querySelector("form").addEventListener("submit", (event) => {
        event.preventDefault();
        save();
    });
    field("withdraw").addEventListener("click", withdraw);
    field("cancel").addEventListener("click", () => field("sheet").close());
    field("sheet").addEventListener("close", () => opener?.focus());
    onLanguage(fillStatuses);
}
