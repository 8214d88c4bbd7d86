/* Two pages in one: the dispatchers' and the planners', told by the address
 * (#plan), over the same map, alarms and signs of life. */
import { byId } from "./dom.js";

const FIRST_FIELD = { dispatch: "search", plan: "moment-now" };
const listeners = [];
let view = "dispatch";

export function currentView() {
    return view;
}

/** `listener` runs now and whenever the other page is chosen. */
export function onView(listener) {
    listeners.push(listener);
    listener(view);
}

function apply() {
    document.body.dataset.view = view;
    for (const part of document.querySelectorAll("[data-only]"))
        part.hidden = part.dataset.only !== view;
    for (const link of document.querySelectorAll("nav a"))
        if (link.hash === `#${view}`) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
    document.querySelector("aside").scrollTop = 0;
    for (const listener of listeners) listener(view);
}

/* An address without either word, a plain one, is the dispatchers'. */
function follow() {
    const wished = location.hash === "#plan" ? "plan" : "dispatch";
    if (wished === view) return;
    view = wished;
    apply();
}

export function startViews() {
    addEventListener("hashchange", follow);
    document.querySelector(".skip").addEventListener("click", (event) => {
        event.preventDefault();
        byId(FIRST_FIELD[view]).focus();
    });
    view = location.hash === "#plan" ? "plan" : "dispatch";
    apply();
}
