/* Posts by hour of the week and number of units: a plan is made, kept by the
 * gateway, looked at group by group, and tried on the map. */
import { askUntil } from "./asklong.js";
import { buttonElement, byId, element } from "./dom.js";
import { fetchJson, postJson } from "./feed.js";
import { showAround, showOnMap } from "./map.js";
import { placeName, pointsOf } from "./posts.js";
import { saveCsv } from "./save.js";
import { dayAndTime, number, onLanguage, plain, problemText, say } from "./say.js";
import { fillTable, wish } from "./tables.js";
import { currentView, onView } from "./view.js";
import { dayNames, drawWeek, HOURS } from "./week.js";
import { tryChanges } from "./whatif.js";

const ANSWER_WITHIN_MS = 30000;
const LINES_MAX = 3; /* of the chart */
const SPAN_DEG = 0.004;

let kept = []; /* the plans there are, without their posts */
let plan = null;
let chosen = null; /* {group, choice} of the plan, by number */
let progress = null, problem = null;
let turn = 0;
let told = () => {};

/* ------------------------------------------------------------------ questions */
function asked() {
    const units = [...new Set((byId("week-units").value.match(/\d+/g) ?? []).map(Number))]
        .filter((n) => n >= 1 && n <= 100).sort((a, b) => a - b).slice(0, 40);
    const sent = {
        units: units.length > 0 ? units : [1], fold: wish.k,
        candidates: byId("week-where").value, each_hour: byId("week-split").value === "hours",
    };
    const name = byId("week-name").value.trim();
    if (name !== "") sent.name = name;
    if (wish.zone !== null) sent.zone = String(wish.zone);
    return sent;
}

/* `question` is asked again until it is worked out; a newer one ends it. */
async function work(question) {
    const mine = ++turn;
    [problem, progress] = [null, { share: 0 }];
    show();
    try {
        const got = await askUntil(question, ({ plan_id: id }) => id !== undefined,
            () => mine === turn, (so_far) => {
                progress = so_far;
                show();
            });
        if (got === null) return;
        take(got);
    } catch (failed) {
        if (mine !== turn) return;
        problem = failed;
    }
    progress = null;
    show();
}

function take(got) {
    plan = got;
    chosen = { group: 0, choice: 0 };
    told(plan);
}

async function make() {
    const sent = asked();
    await work(() => postJson("/v1/coverage/plans", sent, ANSWER_WITHIN_MS));
    readKept();
}

async function readKept() {
    try {
        ({ plans: kept } = await fetchJson("/v1/coverage/plans", ANSWER_WITHIN_MS));
    } catch {
        return; /* those known stay in the list */
    }
    fillKept();
}

function forget() {
    turn++;
    [plan, chosen, problem, progress] = [null, null, null, null];
    told(null);
    show();
    byId("week-ask").focus();
}

/* ------------------------------------------------------------------ the words */
/* Hours that hang together, also over the week's end: {from, count}. Pure. */
export function runsOf(hours) {
    const there = new Set(hours);
    if (there.size === HOURS) return [{ from: 0, count: HOURS }];
    const runs = [];
    for (const hour of [...there].sort((a, b) => a - b)) {
        if (there.has((hour + HOURS - 1) % HOURS)) continue;
        let count = 1;
        while (there.has((hour + count) % HOURS)) count++;
        runs.push({ from: hour, count });
    }
    return runs;
}

/* "Mon–Fri 22–06, Sat 06–14". */
function hoursText(hours) {
    const days = dayNames(), two = (hour) => String(hour).padStart(2, "0");
    const parts = []; /* {days: [], text} */
    for (const { from, count } of runsOf(hours)) {
        if (count === HOURS) return say("everything");
        const day = Math.floor(from / 24), end = (from + count) % HOURS;
        const text = count <= 24 ? `${two(from % 24)}–${two(end % 24 === 0 ? 24 : end % 24)}`
            : `${two(from % 24)} – ${days[Math.floor(end / 24)]} ${two(end % 24)}`;
        const like = parts.find((part) => count <= 24 && part.text === text);
        if (like) like.days.push(day);
        else parts.push({ days: [day], text });
    }
    return parts.map(({ days: those, text }) => `${spans(those, days)} ${text}`).join(", ");
}

/* [0, 1, 2, 4]: "Mon–Wed, Fri". */
function spans(those, names) {
    const out = [];
    for (const day of those) {
        const last = out.at(-1);
        if (last && last.to === day - 1) last.to = day;
        else out.push({ from: day, to: day });
    }
    return out.map(({ from, to }) => from === to ? names[from] : `${names[from]}–${names[to]}`).join(", ");
}

/** Hours of a plan in words. */
export function groupName({ settings }, { name, hours }) {
    /* those that were not named by hand are named by the gateway, in English */
    return settings.groups ? plain(name, 40) : hoursText(hours);
}

/* One that was not named is called by when it was made, in UTC. */
function planName({ name, plan_id: id }) {
    return /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(name) ? say("week_nr", { n: id }) : plain(name, 80);
}

function proof({ proved, best_share: share }) {
    return proved ? say("week_proved") : say("week_at_least",
        { share: number(Math.floor(share * 1000) / 10, 1) });
}

/* ---------------------------------------------------------------- on the map */
function choice() {
    return plan?.groups[chosen.group]?.choices[chosen.choice] ?? null;
}

function draw() {
    showOnMap("planned", pointsOf(currentView() === "plan" ? choice()?.posts ?? [] : []));
}

function look(group, index) {
    chosen = { group, choice: index };
    show();
    showAround(choice().posts.map(({ lat, lon }) => [lon, lat]));
}

/** Shows a post on the map. */
export function goToPost({ lat, lon }) {
    showAround([lon, lat], SPAN_DEG);
}

/* ---------------------------------------------------------------- the tables */
function groupRow(group, g) {
    return {
        head: element("span", groupName(plan, group)),
        cells: group.choices.map((one, i) => {
            const button = buttonElement(say("week_covered", {
                missions: number(one.missions, Number.isInteger(one.missions) ? 0 : 1),
                of: number(one.missions_of, Number.isInteger(one.missions_of) ? 0 : 1),
            }), () => look(g, i), `week ${g} ${i}`, "link");
            button.setAttribute("aria-pressed", String(chosen.group === g && chosen.choice === i));
            const cell = element("span");
            cell.append(button, element("br"), element("small", proof(one)));
            return [cell];
        }),
    };
}

function showPosts() {
    const one = choice(), group = plan.groups[chosen.group];
    byId("week-chosen").textContent = say("week_chosen", {
        hours: groupName(plan, group), n: number(one.units),
    });
    fillTable(byId("week-posts"), [
        [say("post")], [say("post_missions")], [say("post_adds")], [say("post_holds")],
    ], one.posts.map((post, i) => ({
        head: buttonElement(`${i + 1}. ${placeName(post)}`, () => goToPost(post), `week post ${i}`, "link"),
        cells: [[number(post.missions, 1)], [number(post.adds, 1)], [number(post.holds, 1)]],
    })));
    const lines = [proof(one)];
    if (one.posts.length < one.units)
        lines.push(say("week_fewer", { n: number(one.posts.length) }));
    if (one.stopped) lines.push(say("posts_stopped"));
    byId("week-proof").textContent = lines.join(" ");
}

/* Share of the missions in cover by hour of the week, for the first numbers of units. */
function showChart() {
    drawWeek(byId("week-chart"), plan.units.slice(0, LINES_MAX).map((units, i) => {
        const values = Array.from({ length: HOURS }, () => null);
        for (const { hours, choices } of plan.groups)
            for (const hour of hours)
                if (choices[i]?.missions_of > 0)
                    values[hour] = (100 * choices[i].missions) / choices[i].missions_of;
        return { label: say("week_units", { n: number(units) }), values };
    }), 100, " %");
}

function fillKept() {
    const option = (value, text) => {
        const made = element("option", text);
        made.value = value;
        return made;
    };
    byId("week-kept").replaceChildren(option("", say("week_none_chosen")), ...kept.map((one) =>
        option(one.plan_id, `${planName(one)} · ${dayAndTime(Date.parse(one.made_at), one.time_zone)}`)));
    byId("week-kept").value = kept.some(({ plan_id: id }) => id === plan?.plan_id) ? plan.plan_id : "";
}

function noteLines() {
    if (problem !== null) return [problemText(problem)];
    if (progress !== null)
        return [say("week_working", { share: number(Math.floor(progress.share * 100)) })];
    if (plan === null) return [];
    return [say("week_made", {
        name: planName(plan), time: dayAndTime(Date.parse(plan.made_at), plan.time_zone),
        zone: plan.time_zone.replaceAll("_", " "),
    }), say("week_learned", { n: number(plan.hours_learned) })];
}

/* Anew, also in other words. */
function show() {
    byId("week-note").textContent = noteLines().join(" ");
    byId("week-note").classList.toggle("warning-text", problem !== null);
    byId("week-progress").hidden = progress === null;
    byId("week-progress").value = progress?.share ?? 0;
    byId("week-ask").disabled = progress !== null;
    byId("week-answer").hidden = plan === null;
    fillKept();
    draw();
    if (plan === null) return;
    fillTable(byId("week-table"), [[say("week_hours")],
        ...plan.units.map((n) => [say("week_units", { n: number(n) })])], plan.groups.map(groupRow));
    showPosts();
    showChart();
}

/* ---------------------------------------------------------------- taken along */
function save() {
    const rows = [["group", "hours", "units", "post", "lat", "lon", "name", "street", "zone", "missions",
        "adds", "holds", "choice_missions", "choice_missions_of", "proved", "best_share"]];
    for (const { name, hours, choices } of plan.groups)
        for (const one of choices)
            one.posts.forEach((post, i) => rows.push([name, hours.join(" "), one.units, i + 1, post.lat,
                post.lon, post.name, post.street, post.zone, post.missions, post.adds, post.holds,
                one.missions, one.missions_of, one.proved, one.best_share]));
    saveCsv("plan", new Date(plan.made_at), rows);
}

/** `tell` is given the plan that is looked at, null for none. */
export function startWeekPlan(tell) {
    told = tell;
    const act = (id, what) => byId(id).addEventListener("click", what);
    act("week-ask", make);
    act("week-save", save);
    act("week-forget", forget);
    act("week-try", () => {
        tryChanges({ more: choice().posts });
        byId("try").focus();
    });
    byId("week-kept").addEventListener("change", ({ target: { value } }) =>
        value === "" ? forget() : work(() => fetchJson(`/v1/coverage/plans/${value}`, ANSWER_WITHIN_MS)));
    onLanguage(show);
    onView((view) => {
        draw();
        if (view === "plan") readKept();
    });
}
