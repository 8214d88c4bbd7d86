/* What cover was over days and weeks: by hour of the week, per zone or mission,
 * as the gateway replays it from what is stored. */
import { askUntil } from "./asklong.js";
import { byId, buttonElement, element } from "./dom.js";
import { fetchJson } from "./feed.js";
import { saveCsv } from "./save.js";
import { dayAndTime, lasting, number, onLanguage, plain, problemText, say, timeZone } from "./say.js";
import { fillTable, percent, wish } from "./tables.js";
import { drawWeek, fillWeek, HOURS, levelOf } from "./week.js";
import { dayLater, dayOf, dayStart } from "./zonetime.js";

const ANSWER_WITHIN_MS = 30000;
const MISSIONS_MAX = 200;
const DAYS_MAX = 92;

let history = null; /* the answer for all */
let mission = null; /* the answer for one of them */
let subject = "zone "; /* "zone 7", "mission 12"; "zone ": everything */
let progress = null, problem = null;
let turn = 0;
let showMoment = () => {};

/* ---------------------------------------------------------------- questions */
/** The days of two fields, "history-from" and "history-to", as a query. */
export function spanOf(fields) {
    const zone = timeZone();
    const from = dayStart(byId(`${fields}-from`).value, zone);
    const to = dayStart(dayLater(byId(`${fields}-to`).value, 1), zone);
    const iso = (ms) => new Date(Math.floor(ms / 60000) * 60000).toISOString();
    return `from=${iso(from)}&to=${iso(Math.min(to, Date.now()))}`;
}

/* `mine` is given up for a newer one: null. */
function askUntilDone(path, mine) {
    return askUntil(() => fetchJson(path, ANSWER_WITHIN_MS), ({ run_id: run }) => run !== undefined,
        () => mine === turn, (got) => {
            progress = got;
            show();
        });
}

async function ask() {
    const mine = ++turn;
    const asked = spanOf("history");
    [history, mission, problem] = [null, null, null];
    progress = { share: 0 };
    show();
    try {
        const got = await askUntilDone(`/v1/coverage/history?${asked}`, mine);
        if (got === null) return;
        history = got;
    } catch (failed) {
        if (mine !== turn) return;
        problem = failed;
    }
    progress = null;
    show();
    if (history !== null && subject.startsWith("mission")) askMission();
}

async function askMission() {
    const mine = ++turn;
    const { from, to } = history;
    mission = null;
    try {
        const got = await askUntilDone(`/v1/coverage/history?from=${from}&to=${to}` +
            `&mission=${subject.slice(8)}`, mine);
        if (got === null) return;
        mission = got;
    } catch (failed) {
        if (mine !== turn) return;
        problem = failed;
    }
    progress = null;
    show();
}

/* ------------------------------------------------------------ hours of the week */
/* Shares in time by 1, 2, 3 units by hour of the week; null where nothing is
 * known. */
export function sharesByHour(answer, of) {
    const shares = Array.from({ length: HOURS }, () => null);
    if (of.startsWith("mission")) {
        for (const { hour, watched_s: watched, seconds } of answer.hours)
            if (watched > 0)
                shares[hour] = [1, 2, 3].map((k) => seconds.slice(k)
                    .reduce((a, b) => a + b, 0) / watched);
    } else {
        const id = of === "zone " ? null : Number(of.slice(5));
        const zone = answer.zones.find(({ zone_id }) => zone_id === id);
        for (const { hour, missions_share: missions, streets_share: streets } of zone?.hours ?? [])
            shares[hour] = missions ?? streets;
    }
    return shares;
}

function showHours(shares) {
    fillWeek(byId("history-hours"), shares.map((share) => share === null ? null
        : [number(Math.floor(share[wish.k - 1] * 100)), levelOf(share[wish.k - 1])]));
}

function showChart(shares) {
    drawWeek(byId("history-chart"), [0, 1, 2].map((k) => ({
        label: say("by_units", { n: k + 1 }),
        values: shares.map((share) => share === null ? null : share[k] * 100),
    })), 100, " %");
}

/* ------------------------------------------------------------------- the page */
function missionRow(one) {
    const at = one.longest_from === null ? null : new Date(one.longest_from);
    return {
        head: buttonElement(plain(one.name, 80), () => choose(`mission ${one.mission_id}`),
            `history ${one.mission_id}`, "link"),
        cells: [
            [one.out_s === null ? say("no_promise") : lasting(one.out_s)],
            [percent(one.out_share)], [one.outages === null ? "–" : number(one.outages)],
            [one.longest_s === null ? "–" : lasting(one.longest_s)],
            [at === null ? "–" : dayAndTime(at.getTime())],
            [one.passes === null ? "–" : number(one.passes)],
            [one.unpassed_s === null ? "–" : lasting(one.unpassed_s)],
        ],
    };
}

function subjectName() {
    const id = Number(subject.slice(subject.indexOf(" ") + 1));
    if (subject.startsWith("mission"))
        return plain(history.missions.find(({ mission_id }) => mission_id === id)?.name, 80);
    return subject === "zone " ? say("everything")
        : plain(history.zones.find(({ zone_id }) => zone_id === id)?.name, 60);
}

function fillSubjects() {
    const select = byId("history-subject");
    const option = (value, text) => {
        const made = element("option", text);
        made.value = value;
        return made;
    };
    const group = (name, options) => {
        const made = element("optgroup");
        made.label = name;
        made.append(...options);
        return made;
    };
    const byName = (a, b) => a.name.localeCompare(b.name);
    select.replaceChildren(option("zone ", say("everything")),
        group(say("zones"), history.zones.filter(({ zone_id }) => zone_id !== null)
            .map(({ zone_id, name }) => option(`zone ${zone_id}`, plain(name, 60)))),
        group(say("missions"), history.missions.toSorted(byName)
            .map(({ mission_id, name }) => option(`mission ${mission_id}`, plain(name, 60)))));
    select.value = subject;
    if (select.value !== subject) select.value = subject = "zone ";
}

function choose(next) {
    subject = next;
    byId("history-subject").value = next;
    if (next.startsWith("mission")) askMission();
    show();
    byId("history-subject").scrollIntoView({ block: "nearest" });
}

function noteLines() {
    if (problem !== null) return [problemText(problem)];
    if (progress !== null)
        return [say("history_working", { share: number(Math.floor(progress.share * 100)) })];
    if (history === null) return [];
    const lines = [say("history_of", {
        from: dayAndTime(Date.parse(history.from)),
        to: dayAndTime(Date.parse(history.to)), fixes: number(history.fixes),
        units: number(history.units.counted_mean, 1),
    })];
    if (history.fixes === 0) lines.push(say("history_empty"));
    if (history.networks_since > 0) lines.push(say("history_other_streets"));
    return lines;
}

/** Shows it anew: other words, colours or numbers of units. */
export function showHistory() {
    show();
}

function show() {
    byId("history-note").textContent = noteLines().join(" ");
    byId("history-note").classList.toggle("warning-text", problem !== null);
    byId("history-progress").hidden = progress === null;
    byId("history-progress").value = progress?.share ?? 0;
    const known = history !== null && history.fixes > 0;
    byId("history-answer").hidden = !known;
    if (!known) return;
    fillSubjects();
    const answer = subject.startsWith("mission") ? mission : history;
    byId("history-what").textContent = say("history_hours", { name: subjectName(), k: wish.k });
    byId("history-week").hidden = answer === null;
    if (answer !== null) {
        const shares = sharesByHour(answer, subject);
        showHours(shares);
        showChart(shares);
    }
    fillTable(byId("history-missions"), [
        [say("mission")], [say("out_for")], [say("out_share")], [say("outages")],
        [say("longest")], [say("longest_from")], [say("passes")], [say("unpassed")],
    ], history.missions.slice(0, MISSIONS_MAX).map(missionRow));
    byId("history-longest").disabled = longestOf() === null;
}

/* The longest time out of cover of what is looked at. */
function longestOf() {
    const id = subject.startsWith("mission") ? Number(subject.slice(8)) : null;
    const those = history.missions.filter(({ mission_id, longest_from: from }) =>
        from !== null && (id === null || mission_id === id));
    return those.length === 0 ? null
        : those.reduce((a, b) => b.longest_s > a.longest_s ? b : a).longest_from;
}

function saveMissions() {
    const names = ["mission_id", "name", "zone", "promise_s", "out_s", "out_share", "outages",
        "longest_s", "longest_from", "passes", "unpassed_s", "unpassed_from"];
    saveCsv("history", new Date(history.to),
        [names, ...history.missions.map((one) => names.map((name) => one[name]))]);
}

function saveHours() {
    const answer = subject.startsWith("mission") ? mission : history;
    if (answer === null) return;
    saveCsv("hours", new Date(history.to), [
        ["subject", "hour_of_week", "share_1", "share_2", "share_3"],
        ...sharesByHour(answer, subject).map((share, hour) => [subjectName(), hour, ...share ?? []]),
    ]);
}

/** The last `days` days in two empty fields. */
export function proposeDays(fields, days) {
    const today = dayOf(Date.now(), timeZone());
    const from = byId(`${fields}-from`), to = byId(`${fields}-to`);
    from.max = to.max = today;
    to.value ||= today;
    from.value ||= dayLater(today, 1 - days);
}

/** The days a week back from today, once it is known where the city is. */
export function proposeSpan() {
    proposeDays("history", 7);
}

/** Two fields that were changed hold a span that can be asked for. */
export function keepSpan(fields) {
    const from = byId(`${fields}-from`), to = byId(`${fields}-to`);
    if (from.value === "" || to.value === "") return;
    if (from.value > to.value) to.value = from.value;
    const least = dayLater(to.value, 1 - DAYS_MAX);
    if (from.value < least) from.value = least;
}

/** `goTo` shows a moment (Date) of the past on the map. */
export function startHistory(goTo) {
    showMoment = goTo;
    const act = (id, what) => byId(id).addEventListener("click", what);
    for (const id of ["history-from", "history-to"]) byId(id).addEventListener("change", () => keepSpan("history"));
    act("history-ask", ask);
    act("history-save", saveMissions);
    act("history-save-hours", saveHours);
    act("history-longest", () => {
        const at = longestOf();
        if (at !== null) showMoment(new Date(at));
    });
    byId("history-subject").addEventListener("change", ({ target }) => choose(target.value));
    onLanguage(show);
}
