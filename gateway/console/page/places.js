/* Where the missions stand, and what of their cover is drawn there. */
import { wish } from "./tables.js";

let places = new Map(); /* mission_id -> mission, as /v1/missions tells it */

export function setPlaces(missions) {
    places = missions;
}

/** {lat, lon, ...}; undefined: not known. */
export function placeOf(id) {
    return places.get(id);
}

function missionPoint({ mission_id: id, name, within, promise_s: promise, covered }) {
    const place = places.get(id);
    if (!place || promise === null || covered === null) return null;
    return {
        type: "Feature", geometry: { type: "Point", coordinates: [place.lon, place.lat] },
        properties: { mission_id: id, name, within, enough: within >= wish.k },
    };
}

/** The missions of an answer of /v1/coverage as points for the map's "cover";
 * null: none. */
export function coverPoints(coverage) {
    return {
        type: "FeatureCollection",
        features: (coverage?.missions ?? []).map(missionPoint).filter(Boolean),
    };
}
