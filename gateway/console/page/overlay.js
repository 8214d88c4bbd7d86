/* Units on the map: a canvas over it, drawn anew as they move. The map's own
 * picture is left alone meanwhile, so that 2,000 moving units cost a few
 * milliseconds and no graphics card. */
import { eachSecond } from "./beat.js";
import { units } from "./feed.js";
import { ageOf, MOVING_MPS, shownAt, shownSpeed } from "./reckon.js";
import { plain, say } from "./say.js";
import { colours, drawPointer, drawRadio, drawSymbol, lookOf, STATUSES } from "./symbols.js";
import { currentTheme, onTheme } from "./theme.js";

/* Drawn anew when the fastest in view has gone a pixel, not for less; and so
 * that keys and clicks are answered on a machine that takes long for it (one
 * without a graphics card), at most in a part of the time. What may wait longer
 * than SLOW_MS waits for the second, when the page is drawn anew anyhow. */
const FRAME_MS = 50;
const SLOW_MS = 500;
const SHARE = 8;
/* What a drawing costs shows in these frames: the first still passes while the
 * browser brings it to the screen. */
const COST_FRAMES = 3;
/* Kept in main memory, where copying sprites is what processors do well; to
 * emulate a graphics card for it takes many times as long, and to a real one
 * the finished picture goes at once. */
const PLAIN_MEMORY = { willReadFrequently: true };
const SPRITE = 48; /* pixels of the page, a side, with a pointer ... */
const PLAIN = 32;  /* ... and without */
const ROW = 21;    /* sprites in a row of the sheet, and rows */
const TURNS = 32;  /* headings that have a sprite */
const LABELS_MAX = 250; /* more in view would be a carpet of names */
const HIT_PX = 16;
const OLD_S = 90;
/* Streets come first, but not for long: each drawing of units holds them up. */
const BEGIN_WITHIN_MS = 3000;

let map, canvas, draw;
const sheet = document.createElement("canvas"); /* all sprites: see place() */
const sprites = new Map(); /* look -> its place on the sheet */
let labels = new Map();
let begun = false;
let drawnAt = 0, dueAt = 0;
/* Of a drawing, until the browser is free again. A machine is a slow one until
 * it has shown better: while a page begins there is much else to do. */
let cost_ms = 100;
let watched = 0; /* frames until the cost of the last drawing is known */
let frameAt = 0; /* the last */
let usual_ms = 17; /* from frame to frame when nothing was drawn: a screen's own */
let changed = true;
let fastest_pxs = 0; /* of those in view */
let chosen = null;
let target = null;
let fleet = units; /* whose places are drawn */
const seen = []; /* those in view, as they were last drawn */
let heard = []; /* whose place by radio is in view, likewise */
let drawn = null; /* the view then */
const AS_DRAWN = { scale: 1, x: 0, y: 0 };
let off = AS_DRAWN; /* where the drawing is moved to since */
const panics = new Set();
const ranked = new Map(); /* call sign -> place in the answer */

function picture(width, height, paint) {
    const ratio = devicePixelRatio || 1;
    const made = document.createElement("canvas");
    made.width = Math.ceil(width * ratio);
    made.height = Math.ceil(height * ratio);
    const pen = made.getContext("2d", PLAIN_MEMORY);
    pen.scale(ratio, ratio);
    paint(pen);
    return made;
}

function clearSheet() {
    sheet.width = sheet.height = ROW * SPRITE * (devicePixelRatio || 1);
    sprites.clear();
}

/* Where a sprite stands on the sheet, drawn when it is first wanted. One
 * picture of all, none of them turned as it is drawn: thousands of them then go
 * to the screen in one piece. `turn` -1: without a pointer. */
function place({ status, silent, radio }, old, turn) {
    const look = ((STATUSES.indexOf(status) * 2 + silent) * 2 + radio) * 2 + old;
    const key = look * (TURNS + 1) + turn + 1;
    const found = sprites.get(key);
    if (found !== undefined) return found;
    if (sprites.size === ROW * ROW) clearSheet();
    const at = sprites.size;
    const ratio = devicePixelRatio || 1;
    const pen = sheet.getContext("2d", PLAIN_MEMORY);
    pen.setTransform(ratio, 0, 0, ratio, (at % ROW + 0.5) * SPRITE * ratio,
        (Math.floor(at / ROW) + 0.5) * SPRITE * ratio);
    if (turn >= 0) {
        pen.save();
        pen.rotate((turn * 2 * Math.PI) / TURNS);
        drawPointer(pen, currentTheme());
        pen.restore();
    }
    drawSymbol(pen, { status, silent, radio, old }, currentTheme());
    sprites.set(key, at);
    return at;
}

const FONT = "600 12px sans-serif";

function label(text) {
    let made = labels.get(text);
    if (made) return made;
    const paint = colours(currentTheme());
    draw.font = FONT;
    const width = draw.measureText(text).width + 6;
    made = picture(width, 18, (pen) => {
        pen.font = FONT;
        pen.lineWidth = 4;
        pen.lineJoin = "round";
        pen.strokeStyle = paint.halo;
        pen.fillStyle = paint.text;
        pen.strokeText(text, 3, 13);
        pen.fillText(text, 3, 13);
    });
    made.cssWidth = width;
    if (labels.size > 4000) labels = new Map();
    labels.set(text, made);
    return made;
}

const EQUATOR_M = 40075016.686; /* of WGS 84's sphere, as Web Mercator has it */

/* Web Mercator, the whole world from 0 to 1; the map is never turned. */
function mercator(lat, lon) {
    const s = Math.sin((lat * Math.PI) / 180);
    return { x: lon / 360 + 0.5, y: 0.5 - Math.log((1 + s) / (1 - s)) / (4 * Math.PI) };
}

function view() {
    const centre = map.getCenter();
    return {
        middle: mercator(centre.lat, centre.lng),
        world: 512 * 2 ** map.getZoom(),
        shrink: Math.cos((centre.lat * Math.PI) / 180),
        width: canvas.clientWidth, height: canvas.clientHeight,
    };
}

function toPixel({ middle, world, width, height }, { lat, lon }) {
    const at = mercator(lat, lon);
    return {
        x: (at.x - middle.x) * world + width / 2,
        y: (at.y - middle.y) * world + height / 2,
    };
}

/* While the map moves, what was drawn moves with it, until it is drawn anew.
 * False: that cannot be. */
function follow() {
    const now = view();
    if (drawn === null || drawn.width !== now.width || drawn.height !== now.height) return false;
    off = {
        scale: now.world / drawn.world,
        x: (drawn.middle.x - now.middle.x) * now.world,
        y: (drawn.middle.y - now.middle.y) * now.world,
    };
    canvas.style.transform = `translate(${off.x}px, ${off.y}px) scale(${off.scale})`;
    return true;
}

function fit() {
    const ratio = devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * ratio);
    const height = Math.round(canvas.clientHeight * ratio);
    if (canvas.width !== width || canvas.height !== height) {
        canvas.width = width;
        canvas.height = height;
    }
    draw.setTransform(ratio, 0, 0, ratio, 0, 0);
    draw.imageSmoothingEnabled = false; /* sprites stand on whole pixels */
    draw.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
}

/* Looks anew who is in view, and how fast the fastest of them goes there. */
function look(now) {
    const perMetre = drawn.world / (EQUATOR_M * drawn.shrink);
    let count = 0;
    fastest_pxs = 0;
    for (const [name, unit] of fleet) {
        if (unit.data.position === null) continue;
        const at = shownAt(unit, now);
        const { x, y } = toPixel(drawn, at);
        if (x <= -30 || y <= -30 || x >= drawn.width + 30 || y >= drawn.height + 30) continue;
        const one = seen[count++] ??= {};
        one.name = name;
        one.unit = unit;
        one.x = Math.round(x);
        one.y = Math.round(y);
        if (at.moving) fastest_pxs = Math.max(fastest_pxs, shownSpeed(unit, now) * perMetre);
    }
    seen.length = count;
}

function drawRing(x, y, colour, r) {
    draw.beginPath();
    draw.arc(x, y, r, 0, 2 * Math.PI);
    draw.lineWidth = 3;
    draw.strokeStyle = colour;
    draw.stroke();
}

/* A unit's sprite: its pointer's turn, -1 for none, and place(). */
function spriteOf(unit, now) {
    const look = lookOf(unit.data);
    const { speed_mps: speed, course_deg: course } = unit.data.position;
    const heads = course !== null && speed !== null && speed >= MOVING_MPS && !look.silent;
    const turn = heads ? Math.round((course * TURNS) / 360) % TURNS : -1;
    return { heads, at: place(look, ageOf(unit, now) > OLD_S, turn) };
}

function drawUnit({ name, unit, x, y }, now) {
    const { heads, at } = spriteOf(unit, now);
    const ratio = devicePixelRatio || 1;
    const size = heads ? SPRITE : PLAIN;
    const inset = (SPRITE - size) / 2;
    if (name === chosen) drawRing(x, y, colours(currentTheme()).edge, 17);
    if (panics.has(name)) drawRing(x, y, colours(currentTheme()).cross, 22 + 3 * Math.sin(now / 150));
    draw.drawImage(sheet, ((at % ROW) * SPRITE + inset) * ratio,
        (Math.floor(at / ROW) * SPRITE + inset) * ratio, size * ratio, size * ratio,
        x - size / 2, y - size / 2, size, size);
}

/* Where units say by radio that they are; never their position. Few have said
 * so at a time. */
function lookByRadio() {
    const { width, height } = drawn;
    heard = [];
    for (const [name, { data: { radio } }] of fleet) {
        if (!radio || radio.lat === null) continue;
        const { x, y } = toPixel(drawn, radio);
        if (x > -30 && y > -30 && x < width + 30 && y < height + 30)
            heard.push({ name, x, y });
    }
}

function drawByRadio({ name, x, y }) {
    const made = label(say("radio_at", { unit: plain(name, 24) }));
    if (name === chosen) drawRing(x, y, colours(currentTheme()).edge, 17);
    draw.save();
    draw.translate(x, y);
    drawRadio(draw, currentTheme());
    draw.restore();
    draw.drawImage(made, x - made.cssWidth / 2, y + 10, made.cssWidth, 18);
}

function drawLabel({ name, x, y }) {
    const place = ranked.get(name);
    const made = label((place ? `${place}. ` : "") + plain(name, 24));
    draw.drawImage(made, x - made.cssWidth / 2, y + 10, made.cssWidth, 18);
}

function drawTarget() {
    const { x, y } = toPixel(drawn, target);
    const paint = colours(currentTheme());
    for (const [colour, size] of [[paint.halo, 6], [paint.cross, 3]]) {
        draw.lineWidth = size;
        draw.strokeStyle = colour;
        draw.beginPath();
        draw.arc(x, y, 11, 0, 2 * Math.PI);
        for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
            draw.moveTo(x + dx * 6, y + dy * 6);
            draw.lineTo(x + dx * 18, y + dy * 18);
        }
        draw.stroke();
    }
}

function paintAll(now) {
    fit();
    drawn = view();
    off = AS_DRAWN;
    canvas.style.transform = "";
    look(now);
    lookByRadio();
    for (const one of heard) drawByRadio(one);
    /* all sprites first: whenever one is added after one was copied from there,
     * the browser puts the whole sheet aside */
    for (const one of seen) spriteOf(one.unit, now);
    for (const one of seen) drawUnit(one, now);
    for (const one of seen)
        if (seen.length <= LABELS_MAX || one.name === chosen || ranked.has(one.name) ||
            panics.has(one.name)) drawLabel(one);
    if (target !== null) drawTarget();
    if (panics.size > 0) fastest_pxs = Infinity; /* their rings pulse */
}

/* How long what was drawn is good for. */
function lasts_ms() {
    return Math.max(1000 / fastest_pxs, FRAME_MS, SHARE * cost_ms);
}

function paint(now) {
    changed = false;
    watched = COST_FRAMES;
    drawnAt = now;
    paintAll(now);
    const lasts = lasts_ms();
    dueAt = lasts > SLOW_MS ? Infinity : now + lasts;
}

function watch(now) {
    const gap = Math.min(now - frameAt, FRAME_MS);
    frameAt = now;
    /* more slowly upwards: what else the page does is no screen's doing */
    if (watched === 0) usual_ms += (gap - usual_ms) / (gap < usual_ms ? 4 : 64);
    if (watched === 0 || --watched > 0) return;
    const took = Math.min(now - drawnAt, SLOW_MS) - COST_FRAMES * usual_ms;
    cost_ms += (Math.max(took, 0) - cost_ms) / 4;
}

function onFrame() {
    requestAnimationFrame(onFrame);
    const now = performance.now();
    watch(now);
    const isGood = now < dueAt && !(changed && now - drawnAt >= FRAME_MS);
    if (!isGood || (map.isMoving() && !follow())) paint(now);
}

function onSecond() {
    const now = performance.now();
    if (now - drawnAt >= FRAME_MS) paint(now);
}

function begin() {
    if (begun) return;
    begun = true;
    onFrame();
    eachSecond(onSecond);
}

/** Draws these ([call sign, unit], a Map or the like) instead of the units as
 * they are now; null: those again. */
export function showFleet(other) {
    fleet = other ?? units;
    redraw();
}

/** Something else is to be shown; soon. */
export function redraw() {
    changed = true;
}

export function startOverlay(drawnMap, on) {
    map = drawnMap;
    canvas = on;
    draw = canvas.getContext("2d", PLAIN_MEMORY);
    clearSheet();
    for (const end of ["moveend", "resize"]) map.on(end, () => { dueAt = 0; });
    onTheme(() => {
        clearSheet();
        labels = new Map();
        redraw();
    });
    map.once("load", begin);
    setTimeout(begin, BEGIN_WITHIN_MS);
}

/** The unit under a point of the map's box; null when there is none. */
export function unitAt(x, y) {
    let best = null, least = HIT_PX;
    const { width, height } = drawn ?? view();
    const drawnX = (x - off.x - width / 2) / off.scale + width / 2;
    const drawnY = (y - off.y - height / 2) / off.scale + height / 2;
    for (const one of [...heard, ...seen]) {
        const away = Math.hypot(one.x - drawnX, one.y - drawnY);
        if (away < least) [best, least] = [one.name, away];
    }
    return best;
}

export function markChosen(name) {
    chosen = name;
    redraw();
}

/** A unit whose panic nobody has answered for yet is ringed. */
export function markPanic(name, on) {
    if (on) panics.add(name);
    else panics.delete(name);
    redraw();
}

/** The place asked about and the order of those who come; null: none. */
export function markAnswer(at, names) {
    target = at;
    ranked.clear();
    names.forEach((name, i) => ranked.set(name, i + 1));
    redraw();
}

/** The units that are drawn, or `those`, with where they are drawn now. */
export function placesNow(those = fleet) {
    const now = performance.now(), places = [];
    for (const [name, unit] of those)
        if (unit.data.position !== null) {
            const { lat, lon } = shownAt(unit, now);
            places.push({ name, data: unit.data, lat, lon });
        }
    return places;
}
