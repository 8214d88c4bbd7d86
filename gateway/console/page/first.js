/* What is asked for before all else, while the rest of the page still comes:
 * where the city lies and who drives there. */
import { fetchJson } from "./feed.js";

/* The map begins where the city is, or else without knowing it. */
const WITHIN_MS = 1500;

export async function askCity() {
    const [{ missions }, { zones }] = await Promise.all(
        [fetchJson("/v1/missions"), fetchJson("/v1/zones")]);
    return { missions, zones };
}

async function ask() {
    const asked = Promise.all([askCity(), fetchJson("/v1/units")]);
    const late = new Promise((done) => { setTimeout(done, WITHIN_MS, null); });
    try {
        const told = await Promise.race([asked, late]);
        return told && { city: told[0], fleet: told[1] };
    } catch {
        return null;
    }
}

/** {city, fleet}: missions and zones, and the answer of /v1/units; null when
 * they were not told in time. */
export const first = ask();
