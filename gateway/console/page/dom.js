/* Elements with text in them: always text, never markup. */
export function element(name, text = null, classes = "") {
    const made = document.createElement(name);
    if (text !== null) made.textContent = text;
    if (classes) made.className = classes;
    return made;
}

/** A name that strangers gave: its direction does not touch what is beside. */
export function nameElement(text, classes = "") {
    return element("bdi", text, classes);
}

/** `key` tells it from the others of its list when that is made anew. */
export function buttonElement(text, act, key = "", classes = "") {
    const made = element("button", text, classes);
    made.type = "button";
    made.dataset.key = key;
    made.addEventListener("click", act);
    return made;
}

/** Other parts for `box`; who had the focus in it has it still. */
export function refill(box, parts) {
    const focused = box.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    box.replaceChildren(...parts);
    if (focused) box.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

export function byId(id) {
    return document.getElementById(id);
}
