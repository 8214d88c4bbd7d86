/* Alarms: seen, heard again and again, and there until somebody says that he
 * has seen them, also when what they were about is over. */
import { clock, onLanguage, say } from "./say.js";

const SHOWN_MAX = 30;
const SOUND_EVERY_MS = 4000;
/* Nobody tells that these are over: they are when somebody has seen them. */
const ENDLESS = ["panic", "twins"];
const PATTERNS = { /* hertz, and seconds from the start */
    panic: [[1250, 0], [900, 0.18], [1250, 0.36], [900, 0.54], [1250, 0.72]],
    other: [[740, 0], [740, 0.3]],
};

const alarms = new Map(); /* key -> {key, kind, text(), since, over, seen} */
let list, none, button;
let soundWanted = true;
let audio = null;

/* -------------------------------------------------------------------- sound */
function beep(hertz, at) {
    const tone = new OscillatorNode(audio, { type: "square", frequency: hertz });
    const volume = new GainNode(audio, { gain: 0.12 });
    tone.connect(volume).connect(audio.destination);
    tone.start(audio.currentTime + at);
    tone.stop(audio.currentTime + at + 0.15);
}

/* A browser lets a page sound once somebody has pressed a key or clicked. */
function soundAllowed() {
    audio ??= new AudioContext();
    return audio.state === "running";
}

function showSound() {
    const blocked = soundWanted && audio !== null && audio.state !== "running";
    button.textContent = say(!soundWanted ? "sound_off" : blocked ? "sound_blocked" : "sound_on");
    button.setAttribute("aria-pressed", String(soundWanted));
    button.classList.toggle("warning", !soundWanted || blocked);
}

function soundNow() {
    const unseen = [...alarms.values()].filter((alarm) => !alarm.seen);
    if (unseen.length > 0 && soundWanted && soundAllowed()) {
        const kind = unseen.some((alarm) => alarm.kind === "panic") ? "panic" : "other";
        for (const [hertz, at] of PATTERNS[kind]) beep(hertz, at);
    }
    showSound();
}

function allowSound() {
    soundAllowed();
    audio.resume().then(showSound);
}

/* --------------------------------------------------------------------- list */
function row(alarm) {
    const item = document.createElement("li");
    const text = document.createElement("p");
    const when = document.createElement("p");
    item.className = `alarm ${alarm.kind}${alarm.seen ? " seen" : ""}`;
    item.dataset.alarm = alarm.key;
    text.className = "what";
    text.textContent = alarm.text();
    when.textContent = say("alarm_since", { time: clock(alarm.since) }) +
        (alarm.over ? ` · ${say("alarm_over", { time: clock(alarm.over) })}` : "") +
        (alarm.seen ? ` · ${say("acknowledged")}` : "");
    item.append(text, when);
    if (!alarm.seen) {
        const seen = document.createElement("button");
        seen.type = "button";
        seen.textContent = say("acknowledge");
        seen.setAttribute("aria-label", say("acknowledge_that", { what: alarm.text() }));
        seen.addEventListener("click", () => acknowledge(alarm.key));
        item.append(seen);
    }
    return item;
}

const urgency = (alarm) => (alarm.seen ? 2 : 0) + (alarm.kind === "panic" ? 0 : 1);

function show() {
    const focused = document.activeElement?.closest?.("[data-alarm]")?.dataset.alarm;
    const sorted = [...alarms.values()]
        .sort((a, b) => urgency(a) - urgency(b) || b.since - a.since).slice(0, SHOWN_MAX);
    list.replaceChildren(...sorted.map(row));
    none.hidden = alarms.size > 0;
    if (focused !== undefined)
        (list.querySelector(`[data-alarm="${CSS.escape(focused)}"] button`) ??
            list.querySelector("button") ?? document.getElementById("search")).focus();
}

function acknowledge(key) {
    const alarm = alarms.get(key);
    if (!alarm) return;
    alarm.seen = true;
    if (alarm.over || ENDLESS.includes(alarm.kind)) alarms.delete(key);
    show();
    alarm.whenSeen();
}

/** Raises an alarm; one of the same key that is still on is not raised anew.
 * `whenSeen` runs when it is acknowledged. */
export function raise(key, kind, text, since = new Date(), whenSeen = () => {}) {
    const known = alarms.get(key);
    if (known && !known.over) return;
    alarms.set(key, { key, kind, text, since, over: null, seen: false, whenSeen });
    show();
    soundNow();
}

/** Somebody else has seen to it: it is none any more. */
export function settle(key) {
    if (alarms.delete(key)) show();
}

/** What the alarm was about is over; it stays until it was seen. */
export function over(key, at = new Date()) {
    const alarm = alarms.get(key);
    if (!alarm || alarm.over) return;
    alarm.over = at;
    if (alarm.seen) alarms.delete(key);
    show();
}

export function startAlarms() {
    list = document.getElementById("alarms");
    none = document.getElementById("no-alarms");
    button = document.getElementById("sound");
    button.addEventListener("click", () => {
        const blocked = audio !== null && audio.state !== "running";
        soundWanted = blocked && soundWanted ? true : !soundWanted;
        showSound();
    });
    for (const kind of ["pointerdown", "keydown"])
        addEventListener(kind, allowSound, { capture: true });
    setInterval(soundNow, SOUND_EVERY_MS);
    onLanguage(() => {
        show();
        showSound();
    });
}
