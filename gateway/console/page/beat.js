/* What is renewed each second changes the screen once and not once each: a
 * machine without a graphics card pays for every picture of the page, however
 * little of it is another. */
const acts = [];
let waits = false; /* for a frame: a page out of sight has none */

function run() {
    waits = false;
    for (const act of acts) act();
}

function beat() {
    if (!waits) requestAnimationFrame(run);
    waits = true;
    setTimeout(beat, 1000 - (Date.now() % 1000));
}

/** Does this with the clock's second, in a frame of the page in sight. */
export function eachSecond(act) {
    if (acts.length === 0) setTimeout(beat, 1000 - (Date.now() % 1000));
    acts.push(act);
}
