/* What the planner has before him: cover at one moment, now or in the past, or
 * as it would be. */
import { fetchJson } from "./feed.js";
import { currentView, onView } from "./view.js";

const ASK_EVERY_MS = 5000;
const ANSWER_WITHIN_MS = 15000;
const PAST_WITHIN_MS = 60000; /* replays take their turns */
const KEPT_MS = 180000;

/* kind: "live", "past" or "whatif"; at: the moment that it is of, null while unknown;
 * coverage and gaps as the API tells them, null while unknown; heard: when the
 * answer came (performance.now()); problem: why there is no newer one. */
let shown = empty("live", null);
let zonePercent = 100; /* that of now */
let askingPast = false, pastAsked = null;
let asked = 0, answered = 0; /* of now: the last question, the one that is shown */
let turn = 0; /* what comes back from an older question is dropped */
const listeners = [];

function empty(kind, at) {
    return { kind, at, coverage: null, gaps: null, heard: null, problem: null };
}

export function situation() {
    return shown;
}

/** `listener` runs whenever something else is to be shown. */
export function onSituation(listener) {
    listeners.push(listener);
}

function tell() {
    for (const listener of listeners) listener(shown);
}

async function askLive() {
    const mine = turn, question = ++asked;
    try {
        const [coverage, gaps] = await Promise.all([
            fetchJson("/v1/coverage", ANSWER_WITHIN_MS),
            fetchJson("/v1/coverage/gaps", ANSWER_WITHIN_MS)]);
        /* an older question may be answered after a newer one */
        if (mine !== turn || question < answered) return;
        answered = question;
        zonePercent = coverage.zone_percent;
        shown = {
            ...shown, coverage, gaps, problem: null, at: new Date(coverage.answered_at),
            heard: performance.now(),
        };
    } catch (failed) {
        if (mine !== turn) return;
        shown = { ...shown, problem: failed };
    }
    tell();
}

function askAgain() {
    if (currentView() === "plan" && shown.kind === "live" && !document.hidden) askLive();
}

/** Shows what is now, and goes on with it. */
export function showLive() {
    turn++;
    shown = empty("live", null);
    tell();
    askLive();
}

/* Of a moment of the past in the form of now. */
function coverageThen(answer) {
    const told = { alarm: false, below_since: null };
    return {
        ...answer, answered_at: answer.at, units: { counted: answer.units_counted },
        zones: answer.zones.map((zone) => ({ ...zone, ...told })),
        missions: answer.missions.map((mission) => ({ ...mission, ...told })),
        zone_percent: zonePercent, renewing: false, degraded: [],
    };
}

/* One is asked for at a time; of moments that pass meanwhile the newest is
 * next. */
async function askPast() {
    if (askingPast) return;
    askingPast = true;
    while (shown.kind === "past" && shown.at.getTime() !== pastAsked) {
        const mine = turn, at = shown.at;
        pastAsked = at.getTime();
        let got = {};
        try {
            const answer = await fetchJson(`/v1/coverage?at=${at.toISOString()}`, PAST_WITHIN_MS);
            got = { coverage: coverageThen(answer), heard: performance.now(), problem: null };
        } catch (failed) {
            got = { coverage: null, problem: failed };
        }
        if (mine !== turn) continue;
        shown = { ...shown, ...got };
        tell();
    }
    pastAsked = null;
    askingPast = false;
}

/** Shows a moment of the past: `at` a Date. What was told of a moment just
 * before stays, with its own time, until this one's is there. */
export function showPast(at) {
    if (shown.kind === "past" && shown.at.getTime() === at.getTime()) return;
    const near = shown.kind === "past" && Math.abs(shown.at - at) <= KEPT_MS;
    if (!near) turn++;
    shown = near ? { ...shown, at } : empty("past", at);
    tell();
    askPast();
}

/** Shows what would be: cover as the API tells it for now, with its gaps. */
export function showWhatIf(coverage, gaps) {
    turn++;
    shown = {
        ...empty("whatif", new Date(coverage.answered_at)), coverage, gaps,
        heard: performance.now(),
    };
    tell();
}

/** Nothing newer could be had for what is shown. */
export function showProblem(problem) {
    shown = { ...shown, problem };
    tell();
}

export function startSituation() {
    setInterval(askAgain, ASK_EVERY_MS);
    document.addEventListener("visibilitychange", askAgain);
    onView(askAgain);
}
