/* The browser and the demonstration, as the tests use them. */
import { execFileSync, spawn } from "node:child_process";
import { openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";

const require = createRequire(`${process.env.PATROL_NPM}/`);
const { chromium } = require("playwright-core");

export const URL = process.env.PATROL_URL;
export const CREW = process.env.PATROL_CREW;
const DEMO = process.env.PATROL_DEMO;
const BIN = process.env.PATROL_BIN;

/* As on a machine without a graphics card: the processor puts pages together,
 * and only the map's WebGL goes to an emulated one. And what a browser does by
 * itself is to be silent, so that every request seen is the page's. */
const FLAGS = [
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
    "--disable-gpu", "--enable-unsafe-swiftshader",
    "--autoplay-policy=user-gesture-required",
];

export function launch() {
    return chromium.launch({ executablePath: "/usr/bin/chromium", args: FLAGS });
}

/** A page on the console, live; what it asked for and complained of is noted. */
export async function open(browser, options = {}) {
    const context = await browser.newContext({
        viewport: { width: 1200, height: 750 }, locale: "en", ...options,
    });
    const page = await context.newPage();
    page.setDefaultTimeout(60000);
    page.foreign = [];
    page.errors = [];
    page.on("request", (request) => {
        const { url } = { url: request.url() };
        if (!url.startsWith(URL) && !url.startsWith(CREW) && !/^(data|blob):/.test(url)) page.foreign.push(url);
    });
    page.on("pageerror", (error) => page.errors.push(error.message));
    page.on("console", (message) => {
        if (/Content Security Policy/.test(message.text())) page.errors.push(message.text());
    });
    /* how often a tone was started: the alarms are heard */
    await page.addInitScript(() => {
        globalThis.tones = 0;
        const start = OscillatorNode.prototype.start;
        OscillatorNode.prototype.start = function (...when) {
            globalThis.tones++;
            return start.apply(this, when);
        };
    });
    return page;
}

export async function isLive(page) {
    await page.waitForFunction(() => document.body.dataset.live === "live");
}

/** Waits for what a page's modules say: the browser's own waiting takes a
 * promise for "yes". */
export async function until(page, met, told) {
    for (let i = 0; i < 600; i++) {
        if (await page.evaluate(met, told)) return;
        await sleep(100);
    }
    throw new Error(`in vain: ${met} ${JSON.stringify(told)}`);
}

export async function shot(page, name) {
    await page.screenshot({ path: `${process.env.PATROL_SHOTS}/${name}.png` });
}

export function sql(text) {
    return execFileSync("psql", ["-qAtX", process.env.PATROL_DATABASE, "-c", text],
        { encoding: "utf8" }).trim();
}

export async function api(path) {
    return (await fetch(URL + path)).json();
}

/* ---------------------------------------------------- the demonstration's parts */
/* As deploy/demo notes them: number and start time. */
function pidOf(name) {
    return Number(readFileSync(`${DEMO}/run/${name}`, "utf8").split(" ")[0]);
}

export function signal(name, what) {
    process.kill(pidOf(name), what);
}

/* A process whose first thread has ended holds its ports until the last has. */
function runs(pid) {
    try {
        return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8")) ||
            readdirSync(`/proc/${pid}/task`).length > 1;
    } catch {
        return false;
    }
}

export async function kill(name) {
    const pid = pidOf(name);
    process.kill(pid, "SIGKILL");
    while (runs(pid)) await sleep(50);
}

/** Starts it as the demonstration did, which stops it in the end. */
export function start(name) {
    const commands = {
        gateway: [`${BIN}/patrol-gateway`, "-c", `${DEMO}/gateway.conf`],
        broker: [`${process.env.PATROL_PRIVATE}/broker`, "run", `${DEMO}/broker`],
        "agent-1": [`${BIN}/tracker-agent`, "-c", `${DEMO}/agent-1.conf`],
    };
    const [program, ...words] = commands[name];
    const log = openSync(`${DEMO}/log/${name}.log`, "a");
    const child = spawn(program, words, { detached: true, stdio: ["ignore", log, log] });
    child.unref();
    const begun = readFileSync(`/proc/${child.pid}/stat`, "utf8")
        .replace(/.*\) /, "").split(" ")[19];
    writeFileSync(`${DEMO}/run/${name}`, `${child.pid} ${begun}\n`);
}

/** WCAG 2.0 to 2.2, A and AA, by axe-core; what is wrong, in words. */
export async function axe(page) {
    await page.evaluate(readFileSync(require.resolve("axe-core/axe.min.js"), "utf8"));
    return page.evaluate(async () => {
        const { violations } = await globalThis.axe.run(document, {
            runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
        });
        return violations.map(({ id, nodes }) =>
            `${id}: ${nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`);
    });
}
