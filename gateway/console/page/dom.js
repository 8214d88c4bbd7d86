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

export function byId(id) {
    return document.getElementById(id);
}
