/* Where units were: their stored positions, read by pieces of ten minutes and
 * kept, so that a slider that is pulled to and fro asks for each only once. */
import { fetchJson } from "./feed.js";

const PIECE_MS = 600000;
const PIECES_MAX = 24; /* four hours are kept */
const AT_ONCE = 4; /* a browser has six connections; one is the stream's */
/* Between two fixes farther apart nobody knows where it was. */
const JOINED_MS = 120000;
const LOST_MS = 900000;
const OLD_MS = 90000;

const pieces = new Map(); /* when it begins -> {of: Set, tracks: Map, ready, failed, old} */

/* Each of `names` in turn, some at once. */
async function eachOf(names, work) {
    const queue = [...names];
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
        for (let name = queue.shift(); name !== undefined; name = queue.shift())
            await work(name);
    }));
}

async function readTrack(name, from, to) {
    const points = [];
    let next = new Date(from).toISOString();
    while (next !== null) {
        const got = await fetchJson(`/v1/units/${encodeURIComponent(name)}/track` +
            `?from=${next}&to=${new Date(to).toISOString()}`, 15000);
        for (const point of got.points) points.push({ ...point, ms: Date.parse(point.time) });
        next = got.truncated ? got.next_from : null;
    }
    return points;
}

function forgetOldest() {
    while (pieces.size > PIECES_MAX) pieces.delete(pieces.keys().next().value);
}

async function readPiece(start, names) {
    const known = pieces.get(start);
    /* units may have come since */
    if (known && !known.old && names.every((name) => known.of.has(name))) return known.ready;
    const piece = { of: new Set(names), tracks: new Map(known?.tracks), failed: null, old: false,
        complete: start + PIECE_MS < Date.now() };
    pieces.set(start, piece);
    forgetOldest();
    piece.ready = eachOf(names, async (name) => {
        if (piece.failed === null)
            piece.tracks.set(name, await readTrack(name, start, start + PIECE_MS));
    }).catch((failed) => { piece.failed = failed; })
        .finally(() => {
            /* what failed, or goes on, is asked for again; shown meanwhile */
            if (piece.failed !== null || !piece.complete)
                setTimeout(() => { piece.old = true; }, 5000);
        });
    return piece.ready;
}

/** Reads what is needed to show the moment `ms`, and what comes next; throws
 * what the API's answer was when it cannot be had. */
export async function readMoment(ms, names) {
    const start = Math.floor(ms / PIECE_MS) * PIECE_MS;
    await readPiece(start, names);
    await readPiece(start - PIECE_MS, names);
    const failed = pieces.get(start)?.failed ?? pieces.get(start - PIECE_MS)?.failed;
    if (failed) throw failed;
    if (start + PIECE_MS < Date.now()) readPiece(start + PIECE_MS, names);
}

/** Whether the moment can be shown without asking. */
export function hasMoment(ms) {
    const start = Math.floor(ms / PIECE_MS) * PIECE_MS;
    return [start, start - PIECE_MS].every((piece) => pieces.get(piece)?.old === false);
}

/* The last of the points at or before `ms`, and the one after it. */
function around(points, ms) {
    let low = 0, high = points.length;
    while (low < high) {
        const middle = (low + high) >> 1;
        if (points[middle].ms <= ms) low = middle + 1;
        else high = middle;
    }
    return [points[low - 1], points[low]];
}

/** A position at `ms` from stored ones, oldest first; null when none is near
 * enough. Between two fixes it is on the straight line. Pure. */
export function placeAt(points, ms) {
    const [before, after] = around(points, ms);
    if (!before || ms - before.ms > LOST_MS) return null;
    const joined = after && !after.jump && after.ms - before.ms <= JOINED_MS;
    const next = joined ? after : before;
    const part = joined ? (ms - before.ms) / (after.ms - before.ms) : 0;
    return {
        lat: before.lat + part * (next.lat - before.lat),
        lon: before.lon + part * (next.lon - before.lon),
        speed_mps: before.speed_mps, course_deg: before.course_deg,
        age_s: joined ? 0 : (ms - before.ms) / 1000, status: before.status,
    };
}

/** All units that were somewhere at `ms`, as the map draws units. */
export function fleetAt(ms, names) {
    const start = Math.floor(ms / PIECE_MS) * PIECE_MS;
    const fleet = new Map();
    for (const name of names) {
        const points = [start - PIECE_MS, start, start + PIECE_MS]
            .flatMap((piece) => pieces.get(piece)?.tracks.get(name) ?? []);
        const position = placeAt(points, ms);
        if (position === null) continue;
        fleet.set(name, {
            still: true, at: 0, data: {
                call_sign: name, status: position.status, position,
                silent: position.age_s * 1000 > OLD_MS,
            },
        });
    }
    return fleet;
}
