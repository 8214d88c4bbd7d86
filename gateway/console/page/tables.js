/* Cover in figures: the zones, the missions, the gaps; each is also what its
 * file holds when it is taken along. */
import { buttonElement, byId, element, nameElement, refill } from "./dom.js";
import { clock, distance, minutes, number, plain, say } from "./say.js";
import { fold } from "./search.js";

const MISSIONS_MAX = 200;
const GAPS_MAX = 100;

/* What the planner looks for: `k` units, in a zone, names that hold words. */
export const wish = { k: 1, zone: null, all: false, words: "" };

/** Never more than it is: 99.6 % is 99. */
export function percent(share) {
    return share === null || share === undefined ? "–" : `${number(Math.floor(share * 100))} %`;
}

/* ---------------------------------------------------------------- the tables */
function headRow(names) {
    const head = element("thead"), row = element("tr");
    for (const [text, classes = "", of = null] of names) {
        const cell = element("th", null, classes);
        if (of !== null) cell.append(element("span", `${of} `, "unseen"));
        cell.append(text);
        cell.scope = "col";
        row.append(cell);
    }
    head.append(row);
    return head;
}

function bodyRow(head, cells) {
    const row = element("tr"), first = element("th");
    first.scope = "row";
    first.append(head);
    row.append(first);
    for (const [content, classes = ""] of cells) {
        const cell = element("td", null, classes);
        cell.append(content);
        row.append(cell);
    }
    return row;
}

/** A table: names are [text, classes, what is read out before], cells [text or
 * element, classes], rows {head, cells}. */
export function fillTable(table, names, rows) {
    const body = element("tbody");
    body.append(...rows.map(({ head, cells }) => bodyRow(head, cells)));
    refill(table, [headRow(names), body]);
}

/* --------------------------------------------------------------------- zones */
function inZone({ zone }, zones) {
    return wish.zone === null || zone === zones.get(wish.zone)?.name;
}

function shareCells({ share }, promised, least) {
    return [0, 1, 2].map((k) => [percent(share?.[k]), [
        k === wish.k - 1 ? "chosen" : "",
        k === wish.k - 1 && promised && share?.[k] < least ? "below" : "",
    ].join(" ")]);
}

function zoneRow(name, zone, coverage, go) {
    const { missions, streets, promise_s: promise } = zone;
    const least = coverage.zone_percent / 100;
    return {
        head: go ? buttonElement(name, go, `zone ${zone.zone_id}`, "link") : element("span", name),
        cells: [
            [promise ? minutes(promise) : "–"], [number(missions.promised)],
            ...shareCells(missions, missions.promised > 0, least),
            [streets ? number(streets.length_m / 1000, 1) : "–"],
            ...shareCells(streets ?? {}, false, least),
        ],
    };
}

function kNames(of) {
    return [1, 2, 3].map((k) => [say("by_units", { n: k }), k === wish.k ? "chosen" : "", of]);
}

/** The zones, those that lack most on top; `go` is given one of them. */
export function showZones(coverage, go) {
    const lacks = ({ missions }) => missions.promised === 0 ? -1 : 1 - missions.share[wish.k - 1];
    const zones = coverage.zones.filter((zone) => wish.zone === null || zone.zone_id === wish.zone)
        .sort((a, b) => lacks(b) - lacks(a) || a.name.localeCompare(b.name));
    const rows = zones.map((zone) => zoneRow(plain(zone.name, 60), zone, coverage, () => go(zone)));
    if (wish.zone === null) rows.unshift(zoneRow(say("everything"), coverage.total, coverage, null));
    fillTable(byId("zone-table"), [
        [say("zone")], [say("promise")], [say("missions")], ...kNames(say("missions")),
        [say("streets_km")], ...kNames(say("streets")),
    ], rows);
}

/* ------------------------------------------------------------------ missions */
/** The missions looked for, those with the fewest units on top. */
export function wantedMissions(coverage, zones) {
    const words = fold(wish.words).split(" ").filter(Boolean);
    const first = ({ units }) => units[0]?.eta_s ?? Infinity;
    return coverage.missions
        .filter((mission) => inZone(mission, zones) &&
            (wish.all || (mission.promise_s !== null && mission.within < wish.k)) &&
            words.every((word) => fold(mission.name).includes(word)))
        .sort((a, b) => a.within - b.within || first(b) - first(a));
}

function arrival(mission, i) {
    const unit = mission.units[i];
    if (!unit) return ["–"];
    const late = mission.promise_s !== null && unit.eta_s > mission.promise_s;
    return [`${plain(unit.call_sign ?? "?", 16)} ${minutes(unit.eta_s)}${late ? " ▼" : ""}`,
        late ? "below" : ""];
}

/* Nobody counts beyond three. */
export const upTo3 = (within) => within === 3 ? "≥ 3" : number(within);

function missionRow(mission, go) {
    const lacking = mission.promise_s !== null && mission.within < wish.k;
    const within = mission.off_road ? say("off_road")
        : mission.promise_s === null ? say("no_promise") : upTo3(mission.within);
    return {
        head: buttonElement(plain(mission.name, 80), () => go(mission),
            `mission ${mission.mission_id}`, "link"),
        cells: [
            [within, lacking ? "below" : ""], ...[0, 1, 2].map((i) => arrival(mission, i)),
            [mission.below_since ? clock(new Date(mission.below_since)) : "–"],
        ],
    };
}

export function showMissions(coverage, zones, go) {
    const wanted = wantedMissions(coverage, zones);
    fillTable(byId("mission-table"), [
        [say("mission")], [say("units_within")], [say("nth", { n: 1 })], [say("nth", { n: 2 })],
        [say("nth", { n: 3 })], [say("below_since")],
    ], wanted.slice(0, MISSIONS_MAX).map((mission) => missionRow(mission, go)));
    byId("mission-table").hidden = wanted.length === 0;
    byId("mission-note").textContent = wanted.length === 0
        ? say(wish.all || wish.words ? "no_mission_fits" : "all_within", { n: wish.k })
        : wanted.length > MISSIONS_MAX ? say("more_rows", { n: wanted.length - MISSIONS_MAX }) : "";
}

/* ---------------------------------------------------------------------- gaps */
export function showGaps(gaps, go) {
    const shown = gaps.features.slice(0, GAPS_MAX);
    const rows = shown.map((gap, i) => {
        const { length_m: length, worst_s: worst, missions } = gap.properties;
        return {
            head: buttonElement(say("gap_n", { n: i + 1 }), () => go(gap), `gap ${i}`, "link"),
            cells: [
                [distance(length)], [worst === null ? say("no_way") : minutes(worst)],
                [missions.map(({ name }) => plain(name, 60)).join(", ") || "–", "words"],
            ],
        };
    });
    fillTable(byId("gap-table"), [
        [say("gap")], [say("length")], [say("worst")], [say("missions"), "words"],
    ], rows);
    byId("gap-table").hidden = shown.length === 0;
    byId("gap-note").textContent = shown.length === 0 ? say("no_gaps")
        : gaps.features.length > GAPS_MAX
            ? say("more_rows", { n: gaps.features.length - GAPS_MAX }) : "";
}
