/* A unit's symbol: its status by shape and colour both, so that neither a
 * colour-blind eye nor a bad screen loses it. The colours are Okabe and Ito's
 * (Color Universal Design, 2008), light or dark enough for either style. */
const TAU = 2 * Math.PI;

export const STATUSES = ["available", "en_route", "on_scene", "busy", "off_duty", "unknown"];

const COLOURS = {
    day: {
        available: "#0072b2", en_route: "#e69f00", on_scene: "#009e73",
        busy: "#cc79a7", off_duty: "#8a8f98", unknown: "#ffffff",
        edge: "#101418", text: "#101418", halo: "#ffffff", cross: "#b00020", radio: "#7a3fb0",
    },
    night: {
        available: "#56b4e9", en_route: "#f0c244", on_scene: "#2fc89c",
        busy: "#e6a3c7", off_duty: "#8a929e", unknown: "#2b3138",
        edge: "#f4f6f8", text: "#f4f6f8", halo: "#10151b", cross: "#ff6b6b", radio: "#d4a6ff",
    },
};

export function colours(theme) {
    return COLOURS[theme];
}

function polygon(draw, r, corners, turn) {
    for (let i = 0; i < corners; i++) {
        const a = turn + (i * TAU) / corners;
        draw.lineTo(r * Math.sin(a), -r * Math.cos(a));
    }
    draw.closePath();
}

const SHAPES = {
    available: (draw, r) => draw.arc(0, 0, r, 0, TAU),
    en_route: (draw, r) => polygon(draw, r * 1.3, 3, 0),
    on_scene: (draw, r) => draw.rect(-r * 0.9, -r * 0.9, r * 1.8, r * 1.8),
    busy: (draw, r) => polygon(draw, r * 1.25, 4, 0),
    off_duty: (draw, r) => draw.arc(0, 0, r * 0.8, 0, TAU),
    unknown: (draw, r) => polygon(draw, r * 1.1, 6, 0),
};

function cross(draw, r, colour) {
    draw.setLineDash([]);
    draw.lineWidth = 2.5;
    draw.strokeStyle = colour;
    draw.beginPath();
    draw.moveTo(-r * 1.2, -r * 1.2);
    draw.lineTo(r * 1.2, r * 1.2);
    draw.moveTo(r * 1.2, -r * 1.2);
    draw.lineTo(-r * 1.2, r * 1.2);
    draw.stroke();
}

/* Waves of a radio, up to the right. */
function waves(draw, r, colour) {
    draw.setLineDash([]);
    draw.lineWidth = 2;
    draw.strokeStyle = colour;
    for (const far of [1.3, 1.8]) {
        draw.beginPath();
        draw.arc(0, 0, r * far, -0.4 * Math.PI, -0.1 * Math.PI);
        draw.stroke();
    }
}

/** Where a unit says by radio that it is: a ring with waves, around 0,0. */
export function drawRadio(draw, theme, r = 8) {
    const paint = COLOURS[theme];
    for (const [colour, width] of [[paint.halo, 6], [paint.radio, 2.5]]) {
        draw.setLineDash([]);
        draw.beginPath();
        draw.arc(0, 0, r * 0.7, 0, TAU);
        draw.lineWidth = width;
        draw.strokeStyle = colour;
        draw.stroke();
    }
    waves(draw, r, paint.radio);
}

/** Draws around 0,0. `look`: {status, silent, radio, old}. One that is silent,
 * but was heard by radio, is not crossed out. */
export function drawSymbol(draw, look, theme, r = 8) {
    const paint = COLOURS[theme];
    const hollow = look.status === "off_duty" || look.silent;
    draw.beginPath();
    SHAPES[look.status](draw, r);
    draw.fillStyle = hollow ? paint.halo : paint[look.status];
    draw.globalAlpha = look.old ? 0.55 : 1;
    draw.fill();
    draw.setLineDash(look.silent ? [3, 3] : []);
    draw.lineWidth = hollow ? 2.5 : 1.75;
    draw.strokeStyle = hollow && !look.silent ? paint.off_duty : paint.edge;
    draw.stroke();
    if (look.status === "unknown" && !look.silent) {
        draw.fillStyle = paint.edge;
        draw.font = `bold ${r * 1.5}px sans-serif`;
        draw.textAlign = "center";
        draw.textBaseline = "middle";
        draw.fillText("?", 0, 0.5);
    }
    if (look.silent && !look.radio) cross(draw, r, paint.cross);
    if (look.radio) waves(draw, r, paint.radio);
    draw.globalAlpha = 1;
}

/** The pointer that tells the heading: drawn as for north. */
export function drawPointer(draw, theme, r = 8) {
    const paint = COLOURS[theme];
    draw.beginPath();
    draw.moveTo(0, -r * 2.4);
    draw.lineTo(r * 0.9, -r * 0.9);
    draw.lineTo(-r * 0.9, -r * 0.9);
    draw.closePath();
    draw.fillStyle = paint.edge;
    draw.strokeStyle = paint.halo;
    draw.lineWidth = 1;
    draw.stroke();
    draw.fill();
}

/** It on a canvas of its own, to be drawn from. */
export function symbolCanvas(look, theme, pointer = false) {
    const canvas = document.createElement("canvas");
    const ratio = devicePixelRatio || 1;
    canvas.width = canvas.height = 32 * ratio;
    const draw = canvas.getContext("2d", { willReadFrequently: true });
    draw.scale(ratio, ratio);
    draw.translate(16, pointer ? 20 : 16);
    if (pointer) drawPointer(draw, theme, 7);
    drawSymbol(draw, look, theme, 7);
    return canvas;
}

const addresses = new Map(); /* of the pictures, by what they show */

/** A picture of it for lists, said in words beside it. No canvas: each of those
 * is a layer to the browser, and makes one of what stands beside it. */
export function symbolPicture(look, theme, pointer = false) {
    const { status, silent = false, radio = false, old = false } = look;
    const key = [status, silent, radio, old, theme, pointer, devicePixelRatio].join(" ");
    if (!addresses.has(key)) addresses.set(key, symbolCanvas(look, theme, pointer).toDataURL());
    const picture = document.createElement("img");
    picture.src = addresses.get(key);
    picture.alt = "";
    picture.className = "symbol";
    picture.setAttribute("aria-hidden", "true");
    return picture;
}

/** How a unit looks. */
export function lookOf(data) {
    const status = STATUSES.includes(data.status) ? data.status : "unknown";
    return { status, silent: data.silent === true, radio: Boolean(data.radio) };
}
