/* What the gateway tells: units as they change, and whether what is shown can
 * be relied on. The gateway is asked for a sign of life every second, because
 * a connection that was cut is not told to the page. */
import { lead } from "./reckon.js";

const ASK_EVERY_MS = 1000;
const ANSWER_WITHIN_MS = 2500;
/* Without a sign of life for so long the page says so. */
const LOST_AFTER_MS = 3500;
/* Nor does it wait when so many questions on end found no way there at all. */
const REFUSED_MAX = 2;
/* The page looks every half second unless it, or its machine, was asleep. */
const HELD_UP_MS = 2000;
/* From a new stream to the end of its snapshot. */
const READY_WITHIN_MS = 8000;

export const units = new Map(); /* call sign -> {data, at, glide...} */
/* How it stands; `condition` texts are made from it. */
export const health = {
    state: "connecting", /* "live", "lost" */
    lastAlive: performance.now(),
    streamReady: false,
    streamLostAt: performance.now(),
    parts: { broker: "up", database: "up", roads: "up" },
    since: {},
};

const listeners = new Map();

/** Kinds: unit, units, silent, part, health, catalog, roads, closures, panic,
 * coverage, twins. */
export function on(kind, listener) {
    if (!listeners.has(kind)) listeners.set(kind, []);
    listeners.get(kind).push(listener);
}

function tell(kind, value) {
    for (const listener of listeners.get(kind) ?? []) listener(value);
}

/* ------------------------------------------------------------- the stream */
let stream = null;
let openedAt = 0;
let lookedAt = performance.now();
let askedAnewAt = 0;
let told = null; /* call signs of the snapshot under way */

function takeUnit(data) {
    const now = performance.now();
    const before = units.get(data.call_sign);
    const next = { data, at: now };
    told?.add(data.call_sign);
    if (before && told === null && data.revision < before.data.revision) return;
    lead(before, next, now);
    units.set(data.call_sign, next);
    if (data.panic_at !== null && (data.panic_at !== before?.data.panic_at ||
        data.panic_seen_at !== before.data.panic_seen_at)) tell("panic", data);
    tell("unit");
}

function takeUnits({ units: list }) {
    const names = new Set(list.map((data) => data.call_sign));
    for (const data of list) takeUnit(data);
    for (const name of units.keys()) if (!names.has(name)) units.delete(name);
    tell("units");
}

/* Units came, went or are called otherwise: the stream tells only those that
 * report. What it told since is newer than the list and stays. */
async function readUnits() {
    try {
        takeUnits(await fetchJson("/v1/units"));
    } catch {
        setTimeout(readUnits, ASK_EVERY_MS);
    }
}

function beginSnapshot() {
    told = new Set();
}

function goOn() {
    health.streamReady = true;
    look();
}

function endSnapshot() {
    for (const name of units.keys())
        if (!told?.has(name)) units.delete(name);
    told = null;
    goOn();
    tell("units");
}

function closeStream() {
    stream?.close();
    stream = null;
    if (health.streamReady) health.streamLostAt = performance.now();
    health.streamReady = false;
}

/* `after`: the last event that is known of, as of a list of units. The stream
 * goes on from there, or else begins with a reset as without it. */
function openStream(after = null) {
    closeStream();
    openedAt = performance.now();
    stream = new EventSource(`/v1/events${after === null ? "" : `?after=${after}`}`);
    const handle = (type, act) => stream.addEventListener(type, (event) => {
        if (event.target === stream) act(JSON.parse(event.data));
    });
    handle("reset", beginSnapshot);
    handle("unit", takeUnit);
    handle("ready", endSnapshot);
    for (const type of ["unit.silent", "unit.heard"])
        handle(type, (data) => tell("silent", { ...data, silent: type === "unit.silent" }));
    for (const part of ["broker", "database"])
        for (const word of ["lost", "back"])
            handle(`${part}.${word}`, (data) => takePart(part, data));
    for (const word of ["lost", "regained"])
        handle(`coverage.${word}`, (data) => tell("coverage", { ...data, lost: word === "lost" }));
    handle("device.two_places", (data) => tell("twins", data));
    handle("catalog", () => {
        readUnits();
        tell("catalog");
    });
    handle("roads", () => tell("roads"));
    handle("closures", () => tell("closures"));
    if (after !== null)
        stream.addEventListener("open", ({ target }) => {
            if (target === stream && told === null) goOn();
        }, { once: true });
    stream.addEventListener("error", () => {
        if (health.streamReady) health.streamLostAt = performance.now();
        health.streamReady = false;
        look();
    });
}

/* ------------------------------------------------------------ signs of life */
function takePart(part, data) {
    if (health.parts[part] === data.state) return;
    health.parts[part] = data.state;
    health.since[part] = data.since;
    tell("part", part);
    tell("health");
}

function takeReadiness(ready) {
    health.lastAlive = performance.now();
    for (const [part, state] of Object.entries(ready.parts))
        takePart(part, { state, since: ready.since[part] });
}

let refused = 0; /* on end */

async function ask() {
    try {
        const answer = await fetch("/readyz", {
            cache: "no-store",
            signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
        });
        refused = 0;
        const body = await answer.json();
        if (body.parts) takeReadiness(body);
    } catch (problem) {
        /* no sign of life: look() says so when it lasts */
        if (problem instanceof TypeError) refused++; /* fetch's, without a network */
    }
    look();
}

function needsNewStream(now) {
    if (stream === null || stream.readyState === EventSource.CLOSED)
        return now - openedAt > ASK_EVERY_MS;
    return !health.streamReady && now - openedAt > READY_WITHIN_MS;
}

/* Decides anew whether what is shown is live. */
function look() {
    const now = performance.now();
    /* a page that was held up itself heard nobody meanwhile: it asks first */
    if (now - lookedAt > HELD_UP_MS) askedAnewAt = now;
    lookedAt = now;
    const alive = refused < REFUSED_MAX &&
        now - Math.max(health.lastAlive, askedAnewAt) < LOST_AFTER_MS;
    let state = health.state;

    if (!alive) {
        if (state !== "connecting" || now > LOST_AFTER_MS) state = "lost";
        /* one that was cut off silently would stay "open" for minutes */
        closeStream();
    } else if (health.streamReady) {
        state = "live";
    } else {
        if (needsNewStream(now)) openStream();
        if (state === "live" && now - health.streamLostAt > ASK_EVERY_MS) state = "lost";
    }
    if (state !== health.state) {
        health.state = state;
        tell("health");
    }
}

/** With an answer of /v1/units that has just come, or null. */
export function startFeed(list) {
    if (list !== null) takeUnits(list);
    openStream(list?.last_event_id);
    ask();
    setInterval(ask, ASK_EVERY_MS);
    setInterval(look, ASK_EVERY_MS / 2);
    document.addEventListener("visibilitychange", ask);
    addEventListener("online", ask);
}

/* --------------------------------------------------------------- questions */
/** The answer of the API to what is `sent`; throws {slug, detail}. */
export async function postJson(path, sent, within_ms) {
    return askApi(path, within_ms, {
        method: "POST", body: JSON.stringify(sent),
        headers: { "Content-Type": "application/json" },
    });
}

/** The same with other methods. */
export async function putJson(path, sent, within_ms = 5000) {
    return askApi(path, within_ms, {
        method: "PUT", body: JSON.stringify(sent),
        headers: { "Content-Type": "application/json" },
    });
}

export async function deleteJson(path, within_ms = 5000) {
    return askApi(path, within_ms, { method: "DELETE" });
}

/** The answer of the API; throws {slug, detail}. */
export async function fetchJson(path, within_ms = 5000) {
    return askApi(path, within_ms, {});
}

async function askApi(path, within_ms, options) {
    let answer, body;
    try {
        answer = await fetch(path, {
            cache: "no-store", signal: AbortSignal.timeout(within_ms), ...options,
        });
        body = await answer.json();
    } catch {
        throw { slug: "unreachable", detail: "" };
    }
    if (answer.ok) return body;
    throw { slug: String(body.type ?? "").split(":").pop(), detail: body.detail ?? "" };
}
