/* Where units should stand by, and how good that is at least; and who would
 * have to move now. Proposals only: each can be tried on the map. */
import { buttonElement, byId, element } from "./dom.js";
import { fetchJson, postJson } from "./feed.js";
import { showAround, showOnMap } from "./map.js";
import { saveCsv } from "./save.js";
import { clock, distance, minutes, number, onLanguage, plain, problemText, say } from "./say.js";
import { fillTable, wish } from "./tables.js";
import { currentView, onView } from "./view.js";
import { tryChanges } from "./whatif.js";

const LIMIT_S = 20;
const ANSWER_WITHIN_MS = 100000; /* others may be before us */
const SPAN_DEG = 0.004;

let found = null, moves = null;
let problem = null, working = false;

async function ask(question) {
    if (working) return;
    working = true;
    [found, moves, problem] = [null, null, null];
    show();
    try {
        await question();
    } catch (failed) {
        problem = failed;
    }
    working = false;
    show();
    showAll();
}

async function askPosts() {
    const sent = {
        posts: Number(byId("posts-count").value) || 1, fold: wish.k,
        candidates: byId("posts-where").value, limit_s: LIMIT_S,
        weights: { mission: 1, street_km: Number(byId("posts-streets").value) || 0 },
    };
    if (wish.zone !== null) sent.zone = String(wish.zone);
    found = await postJson("/v1/coverage/posts", sent, ANSWER_WITHIN_MS);
}

async function askMoves() {
    moves = await fetchJson(`/v1/coverage/moves?places=${byId("posts-where").value}`,
        ANSWER_WITHIN_MS);
}

/* ----------------------------------------------------------------- the answer */
/** Of a post: its own name, else its street's, and the zone. */
export function placeName({ name, street, zone }) {
    const at = plain(name ?? street ?? say("unnamed_road"), 60);
    return zone === null ? at : `${at} (${plain(zone, 40)})`;
}

function goTo({ lat, lon }) {
    showAround([lon, lat], SPAN_DEG);
}

function showPosts() {
    fillTable(byId("posts-table"), [
        [say("post")], [say("post_missions")], [say("post_adds")], [say("post_holds")],
    ], found.posts.map((post, i) => ({
        head: buttonElement(`${i + 1}. ${placeName(post)}`, () => goTo(post), `post ${i}`, "link"),
        cells: [[number(post.missions)], [number(post.adds, 1)], [number(post.holds, 1)]],
    })));
    const { covered, best } = found;
    const lines = [say("posts_cover", {
        missions: number(covered.missions), of: number(covered.missions_of), k: found.fold,
    })];
    if (covered.streets_of_m > 0)
        lines.push(say("posts_streets_cover", {
            streets: distance(covered.streets_m), all: distance(covered.streets_of_m),
        }));
    lines.push(best.proved ? say("posts_best") : say("posts_bound", { share: number(
        Math.floor(best.share * 1000) / 10, 1) }));
    if (found.stopped) lines.push(say("posts_stopped"));
    if (found.missed_count > 0)
        lines.push(say("posts_missed", {
            n: number(found.missed_count),
            names: found.missed.slice(0, 8).map(({ name }) => plain(name, 60)).join(", ") +
                (found.missed_count > 8 ? ", …" : ""),
        }));
    return lines;
}

function showMoves() {
    fillTable(byId("posts-table"), [
        [say("unit")], [say("move_to"), "words"], [say("arrives")], [say("length")], [say("gains")],
    ], moves.moves.map((move, i) => ({
        head: buttonElement(plain(move.call_sign ?? "?", 64), () => goTo(move), `move ${i}`, "link"),
        cells: [[placeName(move), "words"], [minutes(move.arrive_s)], [distance(move.distance_m)],
            [number(move.gains)]],
    })));
    const lines = [say(moves.lacking === 0 ? "moves_nothing" : "moves_restore", {
        lacking: number(moves.lacking), restored: number(moves.restored_count),
        remaining: number(moves.remaining_count),
    })];
    if (moves.moves.length > 0 && moves.complete) lines.push(say("moves_fewest"));
    if (moves.beyond > 0) lines.push(say("moves_beyond", { n: number(moves.beyond) }));
    if (moves.stopped) lines.push(say("posts_stopped"));
    return lines;
}

function places() {
    return (found ?? { posts: null }).posts ?? moves?.moves ?? [];
}

/** Places as numbered points for the map. */
export function pointsOf(those) {
    return {
        type: "FeatureCollection",
        features: those.map(({ lat, lon }, i) => ({
            type: "Feature", geometry: { type: "Point", coordinates: [lon, lat] },
            properties: { number: String(i + 1) },
        })),
    };
}

function drawPlaces() {
    showOnMap("posts", pointsOf(currentView() === "plan" ? places() : []));
}

function showAll() {
    showAround(places().map(({ lat, lon }) => [lon, lat]));
}

/* Anew, also in other words. */
function show() {
    const lines = problem !== null ? [problemText(problem)] : working ? [say("working_out")]
        : found !== null ? showPosts() : moves !== null ? showMoves() : [];
    const answer = found ?? moves;
    if (answer !== null) lines.push(say("answered_at", { time: clock(new Date(answer.answered_at)) }));
    byId("posts-note").replaceChildren(...lines.map((line) => element("span", `${line} `)));
    byId("posts-note").classList.toggle("warning-text", problem !== null);
    byId("posts-answer").hidden = places().length === 0;
    byId("posts-ask").disabled = byId("moves-ask").disabled = working;
    drawPlaces();
}

/* Takes the proposal from map and page. */
function forget() {
    [found, moves, problem] = [null, null, null];
    show();
}

/* What is proposed, as changes to be tried: a unit more at each post, or those
 * that move where they would go. */
function tryThem() {
    if (moves !== null)
        tryChanges({
            moves: moves.moves.map(({ call_sign: name, lat, lon }) => ({ name, lat, lon })),
        });
    else if (found !== null) tryChanges({ more: found.posts });
}

function save() {
    const at = new Date((found ?? moves).answered_at);
    const names = found !== null
        ? ["lat", "lon", "name", "street", "zone", "kept", "missions", "adds", "holds"]
        : ["call_sign", "lat", "lon", "name", "street", "zone", "arrive_s", "distance_m", "gains"];
    saveCsv(found !== null ? "posts" : "moves", at,
        [names, ...places().map((place) => names.map((name) => place[name]))]);
}

export function startPosts() {
    const act = (id, what) => byId(id).addEventListener("click", what);
    act("posts-ask", () => ask(askPosts));
    act("moves-ask", () => ask(askMoves));
    act("posts-try", tryThem);
    act("posts-save", save);
    act("posts-forget", forget);
    onLanguage(show);
    onView(drawPlaces);
}
