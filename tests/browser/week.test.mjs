/* Posts by hour of the week, with their proof, and the past replayed with them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";

import { api, axe, shot, until, URL } from "./lib.mjs";
import { openPlan, rowsOf, textOf } from "./plan_page.mjs";

let browser, page, plan;

before(async () => {
    ({ browser, page } = await openPlan());
});
after(() => browser?.close());

/* What comes back to a question that is asked again until it is answered. */
const answered = (path) => page.waitForResponse((got) => got.url().includes(path) && got.status() === 200);
const decimal = (value) => value.toLocaleString("en", Number.isInteger(value) ? {}
    : { minimumFractionDigits: 1, maximumFractionDigits: 1 });

test("a plan is made by keyboard; each choice with what is proved of it", async () => {
    await page.fill("#week-units", "1, 4");
    await page.fill("#week-name", "Winter");
    const done = answered("/v1/coverage/plans");
    await page.locator("#week-ask").focus();
    await page.keyboard.press("Enter");
    for (plan = await (await done).json(); plan.groups === undefined;)
        plan = await (await answered("/v1/coverage/plans")).json();
    await page.waitForFunction((n) =>
        document.querySelectorAll("#week-table tbody tr").length === n, plan.groups.length);
    const rows = await rowsOf(page, "#week-table");
    plan.groups.forEach(({ choices }, g) => choices.forEach(
        ({ missions, missions_of: of, proved, best_share: share }, i) => {
            assert.ok(rows[g][i + 1].startsWith(`${decimal(missions)} of ${decimal(of)}`), rows[g][i + 1]);
            assert.match(rows[g][i + 1], proved ? /Proved: none better/
                : new RegExp(`at least ${(Math.floor(share * 1000) / 10).toFixed(1)} %`));
        }));
    /* the three shifts of working days and of weekends: openapi.yaml */
    assert.deepEqual(rows.map(([hours]) => hours), ["Mon–Fri 06–14", "Mon–Fri 14–22", "Mon–Fri 22–06",
        "Sat–Sun 06–14", "Sat–Sun 14–22", "Sat–Sun 22–06"]);
    assert.match(await textOf(page, "#week-note"), /^Winter, made [A-Z][a-z]{2} \d+, \d{4}, \d\d:\d\d \(America\/Havana\)/);
    assert.deepEqual(await page.locator("#week-table thead th").allTextContents(), ["Hours", "1 unit", "4 units"]);
    assert.ok(await page.locator("#week-chart canvas").count() === 1);
    /* a tablet that is turned: the chart goes with it */
    const { width, height } = page.viewportSize();
    const fits = () => document.querySelector("#week-chart .uplot").offsetWidth === document.querySelector("#week-chart").clientWidth;
    await page.setViewportSize({ width: 390, height });
    await until(page, fits);
    assert.ok(await page.locator("aside").evaluate((box) => box.scrollWidth <= box.clientWidth));
    await page.setViewportSize({ width, height });
    await until(page, fits);
});

test("a choice's posts are on the map and in the file", async () => {
    await page.locator('[data-key="week 1 1"]').focus();
    await page.keyboard.press("Enter");
    const { posts } = plan.groups[1].choices[1];
    assert.deepEqual((await rowsOf(page, "#week-posts")).length, posts.length);
    const drawn = await page.evaluate(async () =>
        (await import("/console/map.js")).shownOnMap().planned.features.map(({ geometry }) => geometry.coordinates));
    assert.deepEqual(drawn, posts.map(({ lat, lon }) => [lon, lat]));
    await page.locator("#week-title").scrollIntoViewIfNeeded();
    await shot(page, "week-1-plan");
    const saving = page.waitForEvent("download");
    await page.click("#week-save");
    const lines = readFileSync(await (await saving).path(), "utf8").trim().split("\r\n");
    assert.equal(lines.length, 1 + plan.groups.flatMap(({ choices }) => choices)
        .reduce((sum, { posts: those }) => sum + those.length, 0));
    await page.click("#week-try");
    await page.waitForFunction((n) => document.querySelectorAll("#try-list li").length === n, posts.length);
    await page.click("#moment-now");
});

test("the past replayed: where units stood, at the plan's posts, by the API's figures", async () => {
    await page.evaluate(() => {
        document.querySelector("#would-from").value = document.querySelector("#would-to").value; /* today */
    });
    /* asked up to the minute that has begun: at first the town has no past */
    let replay = null;
    for (let i = 0; i < 30 && !(replay?.looks > 0); i++) {
        const done = page.waitForResponse((got) => got.url().includes("/replay?") && got.status() === 200);
        await page.locator("#would-ask").focus();
        await page.keyboard.press("Enter");
        replay = await (await done).json();
        await page.waitForFunction(() => document.querySelector("#would-progress").hidden);
        if (!(replay.looks > 0)) await page.waitForTimeout(2000);
    }
    assert.ok(replay.looks > 0);
    await page.waitForSelector("#would-sides tbody tr");
    const minutes = (seconds) => Math.round(seconds / 60).toLocaleString("en");
    const sides = ["real", "plan", "posts"].filter((side) => replay.sides[side] !== null);
    assert.deepEqual((await rowsOf(page, "#would-sides")).map((row) => row.slice(1, 3)), sides.map((side) =>
        [minutes(replay.sides[side].out_s), (replay.sides[side].unit_s / 3600).toFixed(1)]));
    const { beside_real_s: avoided } = replay.avoided;
    assert.ok((await textOf(page, "#would-note")).includes(avoided < 0
        ? `would have made ${minutes(-avoided)} ` : `would have avoided ${minutes(avoided)} `));
    const cells = (await rowsOf(page, "#would-hours")).flatMap(([, ...hours]) => hours);
    for (const { hour, sides: { real, plan: planned } } of replay.hours)
        assert.equal(cells[hour].replace("-0", "0"), minutes(real.out_s - planned.out_s).replace("-0", "0"));
    assert.equal((await rowsOf(page, "#would-missions")).length, replay.missions.length);
    assert.equal((await rowsOf(page, "#would-posts")).length, Math.min(200, replay.posts.length));
    assert.deepEqual(await axe(page), []);
    await page.locator("#would-title").scrollIntoViewIfNeeded();
    await shot(page, "week-2-replay");
    await page.locator("#would-missions-title").scrollIntoViewIfNeeded();
    await shot(page, "week-3-replay");
    const saving = page.waitForEvent("download");
    await page.click("#would-save-hours");
    const text = readFileSync(await (await saving).path(), "utf8");
    assert.equal(text.trim().split("\r\n").length, replay.hours.length + 1);
});

test("kept plans are in the list; hostile names are text", async () => {
    const hostile = `<img src=x onerror=alert(1)>\u202e${"x".repeat(60)}`;
    const { plan_id: id } = plan;
    const evil = structuredClone(plan);
    evil.name = hostile;
    evil.groups[0].choices[0].posts[0] = { ...evil.groups[0].choices[0].posts[0], name: hostile.repeat(100),
        street: hostile, zone: hostile };
    await page.click("#week-forget");
    assert.equal(await page.locator("#week-answer").isVisible(), false);
    await page.route(`**/v1/coverage/plans/${id}`, (route) => route.fulfill({ json: evil }));
    await page.selectOption("#week-kept", String(id));
    await page.waitForSelector("#week-posts tbody tr");
    assert.equal(await page.locator('aside img:not([src^="data:"]), aside script').count(), 0);
    const [[post]] = await rowsOf(page, "#week-posts");
    assert.ok(post.includes("<img src=x onerror=alert(1)>\ufffdx") && post.length < 200, post);
    assert.ok(await page.locator("aside").evaluate((box) => box.scrollWidth <= box.clientWidth));
    await page.selectOption("#language", "es");
    assert.equal((await rowsOf(page, "#week-table"))[5][0], "sáb–dom 22–06");
    await page.selectOption("#language", "en");
    await page.click("#week-forget");
    assert.equal((await fetch(`${URL}/v1/coverage/plans/${id}`, { method: "DELETE" })).status, 200);
    assert.ok((await api("/v1/coverage/plans")).plans.every(({ plan_id: one }) => one !== id));
    assert.deepEqual(page.errors, []);
    assert.deepEqual(page.foreign, []);
});
