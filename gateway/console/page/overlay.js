/* Units on the map: a canvas over it, drawn anew as they move. The map's own
 * picture is left alone meanwhile, so that 2,000 moving units cost a few
 * milliseconds and no graphics card. */
import { units } from "./feed.js";
import { ageOf, shownAt } from "./reckon.js";
import { plain } from "./say.js";
import { colours, drawPointer, drawSymbol, lookOf } from "./symbols.js";

const FRAME_MS = 50;
const SPRITE = 48; /* pixels of the page, a side */
const LABELS_MAX = 250; /* more in view would be a carpet of names */
const HIT_PX = 16;
const OLD_S = 90;

let map, canvas, draw, theme = "day";
let sprites = new Map();
let labels = new Map();
let drawnAt = 0;
let changed = true;
let chosen = null;
let target = null;
let fleet = units; /* whose places are drawn */
const panics = new Set();
const ranked = new Map(); /* call sign -> place in the answer */

function picture(width, height, paint) {
    const ratio = devicePixelRatio || 1;
    const made = document.createElement("canvas");
    made.width = Math.ceil(width * ratio);
    made.height = Math.ceil(height * ratio);
    const pen = made.getContext("2d");
    pen.scale(ratio, ratio);
    paint(pen);
    return made;
}

function sprite(look) {
    const key = `${look.status} ${look.silent} ${look.old}`;
    if (!sprites.has(key))
        sprites.set(key, picture(SPRITE, SPRITE, (pen) => {
            pen.translate(SPRITE / 2, SPRITE / 2);
            drawSymbol(pen, look, theme);
        }));
    return sprites.get(key);
}

function pointerSprite() {
    if (!sprites.has("pointer"))
        sprites.set("pointer", picture(SPRITE, SPRITE, (pen) => {
            pen.translate(SPRITE / 2, SPRITE / 2);
            drawPointer(pen, theme);
        }));
    return sprites.get("pointer");
}

const FONT = "600 12px sans-serif";

function label(text) {
    let made = labels.get(text);
    if (made) return made;
    const paint = colours(theme);
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

/* Web Mercator, the whole world from 0 to 1; the map is never turned. */
function mercator(lat, lon) {
    const s = Math.sin((lat * Math.PI) / 180);
    return { x: lon / 360 + 0.5, y: 0.5 - Math.log((1 + s) / (1 - s)) / (4 * Math.PI) };
}

function view() {
    const centre = map.getCenter();
    const middle = mercator(centre.lat, centre.lng);
    const world = 512 * 2 ** map.getZoom();
    const width = canvas.clientWidth, height = canvas.clientHeight;
    return {
        width, height,
        toPixel(lat, lon) {
            const at = mercator(lat, lon);
            return {
                x: (at.x - middle.x) * world + width / 2,
                y: (at.y - middle.y) * world + height / 2,
            };
        },
    };
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
    draw.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
}

/* Units in view, with their place in pixels. */
function inView(now) {
    const seen = [];
    const { width, height, toPixel } = view();
    for (const [name, unit] of fleet) {
        if (unit.data.position === null) continue;
        const at = shownAt(unit, now);
        const { x, y } = toPixel(at.lat, at.lon);
        unit.moving = at.moving;
        if (x > -30 && y > -30 && x < width + 30 && y < height + 30)
            seen.push({ name, unit, x, y });
    }
    return seen;
}

function drawRing(x, y, colour, r) {
    draw.beginPath();
    draw.arc(x, y, r, 0, 2 * Math.PI);
    draw.lineWidth = 3;
    draw.strokeStyle = colour;
    draw.stroke();
}

function drawUnit({ name, unit, x, y }, now) {
    const { data } = unit;
    const look = { ...lookOf(data), old: ageOf(unit, now) > OLD_S };
    const { speed_mps: speed, course_deg: course } = data.position;
    if (course !== null && speed !== null && speed >= 1.5 && !look.silent) {
        draw.save();
        draw.translate(x, y);
        draw.rotate((course * Math.PI) / 180);
        draw.drawImage(pointerSprite(), -SPRITE / 2, -SPRITE / 2, SPRITE, SPRITE);
        draw.restore();
    }
    if (name === chosen) drawRing(x, y, colours(theme).edge, 17);
    if (panics.has(name)) drawRing(x, y, colours(theme).cross, 22 + 3 * Math.sin(now / 150));
    draw.drawImage(sprite(look), x - SPRITE / 2, y - SPRITE / 2, SPRITE, SPRITE);
}

function drawLabel({ name, x, y }) {
    const place = ranked.get(name);
    const made = label((place ? `${place}. ` : "") + plain(name, 24));
    draw.drawImage(made, x - made.cssWidth / 2, y + 10, made.cssWidth, 18);
}

function drawTarget() {
    const { x, y } = view().toPixel(target.lat, target.lon);
    const paint = colours(theme);
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
    const seen = inView(now);
    for (const one of seen) drawUnit(one, now);
    const named = seen.length <= LABELS_MAX ? seen
        : seen.filter(({ name }) => name === chosen || ranked.has(name) || panics.has(name));
    for (const one of named) drawLabel(one);
    if (target !== null) drawTarget();
    changed = panics.size > 0 || seen.some(({ unit }) => unit.moving);
}

function onFrame() {
    requestAnimationFrame(onFrame);
    const now = performance.now();
    if (!map.isMoving() && (now - drawnAt < FRAME_MS || (!changed && now - drawnAt < 1000)))
        return;
    drawnAt = now;
    paintAll(now);
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
    draw = canvas.getContext("2d");
    map.on("render", () => { drawnAt = 0; changed = true; });
    requestAnimationFrame(onFrame);
}

export function overlayTheme(next) {
    theme = next;
    sprites = new Map();
    labels = new Map();
    redraw();
}

/** The unit under a point of the map's box; null when there is none. */
export function unitAt(x, y) {
    let best = null, least = HIT_PX;
    for (const one of inView(performance.now())) {
        const off = Math.hypot(one.x - x, one.y - y);
        if (off < least) [best, least] = [one.name, off];
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
