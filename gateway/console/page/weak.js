/* Where cover hangs by a thread: one list, the worst first, with the reason in
 * words; each point can be seen on the map and tried in "what if". */
import { buttonElement, byId, element } from "./dom.js";
import { fetchJson, units } from "./feed.js";
import { showAround, showOnMap } from "./map.js";
import { placeOf } from "./places.js";
import { saveCsv } from "./save.js";
import { clock, dayAndTime, distance, number, onLanguage, plain, problemText, say } from "./say.js";
import { fillTable, percent } from "./tables.js";
import { currentView, onView } from "./view.js";
import { drawWeek, fillWeek, hourName, levelOf } from "./week.js";
import { tryChanges } from "./whatif.js";

const ANSWER_WITHIN_MS = 100000; /* others may be before us */
const NAMED_MAX = 8;
const MISSIONS_MAX = 200;
const SPAN_DEG = 0.003;

let found = null, problem = null, working = false;
let chosen = null; /* the rank of the point that is looked at */
let goToMission = () => {};

async function ask() {
    if (working) return;
    working = true;
    [found, problem, chosen] = [null, null, null];
    show();
    try {
        found = await fetchJson("/v1/coverage/weak", ANSWER_WITHIN_MS);
    } catch (failed) {
        problem = failed;
    }
    working = false;
    show();
}

function forget() {
    [found, problem, chosen] = [null, null, null];
    show();
    byId("weak-ask").focus();
}

/* ------------------------------------------------------------------ the words */
function judged() {
    return found.missions.filter(({ can_fail: spare }) => spare !== null);
}

/* With the streets between which it lies: of an avenue many pieces may be listed. */
function streetName({ name, way_id: way, between = [] }) {
    const what = name === null ? say("weak_nameless", { way }) : plain(name, 60);
    const ends = between.filter((one) => one !== null).map((one) => plain(one, 60));
    return ends.length > 0 ? `${what} (${ends.join(" – ")})` : what;
}

function reason({ code, missions_out: out, missions_thin: thin, street, call_sign: name, hour }) {
    if (code === "out_of_cover") return say("weak_out", { n: number(out), of: number(judged().length) });
    if (code === "unit_fails") return say("weak_unit", { what: plain(name, 64), n: number(out) });
    if (code === "street_closed")
        return say("weak_street", {
            what: streetName(street),
            length: distance(street.length_m), n: number(out),
        });
    const words = { what: hourName(hour), n: number(out, 1) };
    return thin === null ? say("weak_hour_out", words)
        : say("weak_hour", { ...words, thin: number(Math.max(0, thin - out), 1) });
}

function namesOf({ missions = [], missions_out: out }) {
    const named = missions.slice(0, NAMED_MAX).map(({ name }) => plain(name, 60)).join(", ");
    return missions.length > NAMED_MAX || (missions.length > 0 && out > missions.length)
        ? `${named}, …` : named || "–";
}

/* ---------------------------------------------------------------- on the map */
/* With the other carriageways, that are closed with it. */
function linesOf({ geometry, with: others = [] }) {
    return [geometry, ...others.map(({ geometry: line }) => line)].map(({ coordinates }) => coordinates);
}

function missionsOf(point) {
    return (point?.missions ?? []).map(({ mission_id: id, name }) => ({ name, place: placeOf(id) }))
        .filter(({ place }) => place !== undefined);
}

function draw() {
    const drawn = currentView() === "plan" ? found?.points ?? [] : [];
    const feature = (geometry, properties) => ({ type: "Feature", geometry, properties });
    const looked = drawn.find(({ rank }) => rank === chosen);
    showOnMap("weak", {
        type: "FeatureCollection", features: [
            ...drawn.filter(({ street }) => street).map(({ street, rank }) =>
                feature({ type: "MultiLineString", coordinates: linesOf(street) }, { number: String(rank), chosen: rank === chosen })),
            ...missionsOf(looked).map(({ place }) => feature(
                { type: "Point", coordinates: [place.lon, place.lat] }, { loses: true })),
        ],
    });
}

/* Brings what a point is about into view. */
function look(point) {
    chosen = point.rank;
    show();
    const unit = units.get(point.call_sign)?.data.position;
    const spots = [
        ...point.street ? linesOf(point.street).flat() : [],
        ...missionsOf(point).map(({ place }) => [place.lon, place.lat]),
        ...unit ? [[unit.lon, unit.lat]] : [],
    ];
    showAround(spots, SPAN_DEG);
    if (spots.length === 0) byId("weak-hours-box").scrollIntoView({ block: "nearest" });
}

/* -------------------------------------------------------------------- tried */
/* The place half way along a line of [lon, lat]. Pure. */
export function middleOf(line) {
    const flat = Math.cos((line[0][1] * Math.PI) / 180);
    const steps = line.slice(1).map(([lon, lat], i) =>
        Math.hypot((lon - line[i][0]) * flat, lat - line[i][1]));
    let left = steps.reduce((a, b) => a + b, 0) / 2;
    const at = Math.max(0, steps.findIndex((step) => {
        if (left <= step) return true;
        left -= step;
        return false;
    }));
    const part = steps[at] > 0 ? left / steps[at] : 0;
    const [a, b] = [line[at], line[at + 1] ?? line[at]];
    return { lon: a[0] + part * (b[0] - a[0]), lat: a[1] + part * (b[1] - a[1]) };
}

function tryPoint({ code, street, call_sign: name, hour }) {
    if (code === "street_closed")
        tryChanges({ streets: linesOf(street).map((line) => ({ ...middleOf(line), street: street.name })) });
    else if (code === "unit_fails") tryChanges({ away: [name] });
    else tryChanges({ at: hour });
    byId("try").focus();
}

/* ---------------------------------------------------------------- the tables */
function pointRow(point) {
    const words = `${point.rank}. ${reason(point)}`;
    const go = buttonElement(words, () => look(point), `weak ${point.rank}`, "link");
    go.setAttribute("aria-pressed", String(point.rank === chosen));
    const attempt = point.code === "out_of_cover" ? "–"
        : buttonElement(say("weak_try"), () => tryPoint(point), `weak try ${point.rank}`);
    if (point.code !== "out_of_cover") attempt.setAttribute("aria-label", `${say("weak_try")}: ${words}`);
    return { head: go, cells: [[namesOf(point), "words"], [attempt]] };
}

function missionRow(mission) {
    const { name, in_time: within, can_fail: spare, past } = mission;
    return {
        head: buttonElement(plain(name, 80), () => goToMission(mission),
            `weak mission ${mission.mission_id}`, "link"),
        cells: [
            [within === null ? "–" : number(within)],
            spare === null ? ["–"] : spare < 0 ? [say("weak_is_out"), "below"]
                : [number(spare), spare === 0 ? "below" : ""],
            [past === null ? "–" : percent(past.out_share)],
            [past?.worst_hour ? say("weak_worst",
                { hour: hourName(past.worst_hour), share: percent(past.worst_share) }) : "–"],
        ],
    };
}

/* Those with the least to spare first; of one kind the worst past. */
function missionsByNeed() {
    const spare = ({ can_fail: can }) => can ?? Infinity;
    return found.missions.toSorted((a, b) => (spare(a) === spare(b) ? 0 : spare(a) - spare(b)) ||
        (b.past?.out_share ?? 0) - (a.past?.out_share ?? 0) || a.name.localeCompare(b.name));
}

function showHours({ hours }) {
    byId("weak-hours-box").hidden = hours === null;
    if (hours === null) return;
    const all = Math.max(1, judged().length);
    const day = (time) => dayAndTime(Date.parse(time));
    byId("weak-hours-note").textContent = say(`weak_from_${hours.source}`,
        { from: day(hours.from), to: day(hours.to) });
    fillWeek(byId("weak-hours"), hours.missions_out.map((out) => out === null ? null
        : [number(out, out < 10 ? 1 : 0), levelOf(1 - out / all)]));
    drawWeek(byId("weak-chart"), [
        { label: say("weak_line_out"), values: hours.missions_out },
        { label: say("weak_line_thin"), values: hours.missions_thin },
    ], null, "");
}

function noteLines() {
    if (problem !== null) return [problemText(problem)];
    if (working) return [say("working_out")];
    if (found === null) return [];
    const { candidates, tried, is_worst: worst } = found.streets_tried;
    const lines = [say("answered_at", { time: clock(new Date(found.as_of)) }),
        say("units_counted", { n: number(found.units_counted) }),
        say("weak_tried", { tried: number(tried), n: number(candidates) })];
    if (tried < candidates) lines.push(say(worst ? "weak_worst_sure" : "weak_worst_unsure"));
    if (found.points.length === 0) lines.push(say("weak_none"));
    if (found.hours === null) lines.push(say("weak_no_past"));
    else if (found.missions.every(({ past }) => past === null)) lines.push(say("weak_no_mission_past"));
    return lines;
}

/* Anew, also in other words. */
function show() {
    byId("weak-note").textContent = noteLines().join(" ");
    byId("weak-note").classList.toggle("warning-text", problem !== null);
    byId("weak-ask").disabled = working;
    byId("weak-answer").hidden = found === null;
    draw();
    if (found === null) return;
    fillTable(byId("weak-table"), [[say("weak_point")], [say("weak_missions"), "words"],
        [say("weak_try")]], found.points.map(pointRow));
    byId("weak-table").hidden = found.points.length === 0;
    fillTable(byId("weak-missions"), [[say("mission")], [say("units_within")], [say("weak_can_fail")],
        [say("weak_past_out")], [say("weak_worst_hour")]],
    missionsByNeed().slice(0, MISSIONS_MAX).map(missionRow));
    byId("weak-more").textContent = found.missions.length > MISSIONS_MAX
        ? say("more_rows", { n: found.missions.length - MISSIONS_MAX }) : "";
    showHours(found);
}

/* ---------------------------------------------------------------- taken along */
function savePoints() {
    saveCsv("weak", new Date(found.as_of), [
        ["rank", "code", "reason", "missions_out", "missions_thin", "street", "way_id", "length_m",
            "call_sign", "hour", "missions"],
        ...found.points.map((point) => [point.rank, point.code, reason(point), point.missions_out,
            point.missions_thin, point.street?.name, point.street?.way_id, point.street?.length_m,
            point.call_sign, point.hour, (point.missions ?? []).map(({ name }) => name).join("; ")]),
    ]);
}

function saveMissions() {
    saveCsv("weak-missions", new Date(found.as_of), [
        ["mission_id", "name", "zone", "in_time", "can_fail", "out_share", "worst_hour", "worst_share"],
        ...missionsByNeed().map((one) => [one.mission_id, one.name, one.zone, one.in_time, one.can_fail,
            one.past?.out_share, one.past?.worst_hour, one.past?.worst_share]),
    ]);
}

/** `go` shows a mission on the map. */
export function startWeak(go) {
    goToMission = go;
    const act = (id, what) => byId(id).addEventListener("click", what);
    act("weak-ask", ask);
    act("weak-forget", forget);
    act("weak-save", savePoints);
    act("weak-save-missions", saveMissions);
    onLanguage(show);
    onView(draw);
}
