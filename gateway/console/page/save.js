/* What is on the screen, to take along: tables as CSV, what lies on the map as
 * GeoJSON, the map as a picture, all of it on paper. */
import { byId } from "./dom.js";
import { mapPicture } from "./map.js";

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

export function savePicture(what, at) {
    mapPicture()?.toBlob((blob) => give(blob, fileName(what, at, "png")), "image/png");
}

/** Paper shows the map as it is: a picture takes its place meanwhile. */
export function startPrinting() {
    const picture = new Image();
    picture.id = "map-on-paper";
    picture.className = "paper";
    picture.alt = "";
    addEventListener("beforeprint", () => {
        const drawn = mapPicture();
        if (drawn === null) return;
        picture.src = drawn.toDataURL("image/png");
        byId("map-box").append(picture);
    });
    addEventListener("afterprint", () => picture.remove());
    byId("print").addEventListener("click", () => print());
}
