/* Two situations: in figures, and side by side on two maps. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, beforeEach, test } from "node:test";

import { axe, shot, until } from "./lib.mjs";
import { askedNow, figures, openPlan, rowsOf, toNow } from "./plan_page.mjs";

let browser, page;

before(async () => {
    ({ browser, page } = await openPlan());
});
after(() => browser?.close());
beforeEach(() => toNow(page));

test("two situations in figures; hostile names are text, also in a file", async () => {
    const hostile = "=HYPERLINK(\"http://x\")<img src=x onerror=alert(1)>\u202e";
    const coverage = await figures(page);
    await page.locator("#keep").focus();
    await page.keyboard.press("Enter");
    const mission = coverage.missions.find(({ within }) => within > 0);
    Object.assign(mission, { within: 0, name: hostile });
    coverage.total.missions.share[0] -= 0.25;
    await page.waitForFunction(() => document.querySelectorAll("#compare-missions tbody tr").length === 1);
    const [row] = await rowsOf(page, "#compare-missions");
    assert.equal(row[0], "=HYPERLINK(\"http://x\")<img src=x onerror=alert(1)>\ufffd");
    assert.match(row[3], /^▼ falls out$/);
    assert.match((await rowsOf(page, "#compare-zones"))[0][3], /^▼ 25\.0$/);
    assert.equal(await page.locator('aside img:not([src^="data:"]), aside script').count(), 0);
    await page.locator("#let-go").scrollIntoViewIfNeeded();
    await shot(page, "plan-4-compare");
    const saving = page.waitForEvent("download");
    await page.click("#save-missions");
    const text = readFileSync(await (await saving).path(), "utf8");
    assert.match(text, /^\ufeffmission_id,mission,zone,promise_s,units_within,/);
    assert.ok(text.includes(`,"'=HYPERLINK(""http://x"")<img`), text);
    await page.click("#let-go");
});

test("hostile names of zones, call signs and places: text in tables, on paper, in files", async () => {
    const wild = (first) => `${first}<img src=x onerror=alert(1)>\u202e\u2066\u0000${"M".repeat(10000)}`;
    const seen = (first) => `${first}<img src=x onerror=alert(1)>\ufffd\ufffd\ufffdM`;
    const coverage = await figures(page);
    const mission = coverage.missions.find(({ covered, units }) => covered && units.length > 0);
    Object.assign(mission, { within: 0, name: wild("@") });
    mission.units[0].call_sign = wild("-");
    coverage.zones[0].name = wild("+");
    await page.click("#keep");
    await page.click("#let-go"); /* all tables anew */
    await page.waitForFunction(() => document.querySelector("#zone-table").textContent.includes("+<img"));
    const cells = async (table) => (await rowsOf(page, table)).flat();
    const starts = (list, text) => list.some((cell) => cell.startsWith(text) && cell.length < 200);
    assert.ok(starts(await cells("#zone-table"), seen("+")));
    assert.ok(starts(await cells("#mission-table"), seen("@")));
    assert.ok((await cells("#mission-table")).some((cell) => cell.startsWith("-<img") && cell.length < 30));
    assert.equal(await page.locator('main img:not([src^="data:"]), main script').count(), 0);
    assert.ok(await page.locator("aside").evaluate((box) => box.scrollWidth <= box.clientWidth));
    const file = async (button) => {
        const saving = page.waitForEvent("download");
        await page.click(button);
        return readFileSync(await (await saving).path(), "utf8");
    };
    assert.match(await file("#save-zones"), /(^|[,\n])'\+<img src=x/);
    const missions = await file("#save-missions");
    assert.match(missions, /(^|[,\n])'@<img src=x/);
    assert.match(missions, /(^|[,\n])'-<img src=x/);
    const { features } = JSON.parse(await file("#save-map"));
    assert.ok(features.some(({ properties: { name } }) => name === mission.name));
    await page.emulateMedia({ media: "print" });
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    await page.emulateMedia({ media: null });
});

/* Where both maps look; null for one that is not there. */
const views = () => page.evaluate(async () => {
    const { mainMap } = await import("/console/map.js");
    const { besideMap } = await import("/console/sidemap.js");
    return [mainMap(), besideMap()].map((map) => map === null ? null
        : [map.getCenter().lng, map.getCenter().lat, map.getZoom()].map((one) => one.toFixed(9)).join(" "));
});

const bothRest = () => until(page, async () => {
    const { mainMap } = await import("/console/map.js");
    const { besideMap } = await import("/console/sidemap.js");
    return [mainMap(), besideMap()].every((map) => map.loaded() && !map.isMoving());
});

/* By the map's own signs, "0 × 1", as the captions tell them. */
const counts = (id) => page.locator(`#${id}-counts li`).evaluateAll((items) =>
    items.slice(0, 4).map((item) => Number(item.textContent.match(/× (\d+)/)[1])));
const countsOf = ({ missions }) => [0, 1, 2, 3].map((n) => missions.filter(({ covered, promise_s: promise,
    within }) => covered !== null && promise !== null && Math.min(3, within) === n).length);

test("two maps: each with what is its own, in step, by keys", async () => {
    const kept = await figures(page);
    const canvases = await page.locator("canvas").count();
    assert.equal(await page.locator("#side-map canvas").count(), 0);
    await page.locator("#keep").focus();
    await page.keyboard.press("Enter");
    await page.locator("#side").focus();
    await page.keyboard.press("Enter");
    await page.waitForSelector("#side-map canvas");
    assert.deepEqual(await counts("side"), countsOf(kept));
    /* B goes on, A stays */
    const later = structuredClone(kept);
    const mission = later.missions.find(({ within, covered }) => covered && within > 0);
    Object.assign(mission, { within: 0, units: [] });
    await page.unroute("**/v1/coverage");
    await page.route("**/v1/coverage", (route) => route.fulfill({ json: later }));
    await askedNow(page);
    const wanted = countsOf(later);
    assert.notDeepEqual(wanted, countsOf(kept));
    await page.waitForFunction((n) => document.querySelector("#map-counts li").textContent
        .includes(`× ${n}`), wanted[0]);
    assert.deepEqual([await counts("side"), await counts("map")], [countsOf(kept), wanted]);
    assert.match(await page.locator("#side-name").textContent(), /^A · Now, \d\d:\d\d:\d\d$/);
    /* whoever is moved, the other goes along */
    await bothRest();
    const [before] = await views();
    for (const [where, keys] of [["#side-map", "+"], ["#map", "ArrowLeft"], ["#side-map", "ArrowUp"]]) {
        const [was] = await views();
        await page.locator(`${where} canvas.maplibregl-canvas`).focus();
        await page.keyboard.press(keys);
        await until(page, async (old) => {
            const { mainMap } = await import("/console/map.js");
            const map = mainMap();
            return [map.getCenter().lng, map.getCenter().lat, map.getZoom()]
                .map((one) => one.toFixed(9)).join(" ") !== old;
        }, was);
        await bothRest();
        const [main, side] = await views();
        assert.equal(side, main);
        assert.notEqual(main, was);
    }
    assert.notEqual((await views())[0], before);
    assert.deepEqual(await axe(page), []);
    await shot(page, "compare-1-maps");
    /* and nothing of it is left when it is not wished */
    await page.locator("#side").focus();
    await page.keyboard.press("Enter");
    assert.equal((await views())[1], null);
    assert.equal(await page.locator("#side-map canvas").count(), 0);
    assert.equal(await page.locator("canvas").count(), canvases);
    assert.equal(await page.locator("#side-box").isVisible(), false);
});

test("what if beside how it is: what is closed to try is on its map only; to take along", async () => {
    await page.locator("#try").evaluate((button) => button.click());
    await page.waitForSelector("#compared:not([hidden])");
    const asked = page.waitForResponse((got) => got.url().endsWith("/v1/coverage/what-if") &&
        got.request().postDataJSON().closures.length === 1);
    await page.check("#mission-all");
    await page.fill("#mission-words", "embassy of canada");
    await page.click("#mission-table button");
    await page.fill("#mission-words", "");
    await page.uncheck("#mission-all");
    await page.locator("#try-close-here").focus();
    await page.keyboard.press("Enter");
    const answer = await (await asked).json();
    if (await page.locator("#side").getAttribute("aria-pressed") !== "true") await page.click("#side");
    await until(page, async (at) => {
        const { situation } = await import("/console/situation.js");
        return situation().coverage?.answered_at === at;
    }, answer.as_of);
    assert.match(await page.locator("#map-name").textContent(), /^B · WHAT IF: not real, \d\d:\d\d:\d\d$/);
    await bothRest();
    const drawn = await page.evaluate(async () => {
        const { mainMap } = await import("/console/map.js");
        const { besideMap } = await import("/console/sidemap.js");
        return [besideMap(), mainMap()].map((map) =>
            map.getStyle().sources.tried.data.features.length);
    });
    assert.deepEqual(drawn, [0, 1]);
    await shot(page, "compare-2-what-if");
    const size = async () => {
        const saving = page.waitForEvent("download");
        await page.click("#save-picture");
        const bytes = readFileSync(await (await saving).path());
        return { width: bytes.readUInt32BE(16), bytes: bytes.length }; /* PNG's IHDR */
    };
    const two = await size();
    const boxes = await page.locator("#side-map, #map").evaluateAll((all) =>
        all.map((box) => box.clientWidth * devicePixelRatio));
    assert.ok(Math.abs(two.width - boxes[0] - boxes[1] - 8) <= 2, `${two.width} ${boxes}`);
    assert.ok(two.bytes > 20000);
    await page.emulateMedia({ media: "print" });
    await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
    for (const part of ["#side-on-paper", "#map-on-paper", "#side-name", "#map-name", "#compare-zones"])
        assert.equal(await page.locator(part).isVisible(), true, part);
    await page.screenshot({ path: `${process.env.PATROL_SHOTS}/compare-3-paper.png`, fullPage: true });
    await page.evaluate(() => dispatchEvent(new Event("afterprint")));
    await page.emulateMedia({ media: null });
    await page.click("#moment-now");
    assert.equal(await page.locator("#side-box").isVisible(), false);
});

test("a mission chosen on the second map is looked up", async () => {
    const { missions } = await figures(page);
    await page.click("#keep");
    if (await page.locator("#side").getAttribute("aria-pressed") !== "true") await page.click("#side");
    await page.waitForSelector("#side-map canvas");
    const { mission_id: id, name } = missions.find(({ name: one }) => one === "Embassy of Canada");
    await page.check("#mission-all");
    await page.fill("#mission-words", name);
    await page.click(`[data-key="mission ${id}"]`);
    await page.fill("#mission-words", "");
    await page.uncheck("#mission-all");
    await bothRest();
    await page.locator("#side-map canvas").focus();
    await page.keyboard.press("Enter");
    await page.waitForFunction((wanted) => document.querySelector("#mission-words").value === wanted, name);
    await page.click("#let-go");
    assert.equal(await page.locator("#side-map canvas").count(), 0);
    await page.fill("#mission-words", "");
    assert.deepEqual(page.errors, []);
    assert.deepEqual(page.foreign, []);
});
