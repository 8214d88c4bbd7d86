/* What would be if units stood elsewhere or streets were closed: tried on the
 * map by hand or from the list by keys, worked out by the gateway. Nothing live
 * changes. */
import { keepThis } from "./compare.js";
import { buttonElement, byId, element, nameElement, refill } from "./dom.js";
import { on, postJson, units } from "./feed.js";
import { holdCross, mapCentre, onDrag, showOnMap } from "./map.js";
import { redraw, showFleet } from "./overlay.js";
import { clock, onLanguage, plain, problemText, say } from "./say.js";
import { showLive, showProblem, showWhatIf, situation } from "./situation.js";
import { onView } from "./view.js";

const ANSWER_WITHIN_MS = 90000; /* one is worked out at a time */
const REST_MS = 400; /* a hand that moves on is not asked about */
const UNITS_MAX = 200;
const CLOSURES_MAX = 20;

const moved = new Map(); /* call sign -> {lat, lon} or {removed: true} */
const added = new Map(); /* label -> {lat, lon} */
let closed = []; /* {id, lat, lon, street: its name once it is known} */
let count = 0;
let trying = false, closing = false;
let resting = null;
let turn = 0, asking = false; /* only the last question's answer counts */
let problem = null;
let gapsBefore = null; /* the newest of how it is */
let leave = () => {};

/* ------------------------------------------------------------ on the map */
function stillUnit(name, place, status) {
    return {
        still: true, at: 0,
        data: {
            call_sign: name, status, silent: false,
            position: { ...place, age_s: 0, speed_mps: null, course_deg: null },
        },
    };
}

/* The units as they are, but for those that were changed. */
const fleet = {
    * [Symbol.iterator]() {
        for (const [name, unit] of units) {
            const change = moved.get(name);
            if (!change) yield [name, unit];
            else if (!change.removed) yield [name, stillUnit(name, change, unit.data.status)];
        }
        for (const [label, place] of added) yield [label, stillUnit(label, place, "available")];
    },
};

function dragged(name, place) {
    if (added.has(name)) added.set(name, place);
    else moved.set(name, place);
    redraw();
}

/* --------------------------------------------------------------- the answer */
function wish() {
    const promise_s = Math.round(Number(byId("try-promise").value) * 60);
    const day = byId("try-day").value;
    return {
        units: [...[...moved].map(([call_sign, change]) => ({ call_sign, ...change })),
            ...[...added].map(([label, place]) => ({ label, ...place }))],
        closures: closed.map(({ lat, lon }) => ({ lat, lon })),
        promise_s: promise_s > 0 ? promise_s : null,
        at: day === "" ? null : `${day} ${byId("try-hour").value}`,
        gaps: true,
    };
}

/* One side of the answer in the form of /v1/coverage. */
function coverageOf(answer, side, zone_percent) {
    const told = { alarm: false, below_since: null };
    return {
        total: answer[side].total,
        zones: answer[side].zones.map((zone) => ({ ...zone, ...told })),
        missions: answer.missions.map((mission) => ({
            mission_id: mission.mission_id, name: mission.name, zone: mission.zone,
            ...mission[side], ...told,
        })),
        units: { counted: answer[side].units_counted },
        level: answer.level, zone_percent, renewing: false, degraded: answer.degraded,
        answered_at: answer.as_of,
    };
}

function takeStreets({ closures }) {
    closures.forEach((closure, i) => { if (closed[i]) closed[i].street = closure.street; });
    showOnMap("tried", {
        type: "FeatureCollection",
        features: closures.map(({ geometry }) => ({ type: "Feature", properties: {}, geometry })),
    });
}

async function ask() {
    const mine = ++turn;
    asking = true;
    const percent = situation().coverage?.zone_percent ?? 100;
    showList();
    try {
        const answer = await postJson("/v1/coverage/what-if", wish(), ANSWER_WITHIN_MS);
        if (mine !== turn) return;
        problem = null;
        takeStreets(answer);
        const before = coverageOf(answer, "before", percent);
        keepThis({ kind: "live", at: new Date(answer.as_of), coverage: before, gaps: gapsBefore },
            () => say("as_it_is", { time: clock(new Date(answer.as_of)) }));
        showWhatIf(coverageOf(answer, "after", percent), answer.gaps);
    } catch (failed) {
        if (mine !== turn) return;
        problem = failed;
        showProblem(failed);
    }
    asking = false;
    showList();
}

function changed() {
    redraw();
    showList();
    clearTimeout(resting);
    resting = setTimeout(ask, REST_MS);
}

/* ------------------------------------------------------------------ the list */
function changeRow(key, name, what, undo) {
    const row = element("li");
    row.append(nameElement(plain(name, 64), "name"), element("span", ` ${what} `),
        buttonElement(say("undo"), () => {
            undo();
            changed();
        }, key));
    row.querySelector("button").setAttribute("aria-label",
        say("undo_that", { what: `${plain(name, 64)} ${what}` }));
    return row;
}

function showList() {
    const rows = [...moved].map(([name, { removed }]) => changeRow(`unit ${name}`, name,
        say(removed ? "taken_away" : "moved"), () => moved.delete(name)));
    for (const label of added.keys())
        rows.push(changeRow(`unit ${label}`, label, say("one_more"), () => added.delete(label)));
    for (const closure of closed)
        rows.push(changeRow(`closure ${closure.id}`, closure.street ?? say("a_street"),
            say("closed_to_try"),
            () => { closed = closed.filter(({ id }) => id !== closure.id); }));
    refill(byId("try-list"), rows);
    byId("try-note").textContent = problem !== null ? problemText(problem)
        : asking ? say("working_out") : rows.length === 0 ? say("try_nothing") : "";
    byId("try-note").classList.toggle("warning-text", problem !== null);
}

function showFields() {
    byId("try").setAttribute("aria-pressed", String(trying));
    byId("try-fields").hidden = !trying;
    byId("try-close").setAttribute("aria-pressed", String(closing));
    if (!trying) return;
    const select = byId("try-unit"), was = select.value;
    const names = [...units.keys()].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    select.replaceChildren(...names.map((name) => {
        const option = element("option", plain(name, 64));
        option.value = name;
        return option;
    }));
    select.value = units.has(was) ? was : names[0] ?? "";
}

/* ------------------------------------------------------------------- changes */
function room() {
    return moved.size + added.size < UNITS_MAX;
}

function moveChosen() {
    const place = mapCentre(), name = byId("try-unit").value;
    if (place === null || name === "" || !(room() || moved.has(name))) return;
    moved.set(name, place);
    changed();
}

function removeChosen() {
    const name = byId("try-unit").value;
    if (name === "" || !(room() || moved.has(name))) return;
    moved.set(name, { removed: true });
    changed();
}

/* As no unit is called. */
function newLabel() {
    let label;
    do label = say("new_unit", { n: ++count }); while (units.has(label));
    return label;
}

function addOne() {
    const place = mapCentre();
    if (place === null || !room()) return;
    added.set(newLabel(), place);
    changed();
}

function closeAt(place) {
    if (place === null || closed.length >= CLOSURES_MAX) return;
    closed.push({ id: ++count, ...place, street: null });
    changed();
}

/** A click on the map while something is tried: true when it closes a street. */
export function tryPoint(place) {
    if (!trying || !closing) return false;
    closeAt(place);
    return true;
}

function begin() {
    trying = true;
    problem = null;
    gapsBefore = situation().kind === "live" ? situation().gaps : null;
    showFleet(fleet);
    holdCross(true);
    changed();
    showFields();
}

/** Ends it; nothing of it is kept. */
export function endTrying() {
    if (!trying) return;
    trying = closing = false;
    clearTimeout(resting);
    turn++;
    asking = false;
    moved.clear();
    added.clear();
    closed = [];
    showOnMap("tried", null);
    showFleet(null);
    holdCross(false);
    keepThis(null);
    showFields();
}

/** Tries changes that are proposed elsewhere, and nothing else: `moves` ({name,
 * lat, lon}) of units that there are, one more unit at each place of `more`,
 * units that are `away` (call signs), `streets` to close at a place ({lat, lon,
 * street}), the hour of the week `at` ("Mon 08:00"). */
export function tryChanges({ moves = [], more = [], away = [], streets = [], at = "" }) {
    endTrying();
    leave();
    for (const { name, lat, lon } of moves) moved.set(name, { lat, lon });
    for (const name of away) moved.set(name, { removed: true });
    for (const { lat, lon } of more) added.set(newLabel(), { lat, lon });
    closed = streets.slice(0, CLOSURES_MAX).map((street) => ({ id: ++count, ...street }));
    byId("try-promise").value = "";
    byId("try-day").value = at.slice(0, 3);
    if (at !== "") byId("try-hour").value = at.slice(4);
    begin();
}

/** `leavePast` ends the past, if it is shown. */
export function startWhatIf(leavePast) {
    leave = leavePast;
    const act = (id, what) => byId(id).addEventListener("click", what);
    act("try", () => {
        if (trying) {
            endTrying();
            showLive();
        } else {
            leavePast();
            begin();
        }
    });
    act("try-move", moveChosen);
    act("try-remove", removeChosen);
    act("try-add", addOne);
    act("try-close-here", () => closeAt(mapCentre()));
    act("try-close", () => {
        closing = !closing;
        showFields();
    });
    for (const id of ["try-promise", "try-day", "try-hour"])
        byId(id).addEventListener("change", changed);
    onDrag(() => trying && !closing, dragged, changed);
    on("units", showFields);
    onLanguage(() => {
        showFields();
        showList();
    });
    onView((view) => {
        if (view === "plan" || !trying) return;
        endTrying();
        showLive();
    });
}
