/* Where a unit is believed to be: as vehicle and gateway reckon it
 * (schema/reckon), constant speed on a constant course for a while. */
export const MOVING_MPS = 1.5;
export const HORIZON_S = 20;
/* A new report seldom is where the unit was shown: it is led there over so
 * long, unless that would be a slide across the city. */
const GLIDE_MS = 1000;
const GLIDE_M = 400;
const DEGREE_M = 111700; /* at most, on WGS 84 */

/* Metres of a degree of latitude and of longitude on WGS 84, by the series of
 * NIMA TR8350.2; to centimetres for a city. */
function metresPerDegree(lat) {
    const phi = (lat * Math.PI) / 180;
    return {
        north: 111132.954 - 559.822 * Math.cos(2 * phi) + 1.175 * Math.cos(4 * phi),
        east: 111412.84 * Math.cos(phi) - 93.5 * Math.cos(3 * phi),
    };
}

/** Latitude and longitude of `position` when it is `age_s` old. */
export function reckon(position, age_s) {
    const { lat, lon, speed_mps: speed, course_deg: course } = position;
    if (speed === null || course === null || speed < MOVING_MPS)
        return { lat, lon, moving: false };
    const metres = speed * Math.min(Math.max(age_s, 0), HORIZON_S);
    const degree = metresPerDegree(lat);
    const angle = (course * Math.PI) / 180;
    return {
        lat: lat + (metres * Math.cos(angle)) / degree.north,
        lon: lon + (metres * Math.sin(angle)) / degree.east,
        moving: age_s < HORIZON_S,
    };
}

/** What is left at `now` of the way from where it was shown to where it is. */
export function glide(unit, now) {
    const left = 1 - (now - unit.glideFrom) / GLIDE_MS;
    return left > 0 ? left : 0;
}

/** Where `unit` is shown at `now` (performance.now()); one that is `still` is
 * shown where it was said to be: that moment is over. */
export function shownAt(unit, now) {
    if (unit.still) return { ...unit.data.position, moving: false };
    const at = reckon(unit.data.position, ageOf(unit, now));
    const left = glide(unit, now);
    if (left > 0) {
        at.lat += unit.glideLat * left;
        at.lon += unit.glideLon * left;
        at.moving = true;
    }
    return at;
}

/** Metres a second at which it is shown to move, at most. */
export function shownSpeed(unit, now) {
    const led = glide(unit, now) > 0
        ? Math.hypot(unit.glideLat, unit.glideLon) * DEGREE_M * (1000 / GLIDE_MS) : 0;
    return led + (unit.data.position.speed_mps ?? 0);
}

/** Seconds since the unit's position was true; null without one. */
export function ageOf(unit, now) {
    const { position } = unit.data;
    if (position === null || unit.still) return position?.age_s ?? null;
    return position.age_s + (now - unit.at) / 1000;
}

/** Makes `next` begin where `before` is shown. */
export function lead(before, next, now) {
    next.glideFrom = -Infinity;
    next.glideLat = next.glideLon = 0;
    if (!before?.data.position || !next.data.position || prefersStill.matches) return;
    const was = shownAt(before, now);
    const is = reckon(next.data.position, ageOf(next, now));
    const degree = metresPerDegree(is.lat);
    const off = Math.hypot((was.lat - is.lat) * degree.north,
        (was.lon - is.lon) * degree.east);
    if (off > GLIDE_M) return;
    next.glideFrom = now;
    next.glideLat = was.lat - is.lat;
    next.glideLon = was.lon - is.lon;
}

const prefersStill = matchMedia("(prefers-reduced-motion: reduce)");
