/* Days and hours of a time zone. Pure; milliseconds are since 1970, UTC. */
const MINUTE_MS = 60000;
const HOUR_MS = 60 * MINUTE_MS;

const formats = new Map(); /* time zone -> its format: costly to make */

function formatOf(zone) {
    if (!formats.has(zone))
        formats.set(zone, new Intl.DateTimeFormat("en-CA", {
            timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit",
            day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit",
        }));
    return formats.get(zone);
}

function partsOf(ms, zone) {
    return Object.fromEntries(formatOf(zone).formatToParts(new Date(ms))
        .map(({ type, value }) => [type, value]));
}

/** The calendar's day there, "2026-03-08". */
export function dayOf(ms, zone) {
    const { year, month, day } = partsOf(ms, zone);
    return `${year}-${month}-${day}`;
}

/* How far its clocks are ahead of UTC. */
function ahead(ms, zone) {
    const { year, month, day, hour, minute, second } = partsOf(ms, zone);
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(ms / 1000) * 1000;
}

/** When `day` begins there. Some zones change their clocks at midnight (Cuba):
 * then the day begins at one, or has two midnights of which the first counts. */
export function dayStart(day, zone) {
    const midnight = Date.parse(`${day}T00:00:00Z`);
    let start = midnight - ahead(midnight, zone);
    start = midnight - ahead(start, zone);
    return dayOf(start, zone) < day ? start + HOUR_MS : start;
}

/** The day `days` later. */
export function dayLater(day, days) {
    return new Date(Date.parse(`${day}T12:00:00Z`) + days * 24 * HOUR_MS)
        .toISOString().slice(0, 10);
}
