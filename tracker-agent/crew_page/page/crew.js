/* The crew's page: what is, and what the crew says. */
import { quietMs, SILENT_MS, startAgent, tell, unlock, waiting } from "./agent.js";
import { holdable } from "./hold.js";
import { age, clock, say, startLanguage } from "./say.js";

const STATUSES = { available: "✔", en_route: "➤", on_scene: "◆", busy: "■", off_duty: "☾" };
/* A fix older than this is told as the last one. */
const FIX_OLD_S = 5;
/* Above the receipts' interval and the resending (tracker-agent.8, [uplink]). */
const UNCONFIRMED_S = 90;
/* How long a panic stands above all else. */
const PANIC_SHOWN_MS = 900000;
const ACTS_SHOWN = 8;

const at = (id) => document.getElementById(id);
let state = null;
let stateAt = 0; /* performance.now() */
let refused = null;

/* -------------------------------------------------------------------- facts */
function fact(id, text, warn) {
    const row = at(id);
    const place = row.querySelector("dd");
    if (place.textContent !== text) place.textContent = text;
    row.classList.toggle("warn", warn);
}

/* Ages go on growing while nobody answers. */
const grown = (seconds) => seconds + (performance.now() - stateAt) / 1000;

function showReceiver(receiver) {
    if (receiver === null) return fact("receiver", say("none"), false);
    const old = receiver.age_s === null ? null : age(grown(receiver.age_s));
    const has = receiver.mode === "2d" || receiver.mode === "3d";
    if (has && grown(receiver.age_s) <= FIX_OLD_S)
        return fact("receiver", receiver.accuracy_m === null ? say("fix_plain", { age: old }) :
            say("fix", { age: old, metres: Math.round(receiver.accuracy_m) }), false);
    const why = has ? "" : say(receiver.mode);
    const last = old === null ? "" : say("old_fix", { age: old });
    return fact("receiver", [why, last].filter(Boolean).join(", "), true);
}

function showLink(link, outbox) {
    const confirmed = link.receipt_age_s === null ? null : grown(link.receipt_age_s);
    const due = outbox.entries > 0 && outbox.oldest_age_s !== null &&
        grown(outbox.oldest_age_s) > UNCONFIRMED_S;
    if (link.state === "up" && due && (confirmed === null || confirmed > UNCONFIRMED_S))
        return fact("link", say("unconfirmed", { age: age(confirmed ?? grown(outbox.oldest_age_s)) }), true);
    return fact("link", say(link.state), link.state === "down");
}

function showOutbox(outbox) {
    const n = outbox.entries;
    if (!outbox.on_disk) return fact("outbox", say("not_on_disk", { n }), true);
    if (n === 0) return fact("outbox", say("nothing"), false);
    if (outbox.oldest_age_s === null || n === 1) return fact("outbox", say("entries", { n }), false);
    return fact("outbox", say("entries_old", { n, age: age(grown(outbox.oldest_age_s)) }), false);
}

/* --------------------------------------------------------------------- acts */
function words(act) {
    if (act.act === "status") return say(act.status);
    if (act.act === "place" && !act.text) return say("act_no_place");
    return say(`act_${act.act}`, { text: act.text });
}

/* What the agent has not taken yet comes first. */
function allActs() {
    const unheard = waiting.map((act) => ({ ...act, at: act.said, delivery: "waiting" }));
    const keys = new Set(unheard.map((act) => act.key));
    const taken = (state?.acts ?? []).filter((act) => !keys.has(act.key));
    return [...unheard.sort((a, b) => b.at - a.at), ...taken].slice(0, ACTS_SHOWN);
}

function row(act) {
    const item = document.createElement("li");
    const parts = [["time", clock(act.at)], ["span", words(act)], ["span", say(act.delivery,
        { time: act.seen_at ? clock(act.seen_at) : "" })]];
    item.className = act.delivery;
    for (const [kind, text] of parts) {
        const part = document.createElement(kind);
        part.textContent = text;
        item.append(part);
    }
    item.children[0].dateTime = new Date(act.at).toISOString();
    item.children[1].className = "what";
    item.children[1].dir = "auto";
    item.children[2].className = "delivery";
    return item;
}

/* Only what has changed: a screen reader reads aloud what is new. */
function showActs() {
    const acts = allActs();
    const list = at("acts");
    const before = [...list.children];
    const rows = acts.map(row).map((item) =>
        before.find((old) => old.isEqualNode(item)) ?? item);
    if (rows.length !== before.length || rows.some((item, i) => item !== before[i]))
        list.replaceChildren(...rows);
    at("no-acts").hidden = acts.length > 0;
    list.hidden = acts.length === 0;

    const panic = acts.find((act) => act.act === "panic");
    const band = at("panic-told");
    const fresh = panic && Date.now() - panic.at < PANIC_SHOWN_MS;
    const text = fresh ? say(`panic_${panic.delivery}`, {
        time: clock(panic.at), seen: panic.seen_at ? clock(panic.seen_at) : "",
    }) : "";
    if (band.textContent !== text) band.textContent = text;
    band.classList.toggle("bad", fresh && !["stored", "seen"].includes(panic.delivery));
    band.classList.toggle("good", fresh && panic.delivery === "seen");
    band.hidden = !fresh;
}

/* --------------------------------------------------------------------- crew */
/* What was said last counts here, taken or not. */
function statusNow() {
    const said = [...waiting].reverse().find((act) =>
        act.act === "status" || act.act === "logoff");
    if (said) return said.act === "logoff" ? "off_duty" : said.status;
    return state.crew.status;
}

function showCrew() {
    const { crew } = state;
    const name = crew?.name ?? "";
    at("crew-name").textContent = name === "" ? say("nobody") : name;
    at("open-crew").hidden = crew === null;
    at("place-said").hidden = !crew?.place;
    if (crew?.place) fact("place-said", `${crew.place} · ${clock(crew.place_at)}`, false);
    at("log-off").hidden = name === "";
    if (crew === null) return;
    const now = statusNow();
    for (const button of at("statuses").children)
        button.setAttribute("aria-pressed", String(button.dataset.status === now));
}

function showStatuses() {
    for (const button of at("statuses").children)
        button.lastChild.textContent = say(button.dataset.status);
}

function makeStatuses() {
    for (const [status, sign] of Object.entries(STATUSES)) {
        const button = document.createElement("button");
        const mark = document.createElement("span");
        button.type = "button";
        button.dataset.status = status;
        mark.className = "sign";
        mark.textContent = sign;
        mark.setAttribute("aria-hidden", "true");
        button.append(mark, document.createElement("span"));
        button.addEventListener("click", () => {
            tell({ act: "status", status });
            show();
        });
        at("statuses").append(button);
    }
}

/* --------------------------------------------------------------------- show */
function showSilence() {
    const quiet = quietMs();
    const silent = quiet === null || quiet > SILENT_MS;
    const band = at("silent");
    const text = !silent ? "" : quiet === null ? say("first") : say("silent", { age: age(quiet / 1000) });
    if (band.textContent !== text) band.textContent = text;
    band.hidden = !silent;
    document.body.dataset.live = silent ? "no" : "yes";
    return silent;
}

function showRefused() {
    const text = refused === null ? "" : say("refused", { what: words(refused) });
    if (at("refused").textContent !== text) at("refused").textContent = text;
    at("refused").hidden = refused === null;
}

function show() {
    const silent = showSilence();
    showRefused();
    showActs();
    if (state === null) return;
    at("unit").textContent = state.unit;
    at("unlock").hidden = !state.locked;
    at("controls").hidden = state.locked;
    showReceiver(state.receiver);
    if (silent) {
        fact("link", say("not_known"), true);
        fact("outbox", say("not_known"), true);
    } else {
        showLink(state.link, state.outbox);
        showOutbox(state.outbox);
    }
    showCrew();
}

/* ------------------------------------------------------------------- sheets */
function sheet(name, opener, first, take) {
    const dialog = at(`${name}-sheet`);
    const input = at(`${name}-text`);
    at(opener).addEventListener("click", () => {
        input.value = first();
        dialog.showModal();
        input.focus();
    });
    dialog.querySelector(".close").addEventListener("click", () => dialog.close("no"));
    dialog.querySelector("form").addEventListener("submit", (event) => {
        event.preventDefault();
        if (!take(clean(input.value))) return;
        dialog.close("yes");
        show();
    });
}

/* 120 bytes without control characters, as the agent takes it. */
function clean(text) {
    let kept = text.replace(/\p{Cc}/gu, " ").trim();
    while (new TextEncoder().encode(kept).length > 120) kept = [...kept].slice(0, -1).join("");
    return kept;
}

function startSheets() {
    sheet("place", "open-place", () => "", (text) => {
        tell({ act: "place", text });
        return true;
    });
    sheet("crew", "open-crew", () => state?.crew?.name ?? "", (text) => {
        if (text === "") return false;
        tell({ act: "logon", text });
        return true;
    });
    at("log-off").addEventListener("click", () => {
        at("crew-sheet").close("off");
        tell({ act: "logoff" });
        show();
    });
}

function startLock() {
    at("unlock").addEventListener("submit", async (event) => {
        event.preventDefault();
        const status = await unlock(at("pin").value);
        at("pin").value = "";
        at("pin-told").textContent = status === 401 ? say("pin_wrong") :
            status === 429 ? say("pin_tries") : "";
    });
}

makeStatuses();
startSheets();
startLock();
holdable(at("panic"), () => {
    tell({ act: "panic" });
    show();
}, (armed) => {
    at("panic-how").textContent = say(armed ? "again" : "hold");
});
startLanguage(at("language"), () => {
    showStatuses();
    show();
});
startAgent({
    state(now) {
        if (now !== null) {
            state = now;
            stateAt = performance.now();
        }
        show();
    },
    refused(act) {
        refused = act;
        setTimeout(() => {
            refused = null;
            show();
        }, 10000);
    },
});
setInterval(show, 500);
