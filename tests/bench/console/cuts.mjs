/* How soon the page says that something is gone, and is right again. `run` does
 * the cutting where it is not the browser's: a line of words from here, a line
 * back when it is done. */
import { loadavg } from "node:os";
import { createInterface } from "node:readline";

import { isLive, launch, open, URL } from "../../browser/lib.mjs";

const UNITS = Number(process.env.BENCH_UNITS);
const done = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (what) => console.log(JSON.stringify(what));

async function ask(what) {
    say({ do: what });
    await done.next();
}

const browser = await launch();
const page = await open(browser, { viewport: { width: 1600, height: 900 } });
await page.goto(URL);
await isLive(page);
await page.waitForFunction((n) =>
    document.querySelector("#units-count").textContent.includes(new Intl.NumberFormat("en").format(n)) ||
    document.querySelector("#units-count").textContent.includes(String(n)), UNITS);

/* The page's own clock: when the words were there, or had gone. The watch is set
 * before the cut. */
function watch(wanted) {
    return page.evaluate((text) => {
        const box = document.querySelector("#stale");
        globalThis.cut = new Promise((met) => {
            const look = () => {
                if ((text === null ? box.hidden && document.body.dataset.live === "live"
                    : !box.hidden && box.textContent.includes(text))) met(Date.now());
                else setTimeout(look, 20);
            };
            look();
        });
    }, wanted);
}

async function cut(name, words, lose, regain) {
    await watch(words);
    const lost = Date.now();
    await lose();
    const gone = Date.now(); /* a process takes its time to end */
    const said = await page.evaluate(() => globalThis.cut);
    await watch(null);
    const from = Date.now();
    await regain();
    const back = Date.now(); /* a gateway reads its streets before it answers */
    const right = await page.evaluate(() => globalThis.cut);
    say({ cut: name, said_s: (said - lost) / 1000, going_s: (gone - lost) / 1000,
        right_s: (right - back) / 1000, coming_s: (back - from) / 1000, load: loadavg()[0] });
    await page.waitForTimeout(5000);
}

for (let round = 0; round < Number(process.argv[3]); round++) {
    await cut("gateway", "not ", () => ask("kill gateway"), () => ask("start gateway"));
    await cut("broker", "No connection to the vehicles", () => ask("kill broker"), () => ask("start broker"));
    await cut("network", "not ", () => page.context().setOffline(true), () => page.context().setOffline(false));
}
await page.screenshot({ path: `${process.env.BENCH_DIR}/cuts.png` });
await browser.close();
process.stdin.destroy(); /* else one goes on listening */
