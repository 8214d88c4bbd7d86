/* The past on the map: a day, a slider over its hours, and units that drive
 * again as they drove. */
import { byId } from "./dom.js";
import { units } from "./feed.js";
import { showFleet } from "./overlay.js";
import { clock, dayAndTime, onLanguage, problemText, say, timeZone } from "./say.js";
import { onSituation, showLive, showPast, situation } from "./situation.js";
import { fleetAt, hasMoment, readMoment } from "./tracks.js";
import { onView } from "./view.js";
import { dayLater, dayOf, dayStart } from "./zonetime.js";

const FRAME_MS = 50;
/* More would take a minute to read. */
const UNITS_MAX = 300;
/* Figures follow the slider when it rests. */
const REST_MS = 300;

let day = null; /* {start, end} */
let moment = null; /* milliseconds since 1970; null: now */
let playing = false, tickedAt = 0;
let resting = null;
let waiting = false;
let turn = 0;
let note = () => "";
let endOther = () => {}; /* ends what else may be shown */

function names() {
    return [...units.keys()].sort((a, b) => a.localeCompare(b, "en", { numeric: true }))
        .slice(0, UNITS_MAX);
}

function latest() {
    return Math.min(day.end - 1000, Date.now());
}

/* ---------------------------------------------------------------- the fields */
function showFields() {
    const past = moment !== null;
    byId("moment-now").setAttribute("aria-pressed", String(situation().kind === "live"));
    byId("moment-past").setAttribute("aria-pressed", String(past));
    byId("past").hidden = !past;
    byId("past-play").textContent = say(playing ? "pause" : "play");
    if (!past) return;
    const slider = byId("past-time");
    const time = clock(new Date(moment));
    slider.max = Math.floor((latest() - day.start) / 1000);
    slider.value = Math.floor((moment - day.start) / 1000);
    slider.setAttribute("aria-valuetext", time);
    byId("past-clock").textContent = time;
    byId("past-note").textContent = note();
}

function chooseDay(text) {
    const zone = timeZone();
    day = { start: dayStart(text, zone), end: dayStart(dayLater(text, 1), zone) };
    byId("past-day").value = text;
    byId("past-day").max = dayOf(Date.now(), zone);
}

/* -------------------------------------------------------------- the moment */
function drawMoment() {
    showFleet(fleetAt(moment, names()));
}

async function readAndDraw() {
    const mine = ++turn;
    const wanted = moment;
    if (!hasMoment(wanted)) note = () => say("past_reading");
    showFields();
    waiting = true;
    try {
        await readMoment(wanted, names());
        note = () => units.size > UNITS_MAX
            ? say("past_some", { n: UNITS_MAX, all: units.size }) : "";
    } catch (failed) {
        note = () => problemText(failed);
        playing = false;
    }
    if (mine !== turn) return;
    waiting = false;
    if (moment !== null) drawMoment();
    showFields();
}

/* Goes to a moment of the day chosen; its figures are asked for once the hand
 * rests. */
function goTo(ms) {
    moment = Math.max(day.start, Math.min(ms, latest()));
    readAndDraw();
    clearTimeout(resting);
    resting = setTimeout(() => moment !== null && showPast(new Date(moment)), REST_MS);
}

/** Shows a moment (Date) of the past. */
export function goToMoment(at) {
    endOther();
    chooseDay(dayOf(at.getTime(), timeZone()));
    goTo(at.getTime());
    byId("past-time").focus();
}

function toPast() {
    if (moment !== null) return;
    endOther();
    const start = Date.now() - 60000;
    chooseDay(dayOf(start, timeZone()));
    goTo(start);
}

/** Ends the past; what is shown then is for the caller to say. */
export function leavePast() {
    clearTimeout(resting);
    turn++;
    moment = null;
    playing = false;
    showFleet(null);
    showFields();
}

function toNow() {
    endOther();
    leavePast();
    if (situation().kind !== "live") showLive();
}

/* ------------------------------------------------------------------- playing */
function tick() {
    const now = performance.now();
    const passed = now - tickedAt;
    tickedAt = now;
    if (!playing || moment === null || waiting) return;
    const before = moment;
    moment = Math.min(moment + passed * Number(byId("past-speed").value), latest());
    if (moment === before) playing = false;
    if (!hasMoment(moment)) {
        readAndDraw();
        return;
    }
    drawMoment();
    /* as often as an eye can follow figures */
    if (Math.floor(moment / 60000) !== Math.floor(before / 60000) || !playing)
        showPast(new Date(Math.floor(moment / 60000) * 60000));
    showFields();
}

function togglePlaying() {
    playing = !playing;
    if (playing && moment >= latest()) moment = day.start;
    if (playing) clearTimeout(resting);
    else goTo(moment);
    showFields();
}

/** The moment shown, in words: "2026-11-21 10:15"; now: "". */
export function momentText() {
    return moment === null ? "" : dayAndTime(moment);
}

/** `end` is called before now or the past is shown. */
export function startReplay(end) {
    endOther = end;
    byId("moment-now").addEventListener("click", toNow);
    byId("moment-past").addEventListener("click", toPast);
    byId("past-play").addEventListener("click", togglePlaying);
    byId("past-time").addEventListener("input", ({ target }) =>
        goTo(day.start + Number(target.value) * 1000));
    byId("past-day").addEventListener("change", ({ target }) => {
        const within = moment - day.start;
        if (target.value === "") return;
        chooseDay(target.value);
        goTo(day.start + within);
    });
    setInterval(tick, FRAME_MS);
    onSituation(showFields);
    onLanguage(showFields);
    onView((view) => {
        if (view !== "plan" && moment !== null) toNow();
    });
}
