/* The agent: asked every second what there is, told what the crew says. What it
 * does not take is told again until it does, under the same key, so that
 * nothing is said twice. */
const EVERY_MS = 1000;
const PATIENCE_MS = 2500;
export const SILENT_MS = 4000;
const KEPT = "crew-session";
/* The agent takes nothing older. */
const AGO_MAX_MS = 3600000;

/** Acts that the agent has not taken; panics first. */
export const waiting = [];
let token = localStorage.getItem(KEPT);
let heardAt = null; /* performance.now() of the last answer */
let timer = null;
let asking = false;
let on = {};

/** Milliseconds since the agent last answered; null: it never did. */
export function quietMs() {
    return heardAt === null ? null : performance.now() - heardAt;
}

async function ask(path, body) {
    const abort = new AbortController();
    const limit = setTimeout(() => abort.abort(), PATIENCE_MS);
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    if (body !== undefined) headers["Content-Type"] = "application/json";
    try {
        const answer = await fetch(path, {
            method: body === undefined ? "GET" : "POST", headers, cache: "no-store",
            body: body === undefined ? undefined : JSON.stringify(body), signal: abort.signal,
        });
        const said = await answer.json();
        heardAt = performance.now();
        return { status: answer.status, said };
    } catch {
        return { status: 0, said: null };
    } finally {
        clearTimeout(limit);
    }
}

/* How a waiting act fared: true when there is nothing more to do with it. */
function settled(act, status) {
    if (status === 200) return true;
    if (status < 400 || status >= 500 || status === 401) return false;
    on.refused(act);
    return true;
}

/* The panics only, to somebody without the number: others wait for it. */
async function hand(state) {
    for (const act of [...waiting]) {
        const { said, ...body } = act;
        const ago = Date.now() - said;
        if (ago >= 1000) body.ago_ms = Math.min(ago, AGO_MAX_MS);
        const answer = await ask("/acts", body);
        if (settled(act, answer.status)) waiting.splice(waiting.indexOf(act), 1);
        if (answer.status === 200) state = answer.said;
        if (answer.status === 0) break;
    }
    return state;
}

async function turn() {
    if (asking) return;
    asking = true;
    clearTimeout(timer);
    let state = waiting.length > 0 ? await hand(null) : null;
    if (state === null) {
        const answer = await ask("/state");
        if (answer.status === 200) state = answer.said;
    }
    asking = false;
    timer = setTimeout(turn, EVERY_MS);
    on.state(state);
}

/* Also in places without https, where there is no randomUUID(). */
function newKey() {
    return [...crypto.getRandomValues(new Uint8Array(16))]
        .map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function tell(act) {
    const entry = { key: newKey(), ...act, said: Date.now() };
    if (act.act === "panic") waiting.unshift(entry);
    else waiting.push(entry);
    turn();
}

/** The answer's status: 200, or why not. */
export async function unlock(pin) {
    const answer = await ask("/session", { pin });
    if (answer.status === 200) {
        token = answer.said.token;
        localStorage.setItem(KEPT, token);
        turn();
    }
    return answer.status;
}

/** `state(what)` runs after every try, null: no answer; `refused(act)`. */
export function startAgent(events) {
    on = events;
    turn();
    document.addEventListener("visibilitychange", () => {
        if (!document.hidden) turn();
    });
}
