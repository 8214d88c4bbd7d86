/* A second map beside the first, with the situation that was kept: made when it
 * is asked for and taken away when not, so that it costs nothing meanwhile. The
 * two move in step, whoever of them is moved. */
import { byId, element } from "./dom.js";
import { drawCollection, mainMap, newMap, pictureOf, resizeMap } from "./map.js";
import { coverPoints } from "./places.js";
import { clock, number, plain, say } from "./say.js";
import { mapStyle, NOTHING } from "./style.js";
import { drawPointer, lookOf, symbolCanvas } from "./symbols.js";
import { currentTheme, onTheme } from "./theme.js";

const LABELS_MAX = 250;
const SYMBOL = 32; /* pixels of the page, a side */
const UNIT_PX = 30; /* who is farther outside is not drawn */

let map = null; /* the second one */
let kept = null; /* {coverage, drawn, units} */
let sprites = new Map();
let leave = null; /* ends what keeps the two in step */
let onMission = () => {};

/* --------------------------------------------------------------- what is drawn */
function collections() {
    return { ...kept.drawn, cover: coverPoints(kept.coverage) };
}

function spriteOf(look) {
    const key = `${look.status} ${look.silent}`;
    if (!sprites.has(key)) sprites.set(key, symbolCanvas(look, currentTheme()));
    return sprites.get(key);
}

function drawUnit(pen, { x, y, data }) {
    const look = lookOf(data);
    const { speed_mps: speed, course_deg: course } = data.position;
    if (course !== null && speed !== null && speed >= 1.5 && !look.silent) {
        pen.save();
        pen.translate(x, y);
        pen.rotate((course * Math.PI) / 180);
        drawPointer(pen, currentTheme());
        pen.restore();
    }
    pen.drawImage(spriteOf(look), x - SYMBOL / 2, y - SYMBOL / 2, SYMBOL, SYMBOL);
}

function writeNames(pen, seen) {
    const style = getComputedStyle(document.body);
    pen.font = "600 12px sans-serif";
    pen.textAlign = "center";
    pen.lineWidth = 4;
    pen.lineJoin = "round";
    pen.strokeStyle = style.getPropertyValue("--ground");
    pen.fillStyle = style.getPropertyValue("--text");
    for (const { name, x, y } of seen) {
        pen.strokeText(plain(name, 24), x, y + 23);
        pen.fillText(plain(name, 24), x, y + 23);
    }
}

/* The units stand still: drawn when the map is, and not otherwise. */
function paintUnits() {
    const canvas = byId("side-units"), pen = canvas.getContext("2d");
    const ratio = devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = canvas;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    const seen = kept.units.map((unit) => ({ ...unit, ...map.project([unit.lon, unit.lat]) }))
        .filter(({ x, y }) => x > -UNIT_PX && y > -UNIT_PX && x < width + UNIT_PX && y < height + UNIT_PX);
    for (const one of seen) drawUnit(pen, one);
    if (seen.length <= LABELS_MAX) writeNames(pen, seen);
}

/* -------------------------------------------------------------------- captions */
/* How many missions have 0, 1, 2, 3 units in time, by the map's own signs. */
function countsOf(coverage) {
    const judged = coverPoints(coverage).features;
    return [0, 1, 2, 3].map((within) => {
        const item = element("li");
        const n = judged.filter(({ properties }) => Math.min(3, properties.within) === within).length;
        item.append(element("span", String(within), `within within-${within}`),
            element("span", ` × ${number(n)}`), element("span", ` ${say(`legend_${within}`)}`, "unseen"));
        return item;
    });
}

function gapItem(gaps) {
    const item = element("li"), known = gaps !== null && gaps !== undefined;
    item.append(element("span", null, "gap-line"), known
        ? say("side_gaps", { n: number(gaps.features.length) }) : say("side_no_gaps"));
    return item;
}

function writeCaption(id, letter, title, { kind, at, coverage, gaps }) {
    const whole = kind === "past" ? say("badge_past", { time: title })
        : kind === "whatif" && at ? `${say("badge_tried")}, ${clock(at)}` : title;
    byId(`${id}-name`).textContent = `${letter} · ${whole}`;
    byId(`${id}-name`).classList.toggle("unreal", kind !== "live");
    byId(`${id}-counts`).replaceChildren(...countsOf(coverage), gapItem(gaps));
}

/* ------------------------------------------------------------------- in step */
function keepInStep(main) {
    let led = false; /* what follows does not lead */
    const follow = (leader, follower) => () => {
        if (led) return;
        led = true;
        follower.jumpTo({ center: leader.getCenter(), zoom: leader.getZoom() });
        led = false;
    };
    const [lead, back] = [follow(main, map), follow(map, main)];
    main.on("move", lead);
    map.on("move", back);
    return () => main.off("move", lead);
}

/* What lies at a point of the second map, or at its middle. */
function pick({ x, y }) {
    const [hit] = map.queryRenderedFeatures([[x - 4, y - 4], [x + 4, y + 4]], { layers: ["cover"] });
    if (hit) onMission(hit.properties.name);
}

function draw() {
    for (const [name, data] of Object.entries(collections())) drawCollection(map, name, data);
}

function listen() {
    const surface = map.getCanvas(), cross = byId("side-cross");
    map.on("style.load", draw); /* what has changed meanwhile */
    map.on("render", paintUnits);
    map.on("click", ({ point }) => pick(point));
    surface.addEventListener("keydown", (event) => {
        if (event.key === "Enter") pick(map.project(map.getCenter()));
    });
    surface.addEventListener("focus", () => { cross.hidden = !surface.matches(":focus-visible"); });
    surface.addEventListener("blur", () => { cross.hidden = true; });
}

function open() {
    const main = mainMap();
    byId("side-box").hidden = false;
    document.body.dataset.side = "on";
    map = newMap(byId("side-map"), mapStyle(currentTheme(), collections(), 0),
        { center: main.getCenter(), zoom: main.getZoom() });
    leave = keepInStep(main);
    listen();
    resizeMap();
}

function close() {
    leave();
    map.remove();
    [map, leave, kept] = [null, null, null];
    sprites = new Map();
    byId("side-units").width = 0; /* its memory, too */
    byId("side-box").hidden = true;
    delete document.body.dataset.side;
    resizeMap();
}

/** The second map, MapLibre's own; null when there is none now. */
export function besideMap() {
    return map;
}

/** Shows `situation` (see situation.js) with its `units` ([{name, data, lat,
 * lon}]) and what else was `drawn` by the names of the map's sources, called
 * `title`, beside `shown`, called `shownTitle`; null: nothing, on one map. */
export function showBeside(situation, title, shown, shownTitle) {
    if (situation === null || mainMap() === null) {
        if (map !== null) close();
        return;
    }
    const { coverage, gaps, units, drawn } = situation;
    kept = { coverage, units, drawn: { ...drawn, gaps: gaps ?? NOTHING } };
    if (map === null) open();
    else draw();
    writeCaption("side", say("compare_a"), title, situation);
    writeCaption("map", say("compare_b"), shownTitle, shown);
    map.getCanvas().setAttribute("aria-label", `${say("map")} ${say("compare_a")}. ${say("side_hint")}`);
    map.triggerRepaint();
}

/** As it is drawn now; null when there is no second map. */
export function sidePicture() {
    return map === null ? null : pictureOf(map, byId("side-units"));
}

/** `look` is given the name of a mission that was chosen on the second map. */
export function startBeside(look) {
    onMission = look;
    onTheme(() => {
        sprites = new Map();
        map?.setStyle(mapStyle(currentTheme(), collections(), 0));
    });
}
