/* A button that a stray touch does not press: it wants to be held, by finger,
 * space bar or enter. Who cannot hold (a screen reader presses at once) presses
 * twice within five seconds. */
const HOLD_MS = 1000;
const TWICE_MS = 5000;

/** `held()` runs when it was held; `armed(is)` when a second press is wanted. */
export function holdable(button, held, armed) {
    let timer = null;
    let arm = null;

    const done = () => {
        stop();
        navigator.vibrate?.([80, 60, 80]);
        held();
    };
    const start = () => {
        if (timer !== null) return;
        button.classList.add("held");
        timer = setTimeout(done, HOLD_MS);
    };
    function stop() {
        clearTimeout(timer);
        timer = null;
        button.classList.remove("held");
    }
    const disarm = () => {
        clearTimeout(arm);
        arm = null;
        armed(false);
    };
    const isKey = (event) => event.key === " " || event.key === "Enter";

    button.addEventListener("pointerdown", (event) => {
        if (!event.isPrimary || event.button !== 0) return;
        button.setPointerCapture(event.pointerId);
        start();
    });
    button.addEventListener("pointermove", (event) => {
        const box = button.getBoundingClientRect();
        if (event.clientX < box.left || event.clientX > box.right ||
            event.clientY < box.top || event.clientY > box.bottom) stop();
    });
    for (const end of ["pointerup", "pointercancel", "blur"]) button.addEventListener(end, stop);
    button.addEventListener("keydown", (event) => {
        if (!isKey(event)) return;
        event.preventDefault();
        if (!event.repeat) start();
    });
    button.addEventListener("keyup", (event) => {
        if (!isKey(event)) return;
        event.preventDefault();
        stop();
    });
    button.addEventListener("contextmenu", (event) => event.preventDefault());
    /* neither finger nor key: detail is 0 */
    button.addEventListener("click", (event) => {
        if (event.detail !== 0) return;
        if (arm !== null) {
            disarm();
            done();
            return;
        }
        armed(true);
        arm = setTimeout(disarm, TWICE_MS);
    });
}
