/* Two situations side by side: one that was kept, and the one that is shown. */
import { byId, element } from "./dom.js";
import { units } from "./feed.js";
import { shownOnMap } from "./map.js";
import { placesNow } from "./overlay.js";
import { minutes, number, onLanguage, plain, say } from "./say.js";
import { showBeside, startBeside } from "./sidemap.js";
import { situation } from "./situation.js";
import { NOTHING } from "./style.js";
import { fillTable, percent, upTo3, wish } from "./tables.js";
import { currentView, onView } from "./view.js";

const MISSIONS_MAX = 100;

let kept = null; /* {situation with its units and what else was drawn, title()} */
let beside = false; /* whether two maps are wished */
let titleOf = () => "";
let again = () => {};

const sign = (step) => step > 0 ? "▲" : step < 0 ? "▼" : "=";

function stepText(before, after) {
    if (before === null || after === null || before === undefined || after === undefined) return ["–"];
    const step = Math.round((after - before) * 1000) / 10;
    return [`${sign(step)} ${number(Math.abs(step), 1)}`, step < 0 ? "below" : ""];
}

function shareCells(before, after) {
    const k = wish.k - 1;
    return [[percent(before?.share?.[k])], [percent(after?.share?.[k])],
        stepText(before?.share?.[k], after?.share?.[k])];
}

function zoneRow(name, before, after) {
    return {
        head: element("span", name),
        cells: [...shareCells(before.missions, after.missions),
            ...shareCells(before.streets, after.streets)],
    };
}

function byNumber(list, key) {
    return new Map(list.map((one) => [one[key], one]));
}

/** Zones of both: what was kept, what is shown, and the step between them. */
function zoneRows(before, after) {
    const old = byNumber(before.zones, "zone_id");
    return [zoneRow(say("everything"), before.total, after.total),
        ...after.zones.filter(({ zone_id: zone }) => old.has(zone) &&
            (wish.zone === null || wish.zone === zone))
            .sort((a, b) => a.name.localeCompare(b.name))
            .map((zone) => zoneRow(plain(zone.name, 60), old.get(zone.zone_id), zone))];
}

function arrival({ units, within }) {
    const first = units[0];
    return `${upTo3(within)} · ` +
        (first ? `${plain(first.call_sign ?? "?", 16)} ${minutes(first.eta_s)}` : "–");
}

/* Missions that one situation covers and the other does not, the lost first. */
function changedMissions(before, after) {
    const old = byNumber(before.missions, "mission_id");
    return after.missions
        .map((mission) => ({ mission, was: old.get(mission.mission_id) }))
        .filter(({ mission, was }) => was && mission.promise_s !== null &&
            (mission.within >= wish.k) !== (was.within >= wish.k))
        .sort((a, b) => (a.mission.within - a.was.within) - (b.mission.within - b.was.within));
}

function missionRows(before, after) {
    return changedMissions(before, after).slice(0, MISSIONS_MAX).map(({ mission, was }) => ({
        head: element("span", plain(mission.name, 80)),
        cells: [[arrival(was)], [arrival(mission)],
            [`${sign(mission.within - was.within)} ${say(mission.within < was.within
                ? "fell_out" : "came_in")}`, mission.within < was.within ? "below" : ""]],
    }));
}

/** What the tables show, for a file; null when there is nothing to compare. */
export function comparedRows() {
    const before = kept?.situation.coverage, after = situation().coverage;
    if (!before || !after) return null;
    const old = byNumber(before.zones, "zone_id");
    const rows = [["zone_id", "zone", "units", "missions_before", "missions_after",
        "streets_before", "streets_after"]];
    for (const zone of after.zones)
        for (const k of [0, 1, 2]) {
            const was = old.get(zone.zone_id);
            rows.push([zone.zone_id, zone.name, k + 1, was?.missions.share[k],
                zone.missions.share[k], was?.streets?.share[k], zone.streets?.share[k]]);
        }
    return rows;
}

/* Two maps while they are wished and there is something for both. */
function showMaps() {
    const two = beside && kept !== null && currentView() === "plan";
    byId("side").setAttribute("aria-pressed", String(beside));
    showBeside(two ? kept.situation : null, kept?.title() ?? "", situation(), titleOf(situation()));
}

function show() {
    showMaps();
    const before = kept?.situation.coverage, after = situation().coverage;
    byId("keep").disabled = !after;
    byId("compared").hidden = kept === null;
    if (kept === null) return;
    byId("compared-what").textContent = say("compared", {
        a: kept.title(), b: titleOf(situation()),
    });
    byId("compare-zones").hidden = byId("compare-missions").hidden = !after;
    if (!after) return;
    const names = [say("compare_a"), say("compare_b"), say("step")].map((text) => [text]);
    const both = (what) => names.map(([text]) => [`${say(what)}: ${text}`]);
    fillTable(byId("compare-zones"), [[say("zone")], ...both("missions"), ...both("streets")],
        zoneRows(before, after));
    const changed = missionRows(before, after);
    fillTable(byId("compare-missions"), [[say("mission")], ...names.slice(0, 2), [say("change")]],
        changed);
    byId("compare-missions").hidden = changed.length === 0;
    byId("compare-note").textContent = changed.length === 0 ? say("no_mission_changed") : "";
}

/* What lies on the map, but for what is asked anew for each of two. */
function drawnNow() {
    const { cover, gaps, ...drawn } = shownOnMap();
    return drawn;
}

function keep() {
    const now = situation();
    kept = {
        situation: { ...now, units: placesNow(), drawn: drawnNow() }, title: () => titleOf(now),
    };
    show();
}

/** Puts how it is now beside what is shown; null: nothing. `title` is words. */
export function keepThis(now, title) {
    const drawn = { ...drawnNow(), tried: NOTHING };
    kept = now === null ? null
        : { situation: { ...now, units: placesNow(units), drawn }, title };
    show();
}

function letGo() {
    kept = null;
    beside = false;
    again();
    byId("keep").focus();
}

export function refreshComparison() {
    show();
}

/** `title` says in words which moment a situation is of; `look` is given the name
 * of a mission that was chosen on the second map; `change` shows all anew. */
export function startCompare(title, look, change) {
    titleOf = title;
    again = change;
    startBeside(look);
    byId("keep").addEventListener("click", keep);
    byId("let-go").addEventListener("click", letGo);
    byId("side").addEventListener("click", () => {
        beside = !beside;
        again();
    });
    onView(showMaps);
}
