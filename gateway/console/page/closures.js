/* Streets that are closed or slowed, now or to come: on the map and, with why and
 * who said so, in a list. */
import { buttonElement, byId, element, nameElement, refill } from "./dom.js";
import { showAround, showOnMap } from "./map.js";
import { dayAndTime, number, onLanguage, plain, say } from "./say.js";

const LISTED_MAX = 100;
const SPAN_DEG = 0.001;

let closures = []; /* GeoJSON features, as /v1/closures tells them */

function facts({ kind, from, until, in_force: now, who }) {
    const words = [say(kind === "closed" ? "closure_closed" : "closure_slowed")];
    if (!now) words.push(say("closure_from", { time: dayAndTime(Date.parse(from)) }));
    words.push(until === null ? say("closure_open_end")
        : say("closure_until", { time: dayAndTime(Date.parse(until)) }));
    if (who !== null) words.push(say("radio_who", { who: plain(who, 60) }));
    return words.join(" · ");
}

function closureItem({ id, geometry, properties }) {
    const item = element("li");
    item.append(buttonElement(plain(properties.street, 120), () => showAround(geometry.coordinates, SPAN_DEG), `closure ${id}`, "link"),
        element("div", facts(properties), "quiet"));
    if (properties.reason !== null) {
        const why = element("div");
        why.append(nameElement(plain(properties.reason, 256)));
        item.append(why);
    }
    return item;
}

/* Anew, also in other words. */
function show() {
    byId("closures-box").hidden = closures.length === 0;
    byId("closures-count").textContent = number(closures.length);
    refill(byId("closures"), closures.slice(0, LISTED_MAX).map(closureItem));
    byId("closures-more").textContent = closures.length > LISTED_MAX
        ? say("more_rows", { n: number(closures.length - LISTED_MAX) }) : "";
}

/** All that there are, as /v1/closures tells them. */
export function showClosures(features) {
    closures = features;
    showOnMap("closures", {
        type: "FeatureCollection",
        features: features.filter(({ properties }) => properties.in_force),
    });
    show();
}

export function startClosures() {
    onLanguage(show);
}
