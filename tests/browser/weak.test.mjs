/* Weak points on the planners' page: a list, the map, and tried at once. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";

import { api, axe, shot, until } from "./lib.mjs";
import { openPlan, rowsOf, textOf } from "./plan_page.mjs";

let browser, page, answer;

/* A street with its other carriageways. */
function linesOf({ geometry, with: others }) {
    return [geometry, ...others.map(({ geometry: line }) => line)].map(({ coordinates }) => coordinates);
}

/* Asked by keyboard; what the page was answered. */
async function ask() {
    const asked = page.waitForResponse((got) => got.url().endsWith("/v1/coverage/weak") &&
        got.status() === 200);
    await page.locator("#weak-ask").focus();
    await page.keyboard.press("Enter");
    const told = await (await asked).json();
    await page.waitForFunction((n) =>
        document.querySelectorAll("#weak-table tbody tr").length === n &&
        !document.querySelector("#weak-answer").hidden, told.points.length);
    return told;
}

before(async () => {
    ({ browser, page } = await openPlan());
    /* as units drive, some street is soon one on which cover hangs */
    const hasStreet = () => answer?.points.some(({ code }) => code === "street_closed");
    for (let i = 0; i < 60 && !hasStreet(); i++) answer = await ask();
    assert.ok(hasStreet());
});
after(() => browser?.close());

test("the list is the API's, the worst first, and says what was tried", async () => {
    const { points, streets_tried: tried, missions } = answer;
    assert.ok(points.length > 0);
    const rows = await rowsOf(page, "#weak-table");
    points.forEach(({ rank, reason, code, missions: lost = [] }, i) => {
        assert.ok(rows[i][0].startsWith(`${rank}. `), rows[i][0]);
        /* the same figure, in our words and in the gateway's */
        if (code !== "worst_hour")
            assert.equal(rows[i][0].match(/(\d+)(?! of)\D*$/)[1], reason.match(/(\d+)(?! of)\D*$/)[1]);
        for (const { name } of lost.slice(0, 8)) assert.ok(rows[i][1].includes(name), rows[i][1]);
    });
    assert.match(await textOf(page, "#weak-note"), new RegExp(
        `could uncover a mission: ${tried.candidates}; worked out by closing them: ${tried.tried}\\.`));
    const spare = new Map((await rowsOf(page, "#weak-missions")).map(([name, ...cells]) => [name, cells]));
    for (const { name, in_time: within, can_fail: can } of missions.filter(({ can_fail: one }) => one !== null))
        assert.deepEqual(spare.get(name).slice(0, 2), [String(within), can < 0 ? "out of cover" : String(can)]);
    const can = (await rowsOf(page, "#weak-missions")).map((cells) => cells[2])
        .map((text) => text === "–" ? Infinity : text === "out of cover" ? -1 : Number(text));
    assert.deepEqual(can, can.toSorted((a, b) => a - b));
    assert.deepEqual(await axe(page), []);
});

test("by keyboard: a street on the map, with the missions that it would uncover", async () => {
    const street = answer.points.find(({ code }) => code === "street_closed");
    await page.locator(`[data-key="weak ${street.rank}"]`).focus();
    await page.keyboard.press("Enter");
    const drawn = await page.evaluate(async () => {
        const { shownOnMap } = await import("/console/map.js");
        return shownOnMap().weak.features;
    });
    const lines = answer.points.filter(({ street: one }) => one);
    assert.equal(drawn.filter(({ properties }) => properties.number).length, lines.length);
    assert.deepEqual(drawn.filter(({ properties }) => properties.chosen)
        .map(({ properties, geometry }) => [properties.number, geometry]),
    [[String(street.rank), { type: "MultiLineString", coordinates: linesOf(street.street) }]]);
    assert.equal(drawn.filter(({ properties }) => properties.loses).length, street.missions.length);
    await until(page, async () => {
        const { featuresAt } = await import("/console/map.js");
        const box = document.querySelector("#map").getBoundingClientRect();
        for (let y = 4; y < box.height; y += 8)
            for (let x = 4; x < box.width; x += 8)
                if (featuresAt({ x, y }, ["weak"]).some(({ properties }) => properties.chosen))
                    return true;
        return false;
    });
    assert.equal(await page.locator(`[data-key="weak ${street.rank}"]`)
        .evaluate((button) => button === document.activeElement), true);
    await page.locator("#weak-note").scrollIntoViewIfNeeded();
    await shot(page, "weak-1-street");
});

test("tried: the very street is closed in what if", async () => {
    const { rank, street } = answer.points.find(({ code }) => code === "street_closed");
    const asked = page.waitForResponse((got) => got.url().endsWith("/v1/coverage/what-if") &&
        got.status() === 200);
    await page.locator(`[data-key="weak try ${rank}"]`).focus();
    await page.keyboard.press("Enter");
    const { closures } = await (await asked).json();
    const ends = (lines) =>
        lines.map((line) => [line[0], line.at(-1)].map(String).sort().join(" ")).sort();
    assert.equal(closures.length, 1 + street.with.length);
    assert.deepEqual(ends(closures.flatMap(({ geometry: { coordinates } }) =>
        typeof coordinates[0][0] === "number" ? [coordinates] : coordinates)), ends(linesOf(street)));
    await page.waitForFunction((name) => document.querySelector("#try-list").textContent.includes(name),
        closures[0].street);
    assert.match(await textOf(page, "#map-badge"), /^WHAT IF/);
    assert.deepEqual((await api("/v1/closures")).features, []); /* nothing live changed */
    await shot(page, "weak-2-tried");
    await page.click("#moment-now");
});

test("the reasons and hours follow the page's language at once", async () => {
    const questions = [];
    page.on("request", (request) => questions.push(request.url()));
    for (const [language, words] of [["es", /^\d+\. (Si se cierra|Si falla|Sin cobertura|La peor hora)/],
        ["fr", /^\d+\. (Si l’on ferme|Si l’unité|Sans couverture|La pire heure)/],
        ["en", /^\d+\. (If |Out of cover|The worst hour)/]]) {
        await page.selectOption("#language", language);
        for (const [text] of await rowsOf(page, "#weak-table")) assert.match(text, words);
    }
    assert.deepEqual(questions.filter((url) => url.includes("weak")), []);
});

test("hostile names are text; what is saved is the list", async () => {
    const hostile = "<img src=x onerror=alert(1)>\u202e" + "x".repeat(10000);
    await page.route("**/v1/coverage/weak", (route) => route.fulfill({ json: {
        ...answer, points: [
            { rank: 1, code: "unit_fails", reason: "", missions_out: 1, call_sign: hostile,
                missions: [{ mission_id: 1, name: hostile }] },
            { rank: 2, code: "street_closed", reason: "", missions_out: 1,
                missions: [{ mission_id: 2, name: hostile }], street: {
                    name: hostile, bridge: false, with: [], way_id: 1, length_m: 10,
                    geometry: { type: "LineString", coordinates: [[-82.42, 23.11], [-82.419, 23.11]] },
                } }],
        missions: [{ mission_id: 1, name: hostile, zone: hostile, in_time: 0, can_fail: -1, past: null }],
    } }));
    await ask();
    assert.equal(await page.locator('aside img:not([src^="data:"]), aside script').count(), 0);
    const [[unit, mission], [street]] = await rowsOf(page, "#weak-table");
    for (const text of [unit, mission, street]) {
        assert.ok(text.includes("<img src=x onerror=alert(1)>\ufffdx"), text);
        assert.ok(text.length < 300 && !text.includes("\u202e"), text);
    }
    assert.ok(await page.locator("aside").evaluate((box) => box.scrollWidth <= box.clientWidth));
    const saving = page.waitForEvent("download");
    await page.click("#weak-save");
    const text = readFileSync(await (await saving).path(), "utf8");
    assert.match(text, /^\ufeffrank,code,reason,missions_out,/);
    assert.equal(text.trim().split("\r\n").length, 3);
    await shot(page, "weak-3-hostile");
    await page.click("#weak-forget");
    assert.equal(await page.locator("#weak-answer").isVisible(), false);
    assert.deepEqual(page.errors, []);
    assert.deepEqual(page.foreign, []);
});
