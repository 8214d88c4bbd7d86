/* The dispatchers' page while a fleet drives: when its first map is there, how
 * long its frames take, what memory it comes to. Lines of JSON.
 *
 *   page.mjs first STARTS        each in a browser of its own
 *   page.mjs frames SECONDS      one page; a line each minute
 *   page.mjs profile SECONDS     where its main thread's time goes
 */
import { readFileSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

import { isLive, launch, open, URL } from "../../browser/lib.mjs";

const UNITS = Number(process.env.BENCH_UNITS);
const NICE = process.env.BENCH_AUTOGROUP;
const SAMPLE_S = 60, WARM_S = 120;
const REST_TRIES = 40;
const HAND_EVERY_S = 30; /* the map is pulled to the side and back */

const say = (line) => console.log(JSON.stringify(line));
const round = (value, digits = 1) => Number(value.toFixed(digits));

/* ------------------------------------------------------------ in the page */
/* Frames as requestAnimationFrame gives them, in tenths of a millisecond: the
 * time between two, and what the page's own callbacks took in each. Counted in
 * what is allotted beforehand, for memory is measured too. */
function watchFrames() {
    const TENTHS = 50001;
    const tally = () => new Uint32Array(TENTHS);
    const bench = globalThis.bench = {
        still: tally(), moved: tally(), work: tally(), long: tally(), moving: false,
    };
    const add = (to, ms) => { to[Math.min(Math.round(ms * 10), TENTHS - 1)]++; };
    const frame = globalThis.requestAnimationFrame.bind(globalThis);
    let last = null, work_ms = 0;
    globalThis.requestAnimationFrame = (call) => frame((time) => {
        const from = performance.now();
        call(time);
        work_ms += performance.now() - from;
    });
    const tick = () => {
        frame(tick);
        const now = performance.now();
        if (last !== null) add(bench.moving ? bench.moved : bench.still, now - last);
        add(bench.work, work_ms);
        work_ms = 0;
        last = now;
    };
    frame(tick);
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) add(bench.long, entry.duration);
    }).observe({ type: "longtask", buffered: true });
}

/* The page's map is its own affair: it is caught as it is made. The library is
 * filled only after it was named. */
function catchMap() {
    let library, caught;
    const catching = () => caught ??= class extends library.Map {
        constructor(options) {
            super(options);
            globalThis.benchMap = this;
        }
    };
    Object.defineProperty(globalThis, "maplibregl", {
        get: () => library && Object.create(library, { Map: { get: catching } }),
        set: (made) => { library = made; },
    });
}

/* Milliseconds from the start of navigation until streets are on the screen,
 * in all of its pixels, and all units over them. */
async function untilDrawn(count) {
    const { health, units } = await import("/console/feed.js");
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    const streets = ["main", "middle", "small"];
    const isSharp = (map) => map.getCanvas().width >=
        Math.floor(map.getContainer().clientWidth * devicePixelRatio);
    /* of the map's middle: to ask for all would hold up what is measured */
    const middle = ({ clientWidth: x, clientHeight: y }) =>
        [[x / 2 - 100, y / 2 - 100], [x / 2 + 100, y / 2 + 100]];
    const seen = { page: performance.now() };
    for (;;) {
        await frame();
        const map = globalThis.benchMap;
        const now = performance.now();
        if (health.state === "live") seen.live ??= now;
        if (units.size >= count) seen.units ??= now;
        if (!seen.units || !seen.live || !map?.loaded() || !isSharp(map)) continue;
        const box = middle(map.getContainer());
        if (map.queryRenderedFeatures(box, { layers: streets }).length > 0) break;
    }
    await frame();
    await frame();
    return { ...seen, drawn: performance.now() };
}

/* --------------------------------------------------------------- processes */
function privateKb(pid) {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
    const of = (name) => Number(new RegExp(`^${name}: +(\\d+)`, "m").exec(rollup)[1]);
    return of("Private_Clean") + of("Private_Dirty");
}

/** The browser's processes: [{type, id, cpuTime}]. */
async function processes(browser) {
    const session = await browser.newBrowserCDPSession();
    const { processInfo } = await session.send("SystemInfo.getProcessInfo");
    await session.detach();
    return processInfo;
}

/* By type, in MB; of renderers the one that works most, which is the page's. */
async function privateMemory(browser) {
    const found = {};
    let busiest = -1;
    for (const { type, id, cpuTime } of await processes(browser)) {
        if (type === "renderer" && cpuTime <= busiest) continue;
        if (type === "renderer") busiest = cpuTime;
        if (["renderer", "GPU", "browser"].includes(type))
            found[type.toLowerCase()] = round(privateKb(id) / 1024);
    }
    return found;
}

/* Seconds of a processor by type, so far: what the browser costs, however long
 * it had to wait for its turn. */
async function worked(browser) {
    const sums = {};
    for (const { type, cpuTime } of await processes(browser)) {
        const name = type.split(".")[0].toLowerCase();
        sums[name] = (sums[name] ?? 0) + cpuTime;
    }
    return sums;
}

function since(before, now, seconds) {
    return Object.fromEntries(Object.keys(now).map((name) =>
        [name, round((now[name] - (before[name] ?? 0)) / seconds, 3)]));
}

/* A group of processes of its own has a weight of its own. */
async function prefer(browser) {
    if (!NICE) return;
    for (const { id } of await processes(browser)) writeFileSync(`/proc/${id}/autogroup`, NICE);
}

/* A browser that begins has much to do that is none of the page's. */
async function atRest(browser) {
    const sum = async () => (await processes(browser))
        .reduce((total, { cpuTime }) => total + cpuTime, 0);
    for (let i = 0, before = await sum(); i < REST_TRIES; i++) {
        await sleep(250);
        const now = await sum();
        if (now - before < 0.02) return;
        before = now;
    }
}

async function start(...scripts) {
    const browser = await launch();
    await prefer(browser);
    const page = await open(browser, { viewport: { width: 1600, height: 900 } });
    for (const script of scripts) await page.addInitScript(script);
    await atRest(browser);
    return { browser, page };
}

/* -------------------------------------------------------------- the figures */
function percentiles(tally) {
    const total = tally.reduce((sum, n) => sum + n, 0);
    const at = (share) => {
        let left = total * share;
        return tally.findIndex((n) => (left -= n) < 0) / 10;
    };
    const most = tally.findLastIndex((n) => n > 0) / 10;
    return { n: total, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: most };
}

async function frames(page, since) {
    const now = await page.evaluate(() => Object.fromEntries(
        ["still", "moved", "work", "long"].map((name) => [name, [...globalThis.bench[name]]])));
    now.all = now.still.map((n, i) => n + now.moved[i]);
    const delta = {};
    for (const [name, tally] of Object.entries(now))
        delta[name] = percentiles(tally.map((n, i) => n - (since?.[name][i] ?? 0)));
    return { now, delta };
}

async function metrics(session) {
    const { metrics: list } = await session.send("Performance.getMetrics");
    return Object.fromEntries(list.map(({ name, value }) => [name, value]));
}

/* What is left when all that nobody holds is thrown away. */
async function settled(browser, session) {
    for (let i = 0; i < 3; i++) await session.send("HeapProfiler.collectGarbage");
    const { JSHeapUsedSize: heap, Nodes: nodes } = await metrics(session);
    return { heap_mb: round(heap / 2 ** 20, 2), nodes, private_mb: await privateMemory(browser) };
}

const growth = (from, to) => round((to / from - 1) * 100);

function grown(before, after) {
    return {
        heap: growth(before.heap_mb, after.heap_mb),
        ...Object.fromEntries(Object.keys(after.private_mb).map((type) =>
            [type, growth(before.private_mb[type], after.private_mb[type])])),
    };
}

/* A dispatcher's hand. */
async function pull(page) {
    const box = await page.locator("#map").boundingBox();
    const x = box.x + box.width / 2, y = box.y + box.height / 2;
    await page.evaluate(() => { globalThis.bench.moving = true; });
    for (const way of [-1, 1]) {
        await page.mouse.move(x - way * 100, y);
        await page.mouse.down();
        const moves = []; /* a hand does not wait for pictures */
        for (let step = 1; step <= 20; step++) {
            moves.push(page.mouse.move(x + way * (10 * step - 100), y));
            await sleep(50);
        }
        await Promise.all(moves);
        await sleep(150); /* so that it does not slide on */
        await page.mouse.up();
    }
    await sleep(500);
    await page.evaluate(() => { globalThis.bench.moving = false; });
}

/* ------------------------------------------------------------------- tasks */
async function first(starts) {
    for (let i = 0; i < starts; i++) {
        const { browser, page } = await start(catchMap);
        await page.goto(URL, { waitUntil: "commit" });
        const seen = await page.evaluate(untilDrawn, UNITS);
        for (const name of Object.keys(seen)) seen[name] = Math.round(seen[name]);
        say({ first: i + 1, ...seen, load: loadavg()[0] });
        if (i === 0) await page.screenshot({ path: `${process.env.BENCH_DIR}/first.png` });
        await browser.close();
    }
}

async function openPage() {
    const { browser, page } = await start(watchFrames, catchMap);
    await page.goto(URL);
    await isLive(page);
    await page.evaluate(untilDrawn, UNITS);
    const session = await page.context().newCDPSession(page);
    await session.send("Performance.enable");
    await prefer(browser);
    return { browser, page, session };
}

async function watch(seconds) {
    const { browser, page, session } = await openPage();
    const begun = Date.now();
    let { now: last } = await frames(page);
    const begin = last;
    let before = null, sampled = 0;
    let spent = await metrics(session), cores = await worked(browser);
    const elapsed = () => (Date.now() - begun) / 1000;
    for (let hand = HAND_EVERY_S; elapsed() < seconds;) {
        await sleep(Math.max(0, Math.min(seconds, hand) - elapsed()) * 1000);
        if (elapsed() >= hand && elapsed() < seconds) await pull(page);
        if (elapsed() >= hand) hand += HAND_EVERY_S;
        if (before === null && elapsed() >= Math.min(WARM_S, seconds / 2)) {
            before = await settled(browser, session);
            say({ at_s: Math.round(elapsed()), settled: before });
        }
        if (elapsed() < sampled + SAMPLE_S && elapsed() < seconds) continue;
        const { now, delta } = await frames(page, last);
        const spent_now = await metrics(session);
        const busy = (name) => round((spent_now[name] - spent[name]) /
            (spent_now.Timestamp - spent.Timestamp), 3);
        const cores_now = await worked(browser);
        say({
            at_s: Math.round(elapsed()), ...delta,
            cores: since(cores, cores_now, elapsed() - sampled),
            busy: { task: busy("TaskDuration"), script: busy("ScriptDuration"),
                layout: busy("LayoutDuration"), style: busy("RecalcStyleDuration") },
            heap_mb: round(spent_now.JSHeapUsedSize / 2 ** 20, 2),
            private_mb: await privateMemory(browser), load: loadavg()[0],
        });
        [last, spent, cores, sampled] = [now, spent_now, cores_now, elapsed()];
    }
    const all = (await frames(page, begin)).delta;
    const after = await settled(browser, session);
    await page.screenshot({ path: `${process.env.BENCH_DIR}/last.png` });
    say({ end_s: Math.round(elapsed()), ...all, before, after,
        growth_percent: grown(before, after), errors: page.errors });
    await browser.close();
}

async function profile(seconds) {
    const { browser, session } = await openPage();
    await session.send("Profiler.enable");
    await session.send("Profiler.setSamplingInterval", { interval: 500 });
    await session.send("Profiler.start");
    await sleep(seconds * 1000);
    const { profile: found } = await session.send("Profiler.stop");
    const self = new Map();
    const nodes = new Map(found.nodes.map((node) => [node.id, node]));
    found.samples.forEach((id, i) => {
        const { functionName: name, url, lineNumber: line } = nodes.get(id).callFrame;
        const key = `${name || "-"} ${url.split("/").pop()}:${line + 1}`;
        self.set(key, (self.get(key) ?? 0) + found.timeDeltas[i]);
    });
    for (const [key, us] of [...self].sort((a, b) => b[1] - a[1]).slice(0, 40))
        console.log(`${(us / 1e4 / seconds).toFixed(2)} %  ${key}`);
    await browser.close();
}

const [task, number] = process.argv.slice(2);
await { first, frames: watch, profile }[task](Number(number));
