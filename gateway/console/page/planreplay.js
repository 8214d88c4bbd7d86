/* What a plan would have done: stored reports are replayed with units where they
 * really stood, at the plan's posts and at those in force. */
import { askUntil } from "./asklong.js";
import { buttonElement, byId, element } from "./dom.js";
import { fetchJson } from "./feed.js";
import { keepSpan, proposeDays, spanOf } from "./history.js";
import { placeName } from "./posts.js";
import { saveCsv } from "./save.js";
import { dayAndTime, number, onLanguage, plain, problemText, say } from "./say.js";
import { fillTable, percent } from "./tables.js";
import { drawWeek, fillWeek, HOURS, levelOf } from "./week.js";
import { groupName } from "./weekplan.js";

const ANSWER_WITHIN_MS = 30000;
const MISSIONS_MAX = 200, POSTS_MAX = 200;
const DAYS = 28;
const SIDES = ["real", "plan", "posts"];

let plan = null, replay = null;
let progress = null, problem = null;
let turn = 0;
let goToMission = () => {}, goToPlace = () => {};

async function ask() {
    const mine = ++turn;
    [replay, problem, progress] = [null, null, { share: 0 }];
    show();
    const path = `/v1/coverage/plans/${plan.plan_id}/replay?${spanOf("would")}`;
    try {
        const got = await askUntil(() => fetchJson(path, ANSWER_WITHIN_MS),
            ({ sides }) => sides !== undefined, () => mine === turn, (so_far) => {
                progress = so_far;
                show();
            });
        if (got === null) return;
        replay = got;
    } catch (failed) {
        if (mine !== turn) return;
        problem = failed;
    }
    progress = null;
    show();
}

/* ---------------------------------------------------------------- the tables */
const inMinutes = (seconds) => number(seconds / 60);
const signed = (seconds) => `${seconds > 0 ? "▲ " : seconds < 0 ? "▼ −" : ""}${inMinutes(Math.abs(seconds))}`;

function showSides({ sides }) {
    fillTable(byId("would-sides"), [
        [say("would_side")], [say("would_out")], [say("would_unit_h")], [say("would_stood")],
    ], SIDES.filter((side) => sides[side] !== null).map((side) => ({
        head: element("span", say(`would_${side}`)),
        cells: [[inMinutes(sides[side].out_s)], [number(sides[side].unit_s / 3600, 1)],
            [percent(sides[side].stood_share)]],
    })));
}

/* Seconds avoided by hour of the week; null where nothing was looked at. */
function avoidedByHour({ hours }) {
    const avoided = Array.from({ length: HOURS }, () => null);
    for (const { hour, sides } of hours) avoided[hour] = sides.real.out_s - sides.plan.out_s;
    return avoided;
}

function showHours(answer) {
    const { hours, step_s: step, sides } = answer;
    const all = Math.max(1, answer.missions.length);
    const means = Object.fromEntries(SIDES.map((side) => [side, Array.from({ length: HOURS }, () => null)]));
    for (const { hour, looks, sides: those } of hours)
        for (const side of SIDES)
            if (those[side] !== null) means[side][hour] = those[side].out_s / (looks * step);
    drawWeek(byId("would-chart"), SIDES.filter((side) => sides[side] !== null).map((side) => ({
        label: say(`would_${side}`), values: means[side],
    })), null, "");
    fillWeek(byId("would-hours"), avoidedByHour(answer).map((seconds, hour) => seconds === null ? null
        : [inMinutes(seconds), levelOf(1 - (means.plan[hour] ?? 0) / all)]));
}

function showMissions({ missions }) {
    const shown = missions.slice(0, MISSIONS_MAX);
    fillTable(byId("would-missions"), [
        [say("mission")], [say("would_really")], [say("would_planned")], [say("would_in_force")],
        [say("would_mended")],
    ], shown.map((one) => ({
        head: buttonElement(plain(one.name, 80), () => goToMission(one),
            `would mission ${one.mission_id}`, "link"),
        cells: [[inMinutes(one.real_out_s)], [inMinutes(one.plan_out_s)],
            [one.posts_out_s === null ? "–" : inMinutes(one.posts_out_s)],
            [signed(one.real_out_s - one.plan_out_s), one.real_out_s < one.plan_out_s ? "below" : ""]],
    })));
}

function nameOfGroup(name) {
    const group = plan.groups.find((one) => one.name === name);
    return group ? groupName(plan, group) : plain(name, 40);
}

function showPosts({ posts }) {
    fillTable(byId("would-posts"), [
        [say("post")], [say("week_hours"), "words"], [say("would_for")], [say("would_unit_h")],
        [say("would_stood")],
    ], posts.slice(0, POSTS_MAX).map((post, i) => ({
        head: buttonElement(placeName({ zone: null, ...post }), () => goToPlace(post), `would post ${i}`, "link"),
        cells: [[post.group === null ? say("would_in_force_group") : nameOfGroup(post.group), "words"],
            [post.units === null ? "–" : number(post.units)], [number(post.unit_s / 3600, 1)],
            [post.unit_s > 0 ? percent(post.stood_s / post.unit_s) : "–"]],
    })));
}

function noteLines() {
    if (problem !== null) return [problemText(problem)];
    if (progress !== null)
        return [say("would_working", { share: number(Math.floor(progress.share * 100)) })];
    if (replay === null) return [];
    const { from, to, looks, unplanned_looks: unplanned, step_s: step, units_mean: units,
        time_zone: zone, avoided } = replay;
    const lines = [say("would_of", {
        from: dayAndTime(Date.parse(from), zone), to: dayAndTime(Date.parse(to), zone),
        looks: number(looks), step: number(step / 60), units: units === null ? "–" : number(units, 1),
    })];
    if (unplanned > 0) lines.push(say("would_unplanned", { n: number(unplanned) }));
    if (looks === 0) return [...lines, say("would_none")];
    const much = (seconds) => say(seconds < 0 ? "would_worse" : "would_avoided",
        { n: inMinutes(Math.abs(seconds)) });
    lines.push(much(avoided.beside_real_s));
    lines.push(avoided.beside_posts_s === null ? say("would_no_posts")
        : say("would_beside_posts", { n: signed(avoided.beside_posts_s) }));
    return lines;
}

/* Anew, also in other words. */
function show() {
    byId("would").hidden = plan === null;
    byId("would-note").textContent = noteLines().join(" ");
    byId("would-note").classList.toggle("warning-text", problem !== null);
    byId("would-progress").hidden = progress === null;
    byId("would-progress").value = progress?.share ?? 0;
    byId("would-ask").disabled = progress !== null;
    byId("would-answer").hidden = replay === null || replay.looks === 0;
    if (byId("would-answer").hidden) return;
    showSides(replay);
    showHours(replay);
    showMissions(replay);
    showPosts(replay);
}

/* ---------------------------------------------------------------- taken along */
function saveHours() {
    const rows = [["hour_of_week", "looks", "units_mean",
        ...SIDES.flatMap((side) => [`${side}_out_s`, `${side}_unit_s`, `${side}_stood_s`])]];
    for (const { hour, looks, units_mean: units, sides } of replay.hours)
        rows.push([hour, looks, units, ...SIDES.flatMap((side) => [sides[side]?.out_s,
            sides[side]?.unit_s, sides[side]?.stood_s])]);
    saveCsv("plan-hours", new Date(replay.to), rows);
}

function saveMissions() {
    const names = ["mission_id", "name", "zone", "real_out_s", "plan_out_s", "posts_out_s"];
    saveCsv("plan-missions", new Date(replay.to),
        [names, ...replay.missions.map((one) => names.map((name) => one[name]))]);
}

function savePosts() {
    const names = ["group", "units", "lat", "lon", "street", "name", "post_id", "unit_s", "stood_s"];
    saveCsv("plan-posts", new Date(replay.to),
        [names, ...replay.posts.map((one) => names.map((name) => one[name]))]);
}

/** The plan that is looked at; null: none. */
export function replayPlan(next) {
    turn++;
    [plan, replay, progress, problem] = [next, null, null, null];
    if (plan !== null) proposeDays("would", DAYS);
    show();
}

/** `mission` and `place` show one on the map. */
export function startPlanReplay(mission, place) {
    [goToMission, goToPlace] = [mission, place];
    const act = (id, what) => byId(id).addEventListener("click", what);
    act("would-ask", ask);
    act("would-save-hours", saveHours);
    act("would-save-missions", saveMissions);
    act("would-save-posts", savePosts);
    for (const id of ["would-from", "would-to"])
        byId(id).addEventListener("change", () => keepSpan("would"));
    onLanguage(show);
}
