/* The page: what stands where, and what follows from what. */
import { over, raise, settle, startAlarms } from "./alarms.js";
import { askPoint, setMissions, startAsk } from "./ask.js";
import { eachSecond } from "./beat.js";
import { showClosures, startClosures } from "./closures.js";
import { byId, element } from "./dom.js";
import { fetchJson, health, on, startFeed, units } from "./feed.js";
import { askCity, first } from "./first.js";
import { alarmGroup } from "./groups.js";
import { startList } from "./list.js";
import { boundsOf, chooseUnit, reloadTiles, resizeMap, showBounds, startMap } from "./map.js";
import { markPanic, redraw } from "./overlay.js";
import { startRadio } from "./radio.js";
import { isSeenHere, startSeen, tellSeen } from "./seen.js";
import { planPoint, setPlanCity, startPlan } from "./plan.js";
import {
    ageText, clock, clockZone, onLanguage, plain, say, setTimeZone, startLanguage,
} from "./say.js";
import { startTheme } from "./theme.js";
import { startTimes } from "./times.js";
import { currentView, onView, startViews } from "./view.js";

/* --------------------------------------------------- is what is shown live? */
function staleLines() {
    const now = performance.now();
    const since = (part) => clock(new Date(health.since[part] ?? Date.now()));
    const lines = [];
    if (health.state === "lost") {
        const silent_s = (now - health.lastAlive) / 1000;
        lines.push(silent_s > 2.5
            ? say("stale_gateway", { age: ageText(silent_s) })
            : say("stale_stream", { age: ageText((now - health.streamLostAt) / 1000) }));
        return lines;
    }
    for (const part of ["broker", "database"])
        if (health.parts[part] !== "up")
            lines.push(say(`stale_${part}`, { time: since(part) }));
    if (health.parts.roads !== "up") lines.push(say("stale_roads"));
    return lines;
}

function showFreshness() {
    const lines = health.state === "connecting" ? [] : staleLines();
    const box = byId("stale");
    const words = { live: "fresh_live", connecting: "fresh_connecting", lost: "fresh_lost" };
    const fresh = byId("freshness");
    const text = lines.join("\n");
    const state = health.state === "live" && lines.length > 0 ? "lost" : health.state;
    /* the words are said aloud: only when they change */
    const told = say(words[state], { time: "" }).replace(/[ ·]+$/, "");
    if (fresh.textContent !== told) fresh.textContent = told;
    document.body.dataset.live = state;
    byId("clock").textContent = `${clock(new Date())} ${clockZone()}`;
    if (box.dataset.text !== text) {
        box.dataset.text = text;
        box.replaceChildren(...lines.map((line) => element("p", line)));
    }
    box.hidden = lines.length === 0;
}

/* ------------------------------------------------------------------- alarms */
function partAlarm(key, bad, since) {
    if (bad) raise(key, key, () => say(`alarm_${key}`), since ? new Date(since) : new Date());
    else over(key);
}

const silence = alarmGroup("silent", "alarm_silent");
const cover = alarmGroup("cover", "alarm_cover");
let silentBefore = new Set();

/* After a snapshot: who fell silent while nobody told us. */
function compareSilent() {
    const silent = new Set();
    for (const [name, unit] of units) if (unit.data.silent === true) silent.add(name);
    for (const name of silent) silence.begin(name, name);
    for (const name of silentBefore) if (!silent.has(name)) silence.end(name);
    silentBefore = silent;
}

function onHearing({ call_sign: name, silent }) {
    if (silent) {
        silentBefore.add(name);
        silence.begin(name, name);
    } else {
        silentBefore.delete(name);
        silence.end(name);
    }
}

function onCover({ lost, name, mission_id: mission, zone_id: zone }) {
    const id = mission === undefined ? `zone ${zone}` : `mission ${mission}`;
    if (lost) cover.begin(id, name ?? id);
    else cover.end(id);
}

function onTwins({ device, call_sign: name }) {
    raise(`twins ${device}`, "twins",
        () => say("alarm_twins", { name: plain(name ?? device, 64) }));
}

/* Over when somebody has seen it, at whichever browser: the crew is told. */
function onPanic({ call_sign: name, panic_at: at, panic_seen_at: seen }) {
    const key = `panic ${name} ${at}`;
    const open = seen === null && !isSeenHere(name, "panic", at);
    markPanic(name, open);
    if (!open) {
        settle(key);
        return;
    }
    raise(key, "panic", () => say("alarm_panic", { unit: plain(name, 64) }), new Date(at), () => {
        markPanic(name, false);
        chooseUnit(name);
        tellSeen(name, "panic", at);
    });
}

/* -------------------------------------------------------------- the city */
function takeCity({ missions, zones }) {
    setMissions(missions);
    if (zones.length > 0) setTimeZone(zones[0].time_zone);
    setPlanCity(missions, zones);
    cityLoaded = true;
}

/* `states` are of units, as /v1/units tells them. */
function cityBounds({ missions }, states) {
    const places = missions.concat(states.map((data) => data.position).filter(Boolean));
    return boundsOf(places.map(({ lat, lon }) => [lon, lat]));
}

async function readClosures() {
    try {
        const { features } = await fetchJson("/v1/closures");
        showClosures(features);
    } catch {
        setTimeout(readClosures, 2000);
    }
}

let cityLoaded = false;

async function cityAgain() {
    const fit = !cityLoaded;
    try {
        const city = await askCity();
        takeCity(city);
        if (fit)
            showBounds(cityBounds(city, [...units.values()].map((unit) => unit.data)));
    } catch {
        setTimeout(cityAgain, 2000);
    }
}

/* --------------------------------------------------------------------- start */
function listen() {
    on("units", () => {
        redraw();
        compareSilent();
    });
    on("silent", onHearing);
    on("panic", onPanic);
    on("coverage", onCover);
    on("twins", onTwins);
    on("part", (part) => {
        if (part === "roads") return;
        partAlarm(part, health.parts[part] !== "up", health.since[part]);
    });
    on("health", () => {
        partAlarm("gateway", health.state === "lost");
        showFreshness();
        redraw();
    });
    on("catalog", () => {
        cityAgain();
        reloadTiles(["zones", "missions"]);
    });
    on("closures", readClosures);
    on("roads", () => {
        reloadTiles(["streets"]);
        readClosures();
    });
}

function shortcuts(event) {
    const typing = event.target.matches("input, select, textarea");
    if (event.key === "/" && !typing) {
        event.preventDefault();
        byId("search").focus();
    }
}

startLanguage(byId("language"));
const planning = () => currentView() === "plan";

startTheme(); /* first: a map is drawn in its colours from the start */
const told = await first;
const bounds = told && cityBounds(told.city, told.fleet.units);
if (!startMap(bounds, (place, pixel) => planning() ? planPoint(place, pixel) : askPoint(place),
    () => planning() ? "map_hint_plan" : "map_hint")) {
    byId("map-box").classList.add("no-map");
    byId("map-hint").dataset.say = "map_failed";
    byId("map-hint").textContent = say("map_failed");
}
startAlarms();
startSeen();
startRadio();
startAsk();
startList();
startTimes();
startViews();
onView(resizeMap);
startPlan();
startClosures();
listen();
onLanguage(showFreshness);
eachSecond(showFreshness);
addEventListener("keydown", shortcuts);
startFeed(told && told.fleet);
readClosures();
if (told === null) cityAgain();
else takeCity(told.city);
