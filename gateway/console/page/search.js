/* What a dispatcher types: a mission's name, roughly, or coordinates. Pure. */

/** Lower case, without accents, only letters and digits, single spaces. */
export function fold(text) {
    return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase()
        .replace(/[^\p{L}\p{N}]+/gu, " ").trim();
}

/* Damerau's distance in its restricted form (adjacent letters may be swapped),
 * given up beyond `most`. */
export function errors(a, b, most) {
    if (Math.abs(a.length - b.length) > most) return most + 1;
    let older = [], old = [], row = Array.from({ length: b.length + 1 }, (_, j) => j);
    for (let i = 1; i <= a.length; i++) {
        [older, old, row] = [old, row, [i]];
        for (let j = 1; j <= b.length; j++) {
            const same = a[i - 1] === b[j - 1];
            row[j] = Math.min(old[j] + 1, row[j - 1] + 1, old[j - 1] + (same ? 0 : 1));
            if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
                row[j] = Math.min(row[j], older[j - 2] + 1);
        }
        if (Math.min(...row) > most) return most + 1;
    }
    return row[b.length];
}

/* How badly a typed word fits a name's words: 0 begins one, 1 is inside one, 2
 * and more with errors; Infinity not at all. Short words forgive nothing. */
function wordCost(typed, words) {
    const most = typed.length < 4 ? 0 : typed.length < 8 ? 1 : 2;
    let best = Infinity;
    for (const word of words) {
        if (word.startsWith(typed)) return word === typed ? 0 : 0.5;
        if (word.includes(typed)) best = Math.min(best, 1);
        if (most === 0 || best <= 1) continue;
        for (const piece of [word, word.slice(0, typed.length)]) {
            const wrong = errors(typed, piece, most);
            if (wrong <= most) best = Math.min(best, 1 + wrong);
        }
    }
    return best;
}

/** The missions that fit, best first; `missions` have `words` (folded). */
export function findMissions(typed, missions, most = 8) {
    const wanted = fold(typed).split(" ").filter(Boolean);
    if (wanted.length === 0) return [];
    const found = [];
    for (const mission of missions) {
        let cost = 0;
        for (const word of wanted) cost += wordCost(word, mission.words);
        if (cost < Infinity) found.push({ mission, cost });
    }
    found.sort((a, b) => a.cost - b.cost || a.mission.name.localeCompare(b.mission.name));
    return found.slice(0, most).map((entry) => entry.mission);
}

/** "23 y L", "Calle 23 and L", "23 et L", "23 & L": asked of the gateway. */
export function isCorner(text) {
    return /\S\s*(?:[&/@+]|\s(?:y|e|and|et|con|esquina|esq\.?|corner|angle)\s)\s*\S/i.test(text);
}

const NUMBER = String.raw`[-+]?\d{1,3}(?:[.,]\d+)?`;
const PAIR = new RegExp(String.raw`^\s*(${NUMBER})\s*°?\s*(?:[;,]\s*|\s+)(${NUMBER})\s*°?\s*$`);
const PART = String.raw`(\d{1,3})\s*°\s*(?:(\d{1,2}(?:[.,]\d+)?)\s*['′]\s*)?(?:(\d{1,2}(?:[.,]\d+)?)\s*(?:["″]|'')\s*)?([NSEWO])`;
const SEXAGESIMAL = new RegExp(String.raw`^\s*${PART}[\s,;]*${PART}\s*$`, "i");

const value = (text) => Number((text ?? "0").replace(",", "."));

function degrees([deg, min, sec, side]) {
    const size = value(deg) + value(min) / 60 + value(sec) / 3600;
    return /[SWO]/i.test(side) ? -size : size;
}

/** {lat, lon} of "23.1330, -82.3830", "23,133 -82,383" or
 * 23°07'58.8"N 82°22'58.8"W (O for oeste, ouest); null when it is none. */
export function parsePoint(text) {
    let lat, lon;
    const pair = PAIR.exec(text);
    const sexagesimal = SEXAGESIMAL.exec(text);
    if (pair) {
        [lat, lon] = [value(pair[1]), value(pair[2])];
    } else if (sexagesimal && /[NS]/i.test(sexagesimal[4])) {
        lat = degrees(sexagesimal.slice(1, 5));
        lon = degrees(sexagesimal.slice(5, 9));
    } else {
        return null;
    }
    return Math.abs(lat) <= 90 && Math.abs(lon) <= 180 ? { lat, lon } : null;
}
