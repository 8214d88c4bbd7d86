/* What is on the screen, to take along: tables as CSV, what lies on the map as
 * GeoJSON, the map as a picture, all of it on paper. */
import { byId } from "./dom.js";
import { mapPicture, mapsDrawn } from "./map.js";
import { sidePicture } from "./sidemap.js";
import { drawForPaper } from "./theme.js";

const BOM = "\ufeff"; /* by it spreadsheets know the accents */

/* A cell that begins so would be run as a formula by a spreadsheet. */
function cellText(value) {
    const text = String(value ?? "");
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** RFC 4180: `rows` of values, the first the columns' names. Pure. */
export function csv(rows) {
    return BOM + rows.map((row) => `${row.map(cellText).join(",")}\r\n`).join("");
}

function give(blob, name) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

/* "zones-2026-11-21T101500Z.csv": of which moment it is */
function fileName(what, at, ending) {
    return `${what}-${at.toISOString().slice(0, 19).replaceAll(":", "")}Z.${ending}`;
}

export function saveCsv(what, at, rows) {
    give(new Blob([csv(rows)], { type: "text/csv;charset=utf-8" }), fileName(what, at, "csv"));
}

export function saveGeoJson(what, at, collection) {
    give(new Blob([JSON.stringify(collection)], { type: "application/geo+json" }),
        fileName(what, at, "geojson"));
}

const GAP_PX = 8, CAPTION_PX = 28;

/* Two maps with what they are called over them. */
function bothPictures(left, right) {
    const picture = document.createElement("canvas");
    picture.width = left.width + GAP_PX + right.width;
    picture.height = CAPTION_PX + Math.max(left.height, right.height);
    const pen = picture.getContext("2d");
    pen.fillStyle = "#ffffff";
    pen.fillRect(0, 0, picture.width, picture.height);
    pen.fillStyle = "#000000";
    pen.font = "600 16px sans-serif";
    for (const [drawn, x, name] of [[left, 0, "side-name"], [right, left.width + GAP_PX, "map-name"]]) {
        pen.drawImage(drawn, x, CAPTION_PX);
        pen.fillText(byId(name).textContent, x + 4, CAPTION_PX - 9, drawn.width - 8);
    }
    return picture;
}

export function savePicture(what, at) {
    const left = sidePicture(), right = mapPicture();
    const picture = left !== null && right !== null ? bothPictures(left, right) : right;
    picture?.toBlob((blob) => give(blob, fileName(what, at, "png")), "image/png");
}

const DRAWN_WITHIN_MS = 5000;

/* Maps take their time to be drawn by day; the browser's own menu, which gives
 * none, has them with what of their colours takes none. */
async function printByDay() {
    drawForPaper(true);
    await mapsDrawn(DRAWN_WITHIN_MS);
    print();
    drawForPaper(false);
}

/** Paper shows the maps as they are by day: pictures take their places meanwhile. */
export function startPrinting() {
    const pictures = ["side", "map"].map((name) => {
        const picture = new Image();
        picture.id = `${name}-on-paper`;
        picture.className = "paper";
        picture.alt = "";
        return picture;
    });
    addEventListener("beforeprint", () => {
        drawForPaper(true);
        [sidePicture(), mapPicture()].forEach((drawn, i) => {
            if (drawn === null) return;
            pictures[i].src = drawn.toDataURL("image/png");
            byId(i === 0 ? "side-box" : "map-box").append(pictures[i]);
        });
    });
    addEventListener("afterprint", () => {
        drawForPaper(false);
        pictures.forEach((picture) => picture.remove());
    });
    byId("print").addEventListener("click", printByDay);
    addEventListener("keydown", (event) => {
        if (event.key.toLowerCase() !== "p" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
        event.preventDefault();
        printByDay();
    });
}
