/* The planners' page: where nobody arrives in time, now and in the past. */
import { comparedRows, refreshComparison, startCompare } from "./compare.js";
import { byId, element } from "./dom.js";
import { proposeSpan, showHistory, startHistory } from "./history.js";
import { featuresAt, showAround, showOnMap, shownOnMap } from "./map.js";
import { coverPoints, placeOf, setPlaces } from "./places.js";
import { replayPlan, startPlanReplay } from "./planreplay.js";
import { goToMoment, leavePast, startReplay } from "./replay.js";
import { startPosts } from "./posts.js";
import { saveCsv, saveGeoJson, savePicture, startPrinting } from "./save.js";
import { ageText, clock, dayAndTime, minutes, onLanguage, plain, problemText, say, timeZone } from "./say.js";
import { besideMap } from "./sidemap.js";
import { onSituation, situation, startSituation } from "./situation.js";
import { TIMES_LAYERS } from "./style_times.js";
import { showGaps, showMissions, showZones, wantedMissions, wish } from "./tables.js";
import { allowTimes } from "./times.js";
import { currentView, onView } from "./view.js";
import { startWeak } from "./weak.js";
import { goToPost, startWeekPlan } from "./weekplan.js";
import { endTrying, startWhatIf, tryPoint } from "./whatif.js";

/* Asked for every 5 s; later than this they are called old. */
const OLD_FIGURES_S = 15;
const MISSION_SPAN_DEG = 0.004;

let zones = new Map(); /* zone_id -> zone */

/* ------------------------------------------------------------- what is shown */
function titleOf({ kind, at }) {
    if (at === null) return say("now");
    if (kind === "past") return dayAndTime(at.getTime());
    return `${say(kind === "live" ? "now" : "tried")}, ${clock(at)}`;
}

function statusLines({ kind, coverage, heard, problem, at }) {
    const lines = [], age_s = heard === null ? null : (performance.now() - heard) / 1000;
    const old = problem !== null || (kind === "live" && age_s > OLD_FIGURES_S);
    if (problem !== null) lines.push(problemText(problem));
    if (coverage === null && problem === null) lines.push(say("asking"));
    if (coverage !== null && kind === "past") {
        lines.push(say("figures_then", { time: clock(new Date(coverage.answered_at)) }));
        if (coverage.fixes === 0) lines.push(say("history_empty"));
    } else if (coverage !== null) {
        lines.push(say("figures_of", { time: clock(at), age: ageText(age_s) }));
    }
    if (coverage !== null) {
        lines.push(say("units_counted", { n: coverage.units.counted }));
        if (coverage.renewing) lines.push(say("renewing"));
        if (coverage.degraded.length > 0)
            lines.push(say("degraded_answer", {
                parts: coverage.degraded.map(({ part }) => say(`part_${part}`)).join(", "),
            }));
    }
    return { lines, old };
}

function showStatus() {
    if (currentView() !== "plan") return;
    const now = situation();
    const { lines, old } = statusLines(now);
    const badge = byId("map-badge");
    byId("figures").textContent = lines.join(" ");
    byId("figures").classList.toggle("warning-text", old);
    badge.hidden = now.kind === "live";
    badge.textContent = badge.hidden ? ""
        : now.kind === "past" ? say("badge_past", { time: titleOf(now) }) : say("badge_tried");
    byId("paper-what").textContent = paperLines(now, lines).join(" · ");
}

/* What a printed page is of: the moment, what was asked for, what it rests on. */
function paperLines(now, lines) {
    const said = [titleOf(now), timeZone(), lines.join(" "),
        `${say("zone")}: ${byId("zone-wish").selectedOptions[0]?.text ?? ""}`,
        `${say("cover_by")}: ${wish.k}`];
    const { network_id: network, profile, units = {} } = now.coverage ?? {};
    if (network !== undefined)
        said.push(say("paper_network", { network, profile: plain(profile, 40) }));
    const { statuses, turnout_s: turnout, position_max_s: age } = units;
    if (statuses !== undefined) /* of another moment or fleet they are not told */
        said.push(say("paper_units", {
            statuses: statuses.map((status) => say(`status_${status}`)).join(", "),
            turnout: ageText(turnout), age: ageText(age),
        }));
    return [...said, say("paper_printed", { time: dayAndTime(Date.now()) })];
}

/* ------------------------------------------------------------------- the map */
function drawMap({ kind, coverage, gaps }) {
    const plan = currentView() === "plan";
    /* its tiles tell what is now, and nothing else; of two maps both tell the same */
    allowTimes(!plan || (kind === "live" && besideMap() === null));
    if (kind !== "live") byId("map-told").textContent = "";
    showOnMap("cover", coverPoints(plan ? coverage : null));
    showOnMap("gaps", plan ? gaps : null);
}

function goToMission({ mission_id: id }) {
    const place = placeOf(id);
    if (place) showAround([place.lon, place.lat], MISSION_SPAN_DEG);
}

function goToZone({ zone_id: id }) {
    byId("zone-wish").value = String(id);
    chooseZone();
}

function tellStreet({ s1, s2, s3, promise_s: promise }) {
    const times = [s1, s2, s3].map((s) => s === undefined ? "–" : minutes(s)).join(", ");
    byId("map-told").textContent = say("street_times", {
        times, promise: promise === undefined ? "–" : minutes(promise),
    });
}

/** A click on the planner's map: the mission there is looked up in the list; of
 * a street the times are told. */
export function planPoint(place, pixel) {
    if (tryPoint(place)) return;
    const street = featuresAt(pixel, TIMES_LAYERS)[0];
    const hit = featuresAt(pixel, ["cover"])[0];
    byId("map-told").textContent = "";
    if (street && !hit) tellStreet(street.properties);
    if (hit) lookUp(hit.properties.name);
}

/* The mission in the list, whatever its cover. */
function lookUp(name) {
    const box = byId("mission-words");
    box.value = name;
    byId("mission-all").checked = wish.all = true;
    wish.words = box.value;
    show();
    byId("mission-table").querySelector("button")?.focus();
}

/* ---------------------------------------------------------------- the tables */
function show() {
    const now = situation();
    const { coverage, gaps } = now;
    showStatus();
    refreshComparison();
    drawMap(now);
    if (currentView() !== "plan") return;
    for (const part of document.querySelectorAll("[data-needs-figures]"))
        part.hidden = coverage === null;
    if (coverage !== null) {
        showZones(coverage, goToZone);
        showMissions(coverage, zones, goToMission);
    }
    if (gaps !== null)
        showGaps(gaps, ({ geometry }) => showAround(geometry.coordinates));
}

function chooseZone() {
    const { value } = byId("zone-wish");
    wish.zone = value === "" ? null : Number(value);
    const seen = wish.zone === null ? [...zones.values()] : [zones.get(wish.zone)];
    showAround(seen.map(({ geometry }) => geometry.coordinates));
    show();
}

function fillZoneWish() {
    const select = byId("zone-wish"), was = select.value;
    const option = (value, text) => {
        const made = element("option", text);
        made.value = value;
        return made;
    };
    select.replaceChildren(option("", say("everything")),
        ...[...zones.values()].map((zone) => option(zone.zone_id, plain(zone.name, 60))));
    select.value = zones.has(Number(was)) ? was : "";
    wish.zone = select.value === "" ? null : Number(select.value);
}

/** The city as the gateway knows it now. */
export function setPlanCity(missionList, zoneList) {
    setPlaces(new Map(missionList.map((mission) => [mission.mission_id, mission])));
    zones = new Map(zoneList.map((zone) => [zone.zone_id, zone]));
    fillZoneWish();
    proposeSpan();
    show();
}

/* --------------------------------------------------------------- taken along */
function zoneRows({ coverage }) {
    const names = ["zone_id", "zone", "promise_s", "missions"];
    const shares = ["missions", "streets"].flatMap((what) =>
        [1, 2, 3].map((k) => `${what}_share_${k}`));
    return [[...names, ...shares.slice(0, 3), "streets_m", ...shares.slice(3)],
        ...coverage.zones.map((zone) => [
            zone.zone_id, zone.name, zone.promise_s, zone.missions.promised,
            ...zone.missions.share, zone.streets?.length_m, ...zone.streets?.share ?? [],
        ])];
}

function missionRows({ coverage }) {
    const units = [1, 2, 3].flatMap((n) => [`unit_${n}`, `eta_s_${n}`]);
    return [["mission_id", "mission", "zone", "promise_s", "units_within", ...units, "below_since"],
        ...wantedMissions(coverage, zones).map((mission) => [
            mission.mission_id, mission.name, mission.zone, mission.promise_s, mission.within,
            ...[0, 1, 2].flatMap((i) => [mission.units[i]?.call_sign, mission.units[i]?.eta_s]),
            mission.below_since,
        ])];
}

function mapCollection({ gaps }) {
    const { cover } = shownOnMap();
    return { type: "FeatureCollection", features: [...cover.features, ...gaps?.features ?? []] };
}

function startSaving() {
    const at = () => situation().at ?? new Date();
    const act = (id, what) => byId(id).addEventListener("click", what);
    act("save-zones", () => saveCsv("zones", at(), zoneRows(situation())));
    act("save-missions", () => saveCsv("missions", at(), missionRows(situation())));
    act("save-gaps", () => saveGeoJson("gaps", at(), situation().gaps));
    act("save-compared", () => {
        const rows = comparedRows();
        if (rows !== null) saveCsv("compared", at(), rows);
    });
    act("save-map", () => saveGeoJson("cover", at(), mapCollection(situation())));
    act("save-picture", () => savePicture("map", at()));
    startPrinting();
}

/* --------------------------------------------------------------------- start */
export function startPlan() {
    startSituation();
    startReplay(endTrying);
    startWhatIf(leavePast);
    startHistory(goToMoment);
    startPosts();
    startWeekPlan(replayPlan);
    startPlanReplay(goToMission, goToPost);
    startWeak(goToMission);
    startCompare(titleOf, lookUp, show);
    startSaving();
    for (const radio of document.querySelectorAll('input[name="k"]'))
        radio.addEventListener("change", () => {
            wish.k = Number(radio.value);
            show();
            showHistory();
        });
    byId("zone-wish").addEventListener("change", chooseZone);
    byId("mission-all").addEventListener("change", ({ target }) => {
        wish.all = target.checked;
        show();
    });
    byId("mission-words").addEventListener("input", ({ target }) => {
        wish.words = target.value;
        show();
    });
    onSituation(show);
    onView(show);
    onLanguage(() => {
        fillZoneWish();
        show();
    });
    setInterval(showStatus, 1000);
}
