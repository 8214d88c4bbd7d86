/* What the planner has before him: cover at one moment, now or in the past, or
 * as it would be. */
import { fetchJson, units } from "./feed.js";
import { currentView, onView } from "./view.js";

const ASK_EVERY_MS = 5000;
const ANSWER_WITHIN_MS = 15000;

/* kind: "live", "past" or "whatif"; at: the moment that it is of, null while unknown;
 * coverage and gaps as the API tells them, null while unknown; heard: when the
 * answer came (performance.now()); problem: why there is no newer one. */
let shown = empty("live", null);
let turn = 0; /* what comes back from an older question is dropped */
const listeners = [];

function empty(kind, at) {
    return { kind, at, coverage: null, gaps: null, fleet: null, heard: null, problem: null };
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

/* Where everybody is, to be kept with the figures. */
function fleetNow() {
    const fleet = [];
    for (const [name, { data }] of units)
        if (data.position !== null)
            fleet.push({
                call_sign: name, status: data.status, lat: data.position.lat,
                lon: data.position.lon,
            });
    return fleet;
}

async function askLive() {
    const mine = turn;
    try {
        const [coverage, gaps] = await Promise.all([
            fetchJson("/v1/coverage", ANSWER_WITHIN_MS),
            fetchJson("/v1/coverage/gaps", ANSWER_WITHIN_MS)]);
        if (mine !== turn) return;
        shown = {
            ...shown, coverage, gaps, problem: null, at: new Date(coverage.answered_at),
            heard: performance.now(), fleet: fleetNow(),
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

/** Shows a moment of the past: `at` a Date. */
export function showPast(at) {
    if (shown.kind === "past" && shown.at.getTime() === at.getTime()) return;
    turn++;
    shown = empty("past", at);
    tell();
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
