/* "Who is there first?": by a mission's name, by coordinates, by a point of
 * the map; the ranking, why others are left out, and the way of one unit. */
import { byId, element, nameElement } from "./dom.js";
import { fetchJson } from "./feed.js";
import { chooseUnit, lookAt, markTarget, showRoute } from "./map.js";
import {
    ageText, clock, distance, minutes, number, onLanguage, plain, problemText, say,
} from "./say.js";
import { findMissions, fold, isCorner, parsePoint } from "./search.js";

const ASK_AGAIN_MS = 5000;
const OLD_ANSWER_S = 15;
const TYPED_MS = 250; /* so long nothing is typed before corners are asked for */

let missions = [];
let matches = [], active = -1; /* missions and corners */
let typing = null; /* timer */
let question = null; /* {query, title()} */
let answer = null, answeredAt = 0, problem = null;
let chosen = null; /* whose way is shown */
let route = null, routeProblem = null;
let turn = 0; /* what comes back from an older question is dropped */

/* ------------------------------------------------------------ suggestions */
export function setMissions(list) {
    missions = list.map((mission) => ({
        ...mission, words: fold(mission.name).split(" "),
    }));
}

export function knownMissions() {
    return missions;
}

function closeMatches() {
    matches = [];
    active = -1;
    showMatches();
}

function showMatches() {
    const box = byId("matches"), input = byId("search");
    box.replaceChildren(...matches.map((mission, i) => {
        const item = element("li");
        item.id = `match-${i}`;
        item.setAttribute("role", "option");
        item.setAttribute("aria-selected", String(i === active));
        item.append(nameElement(plain(mission.name)));
        if (mission.zone) item.append(element("span", ` · ${plain(mission.zone, 40)}`, "quiet"));
        item.addEventListener("mousedown", (event) => {
            event.preventDefault();
            askMatch(mission);
        });
        return item;
    }));
    box.hidden = matches.length === 0;
    input.setAttribute("aria-expanded", String(matches.length > 0));
    if (active >= 0) {
        input.setAttribute("aria-activedescendant", `match-${active}`);
        box.children[active].scrollIntoView({ block: "nearest" });
    } else {
        input.removeAttribute("aria-activedescendant");
    }
}

/* The corners that are called so, as matches. */
export async function findCorners(typed) {
    const { places } = await fetchJson(`/v1/places?q=${encodeURIComponent(typed)}`);
    return places.map((place) => ({
        ...place, corner: true, name: `${plain(place.street)} / ${plain(place.cross_street)}`,
    }));
}

/* Behind the missions, while nothing else has been typed. */
async function addCorners(typed) {
    try {
        const corners = await findCorners(typed);
        if (byId("search").value !== typed || corners.length === 0) return;
        matches = [...matches.filter((match) => !match.corner), ...corners];
        active = Math.max(active, 0);
        showMatches();
    } catch {
        /* said when it is asked for by Enter */
    }
}

function onTyped() {
    const typed = byId("search").value;
    clearTimeout(typing);
    matches = parsePoint(typed) ? [] : findMissions(typed, missions);
    active = matches.length > 0 ? 0 : -1;
    showMatches();
    if (isCorner(typed)) typing = setTimeout(() => addCorners(typed), TYPED_MS);
}

function onKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && matches.length > 0) {
        event.preventDefault();
        active = (active + step + matches.length) % matches.length;
        showMatches();
    } else if (event.key === "Escape" && matches.length > 0) {
        event.preventDefault();
        closeMatches();
    }
}

async function onSubmit(event) {
    event.preventDefault();
    clearTimeout(typing);
    const typed = byId("search").value;
    const point = parsePoint(typed);
    if (point) {
        closeMatches();
        askPoint(point);
        return;
    }
    let fits = matches.length > 0 ? matches : findMissions(typed, missions);
    let failed = { slug: "nothing-called-so", detail: "" };
    if (fits.length === 0 && isCorner(typed)) {
        try {
            fits = await findCorners(typed);
        } catch (why) {
            failed = why;
        }
        if (byId("search").value !== typed) return;
        /* several that fit equally well: the dispatcher chooses */
        if (fits.filter((fit) => fit.best).length > 1) {
            [matches, active] = [fits, 0];
            showMatches();
            return;
        }
    }
    if (fits.length > 0) {
        askMatch(fits[Math.max(active, 0)]);
    } else if (typed.trim() !== "") {
        forget();
        problem = failed;
        show();
    }
}

/* --------------------------------------------------------------- questions */
function pointText({ lat, lon }) {
    return `${lat.toFixed(5)}, ${lon.toFixed(5)}`;
}

export function askPoint(point) {
    const query = `lat=${point.lat.toFixed(6)}&lon=${point.lon.toFixed(6)}`;
    ask({ query, at: point, title: () => say("place", { at: pointText(point) }) });
}

function askCorner(corner) {
    byId("search").value = corner.name;
    closeMatches();
    ask({
        query: `lat=${corner.lat.toFixed(6)}&lon=${corner.lon.toFixed(6)}`, at: corner,
        title: () => corner.name,
    });
}

function askMatch(match) {
    if (match.corner) askCorner(match);
    else askMission(match);
}

function askMission(mission) {
    byId("search").value = plain(mission.name);
    closeMatches();
    ask({
        query: `mission=${mission.mission_id}`, at: mission,
        title: () => plain(mission.name),
    });
}

function forget() {
    turn++;
    question = answer = problem = route = routeProblem = chosen = null;
    markTarget(null, []);
    showRoute(null);
}

function ask(next) {
    forget();
    question = next;
    markTarget(next.at, []);
    show();
    askNow();
}

async function askNow() {
    const mine = turn;
    try {
        const got = await fetchJson(`/v1/nearest?${question.query}&k=5`);
        if (mine !== turn) return;
        if (answer === null) lookAt(question.at);
        answer = got;
        answeredAt = performance.now();
        problem = null;
    } catch (failed) {
        if (mine !== turn) return;
        problem = failed;
        /* what was answered before stands, with its age, only while nobody
         * can be asked */
        if (!["unreachable", "busy", "database-unavailable"].includes(failed.slug)) {
            answer = route = null;
            showRoute(null);
        }
    }
    const names = answer?.units.map((unit) => unit.call_sign) ?? [];
    if (!names.includes(chosen)) chosen = names[0] ?? null;
    markTarget(question.at, names);
    show();
    await askRoute(mine);
}

async function askRoute(mine) {
    if (chosen === null || problem) return;
    const unit = chosen;
    try {
        const got = await fetchJson(
            `/v1/route?unit=${encodeURIComponent(unit)}&${question.query}`);
        if (mine !== turn || unit !== chosen) return;
        [route, routeProblem] = [got, null];
    } catch (failed) {
        if (mine !== turn || unit !== chosen) return;
        [route, routeProblem] = [null, failed];
    }
    showRoute(route?.geometry ?? null);
    show();
}

/* ---------------------------------------------------------------- the answer */
function targetText({ road, off_road_m: off, zone, promise_s: promise }) {
    const parts = [say("on_road", {
        road: road === null ? say("unnamed_road") : plain(road), off: distance(off),
    })];
    if (zone !== null)
        parts.push(promise === null ? say("zone_only", { zone: plain(zone, 60) })
            : say("zone_promise", { zone: plain(zone, 60), promise: minutes(promise) }));
    return parts.join("; ");
}

/* What is left out of cover if the unit is sent; the first of them by name. */
function lossText({ uncovers, uncovers_count: n }) {
    const names = uncovers.slice(0, 2).map((mission) => plain(mission.name, 40)).join(", ");
    return say("uncovers", { n, names: n > 2 ? `${names}…` : names });
}

function candidateRow(unit, place) {
    const item = element("li");
    const button = element("button", null, "candidate");
    const flags = [];
    button.type = "button";
    button.dataset.unit = unit.call_sign;
    button.setAttribute("aria-pressed", String(unit.call_sign === chosen));
    button.append(element("span", `${place}.`, "place"),
        nameElement(plain(unit.call_sign, 64), "name"),
        element("span", minutes(unit.eta_s), "minutes"),
        element("span", `${number(unit.eta_s)} s`, "seconds"));
    if (unit.start_s >= 1) flags.push(say("sets_out", { time: minutes(unit.start_s) }));
    if (unit.eta_low_s !== null && unit.eta_high_s !== null)
        flags.push(say("range", { low: minutes(unit.eta_low_s), high: minutes(unit.eta_high_s) }));
    flags.push(say("drives", { time: minutes(unit.drive_s), distance: distance(unit.distance_m) }),
        say("position_age", { age: ageText(unit.position_age_s) }));
    if (unit.silent) flags.push(say("silent"));
    else if (unit.old) flags.push(say("old_position"));
    if (unit.within_promise !== null)
        flags.push(say(unit.within_promise ? "within" : "too_late"));
    if (unit.p_within_promise !== null)
        flags.push(say("chance", { percent: number(100 * unit.p_within_promise) }));
    if (unit.uncovers_count > 0) flags.push(lossText(unit));
    const more = element("span", flags.join(" · "), "more");
    if (unit.within_promise === false || unit.old) more.classList.add("bad");
    button.append(more);
    button.addEventListener("click", () => choose(unit.call_sign));
    item.append(button);
    return item;
}

function choose(call_sign) {
    chosen = call_sign;
    [route, routeProblem] = [null, null];
    showRoute(null);
    show();
    chooseUnit(call_sign, false);
    askRoute(turn);
}

const REASON_WORDS = { no_position: "no_position_reason" };

function leftOut(list) {
    const box = element("details");
    box.open = byId("answer").querySelector("details")?.open ?? false;
    box.append(element("summary", say("left_out", { n: list.length })));
    const names = element("ul", null, "left-out");
    for (const { call_sign: name, reason } of list.slice(0, 200)) {
        const item = element("li");
        item.append(nameElement(plain(name, 64), "name"),
            element("span", ` ${say(REASON_WORDS[reason] ?? reason)}`));
        names.append(item);
    }
    box.append(names);
    return box;
}

function answerParts() {
    const parts = [element("p", targetText(answer.target), "quiet")];
    if (answer.degraded.length > 0)
        parts.push(element("p", say("degraded_answer", {
            parts: answer.degraded.map(({ part }) => say(`part_${part}`)).join(", "),
        }), "warning-text"));
    if (answer.units.length === 0) parts.push(element("p", say("nobody"), "warning-text"));
    const order = element("ol", null, "candidates");
    order.append(...answer.units.map((unit, i) => candidateRow(unit, i + 1)));
    parts.push(order);
    if (route !== null)
        parts.push(element("p", say("route_of", {
            unit: plain(route.unit, 64), time: minutes(route.drive_s),
            distance: distance(route.distance_m),
        }), "route-line"));
    else if (routeProblem !== null && chosen !== null)
        parts.push(element("p", say("route_none", {
            unit: plain(chosen, 64), why: problemText(routeProblem),
        }), "warning-text"));
    if (answer.excluded.length > 0) parts.push(leftOut(answer.excluded));
    return parts;
}

function show() {
    const box = byId("answer");
    const focused = box.contains(document.activeElement)
        ? document.activeElement.dataset.unit ?? "" : null;
    const parts = [];
    if (question) {
        const head = element("h3");
        head.append(nameElement(question.title()));
        parts.push(head);
    }
    if (problem) parts.push(element("p", problemText(problem), "warning-text"));
    if (answer) parts.push(...answerParts(), element("p", "", "quiet answer-age"));
    else if (question && !problem) parts.push(element("p", say("asking")));
    if (question) {
        const close = element("button", say("close"));
        close.type = "button";
        close.addEventListener("click", () => {
            forget();
            show();
            byId("search").focus();
        });
        parts.push(close);
    }
    box.replaceChildren(...parts);
    showAge();
    if (focused !== null)
        (box.querySelector(`[data-unit="${CSS.escape(focused)}"]`) ??
            box.querySelector("button") ?? byId("search")).focus();
}

function showAge() {
    const place = document.querySelector(".answer-age");
    if (!place || !answer) return;
    const age_s = (performance.now() - answeredAt) / 1000;
    const old = age_s > OLD_ANSWER_S;
    place.textContent = say(old ? "answer_old" : "answered", { age: ageText(age_s) }) +
        ` · ${clock(new Date(answer.answered_at))}`;
    place.classList.toggle("warning-text", old);
}

export function startAsk() {
    const input = byId("search");
    input.addEventListener("input", onTyped);
    input.addEventListener("keydown", onKey);
    input.addEventListener("blur", closeMatches);
    byId("ask").addEventListener("submit", onSubmit);
    setInterval(showAge, 1000);
    setInterval(() => question && askNow(), ASK_AGAIN_MS);
    onLanguage(show);
}
