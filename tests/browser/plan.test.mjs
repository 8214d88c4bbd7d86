/* The planners' page as a planner has it before him. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, beforeEach, test } from "node:test";

import { api, axe, shot, sql, until, URL } from "./lib.mjs";
import { askedNow, figures, openPlan, rowsOf, shown, textOf, toNow } from "./plan_page.mjs";

let browser, page;

before(async () => {
    ({ browser, page } = await openPlan());
});
after(() => browser?.close());
beforeEach(() => toNow(page));

test("zones and missions are what the API says", async () => {
    const coverage = await figures(page);
    const rows = new Map((await rowsOf(page, "#zone-table")).map(([name, ...cells]) => [name, cells]));
    assert.equal(rows.size, coverage.zones.length + 1);
    for (const { name, missions, streets } of [
        { name: "Everything", ...coverage.total }, ...coverage.zones]) {
        const cells = rows.get(name);
        assert.deepEqual(cells.slice(1, 5), [String(missions.promised), ...missions.share.map(shown)]);
        assert.deepEqual(cells.slice(6), streets.share.map(shown));
    }
    const out = coverage.missions.filter(({ within }) => within < 1).map(({ name }) => name);
    assert.deepEqual((await rowsOf(page, "#mission-table")).map(([name]) => name).sort(), out.sort());
    await page.waitForTimeout(1500); /* the map's tiles */
    await shot(page, "plan-1-now");
});

test("by keyboard: three units, a zone, a mission", async () => {
    await page.locator('input[name="k"][value="1"]').focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    const { missions } = await figures(page);
    const lacking = missions.filter(({ within }) => within < 3);
    const rows = await rowsOf(page, "#mission-table");
    assert.deepEqual(rows.map(([name]) => name).sort(), lacking.map(({ name }) => name).sort());
    await page.locator("#zone-table button", { hasText: "Miramar" }).focus();
    await page.keyboard.press("Enter");
    assert.deepEqual((await rowsOf(page, "#zone-table")).map(([name]) => name), ["Miramar"]);
    await page.locator("#mission-all").focus();
    await page.keyboard.press("Space");
    await page.locator("#mission-words").focus();
    await page.keyboard.type("CANADÁ");
    assert.deepEqual((await rowsOf(page, "#mission-table")).map(([name]) => name), ["Embassy of Canada"]);
    await page.locator("#mission-table button").focus();
    await page.keyboard.press("Enter");
    await page.waitForTimeout(1500);
    await shot(page, "plan-2-mission");
    await page.fill("#mission-words", "");
    await page.locator("#mission-all").uncheck();
    await page.selectOption("#zone-wish", "");
    await page.locator('input[name="k"][value="1"]').check();
});

test("the past: units are where their tracks had them", async () => {
    const answers = new Map();
    page.on("response", async (got) => {
        const { searchParams, pathname } = new globalThis.URL(got.url());
        if (pathname === "/v1/coverage" && searchParams.has("at"))
            answers.set(searchParams.get("at"), await got.json());
    });
    /* the slider goes by half minutes, and the town has stood for seconds only */
    while (Number(sql(`SELECT count(DISTINCT unit_id) FROM patrol.position
        WHERE fix_time < now() - interval '32 s'`)) < 4)
        await page.waitForTimeout(500);
    await page.locator("#moment-past").focus();
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => !document.querySelector("#map-badge").hidden);
    await page.locator("#past-time").focus();
    await page.keyboard.press("End");
    await page.waitForFunction(() => document.querySelector("#past-note").textContent === "");
    const { ms, fleet } = await page.evaluate(async () => {
        const { fleetAt } = await import("/console/tracks.js");
        const { units } = await import("/console/feed.js");
        const { situation } = await import("/console/situation.js");
        /* what the moment before was asked for may come first */
        const there = () => situation().kind === "past"
            ? [...fleetAt(situation().at.getTime(), [...units.keys()])] : [];
        for (let i = 0; i < 600 && there().length < 4; i++)
            await new Promise((go) => setTimeout(go, 50));
        return { ms: situation().at.getTime(),
            fleet: there().map(([name, { data }]) => [name, data.position]) };
    });
    assert.ok(fleet.length >= 4, String(fleet.length));
    for (const [name, { lat, lon }] of fleet.slice(0, 4)) {
        const from = new Date(ms - 900000).toISOString(), to = new Date(ms + 600000).toISOString();
        const { points } = await api(`/v1/units/${name}/track?from=${from}&to=${to}`);
        const last = points.findLastIndex(({ time }) => Date.parse(time) <= ms);
        const [a, b = a] = points.slice(last, last + 2);
        const inside = (x, y, z) => Math.min(x, z) - 1e-9 <= y && y <= Math.max(x, z) + 1e-9;
        assert.ok(inside(a.lat, lat, b.lat) && inside(a.lon, lon, b.lon), `${name} ${lat} ${lon}`);
    }
    /* the figures are of that moment, as they were answered */
    await until(page, async (at) => {
        const { situation } = await import("/console/situation.js");
        return situation().coverage?.at === at;
    }, new Date(ms).toISOString());
    while (!answers.has(new Date(ms).toISOString())) await page.waitForTimeout(50);
    const rows = new Map((await rowsOf(page, "#zone-table")).map(([name, ...cells]) => [name, cells]));
    for (const { name, missions, streets } of answers.get(new Date(ms).toISOString()).zones)
        assert.deepEqual(rows.get(name).slice(2), [...missions.share.map(shown),
            rows.get(name)[5], ...streets.share.map(shown)], name);
    assert.match(await textOf(page, "#map-badge"), /^PAST: [A-Z][a-z]{2} \d+, \d{4}, \d\d:\d\d$/);
    const clock = await textOf(page, "#past-clock");
    assert.equal(await page.locator("#past-time").getAttribute("aria-valuetext"), clock);
    await page.selectOption("#past-speed", "1");
    await page.locator("#past-play").focus();
    await page.keyboard.press("Enter");
    await page.waitForFunction((was) =>
        document.querySelector("#past-clock").textContent !== was, clock);
    await page.waitForTimeout(500);
    await shot(page, "plan-3-past");
    await page.click("#moment-now");
    assert.equal(await page.locator("#map-badge").isVisible(), false);
});

test("a street's times are told, and are the API's", async () => {
    await page.waitForTimeout(500);
    const told = await page.evaluate(async () => {
        const { featuresAt } = await import("/console/map.js");
        const { TIMES_LAYERS } = await import("/console/style_times.js");
        const { planPoint } = await import("/console/plan.js");
        const box = document.querySelector("#map").getBoundingClientRect();
        for (;;) {
            for (let x = 60; x < box.width - 60; x += 8) {
                const at = { x, y: box.height / 2 };
                const [street] = featuresAt(at, TIMES_LAYERS);
                if (!street || featuresAt(at, ["cover"]).length > 0) continue;
                planPoint({ lat: 0, lon: 0 }, at);
                return street.properties;
            }
            await new Promise((go) => setTimeout(go, 200)); /* tiles are on their way */
        }
    });
    const { features } = await api("/v1/coverage/streets");
    /* units drive on: the same street and promise, a time that some piece has */
    assert.ok(features.some(({ properties: { promise_s: promise } }) =>
        (promise ?? undefined) === told.promise_s));
    assert.match(await textOf(page, "#map-told"), /third unit here: \d+:\d\d.*Promise: 5:00/);
    await shot(page, "plan-3-streets");
});

test("what if: pulled by hand, taken away and closed by keys, undone", async () => {
    await page.locator("#try").focus();
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.querySelector("#map-badge").textContent !== "");
    assert.match(await textOf(page, "#map-badge"), /^WHAT IF/);
    /* the whole city, so that somebody is in view */
    const place = await page.evaluate(async () => {
        const { unitAt } = await import("/console/overlay.js");
        const box = document.querySelector("#map").getBoundingClientRect();
        for (let y = 30; y < box.height - 30; y += 8)
            for (let x = 30; x < box.width - 30; x += 8) {
                const name = unitAt(x, y);
                if (name !== null) return { name, x: x + box.x, y: y + box.y };
            }
        return null;
    });
    assert.notEqual(place, null);
    await page.mouse.move(place.x, place.y);
    await page.mouse.down();
    await page.mouse.move(place.x + 40, place.y + 60, { steps: 4 });
    await page.mouse.up();
    await page.waitForFunction((name) =>
        document.querySelector("#try-list")?.textContent.includes(`${name} moved`), place.name);
    const { units } = await api("/v1/units");
    const other = units.find(({ call_sign: name, status }) =>
        name !== place.name && status === "available").call_sign;
    await page.selectOption("#try-unit", other);
    await page.locator("#try-remove").focus();
    await page.keyboard.press("Enter");
    /* the cross over a mission that is 32 m from its street */
    await page.check("#mission-all");
    await page.fill("#mission-words", "embassy of canada");
    await page.click("#mission-table button");
    await page.fill("#mission-words", "");
    await page.uncheck("#mission-all");
    const answered = page.waitForResponse((got) => got.url().endsWith("/v1/coverage/what-if") &&
        got.request().postDataJSON().closures.length === 1);
    await page.locator("#try-close-here").focus();
    await page.keyboard.press("Enter");
    const answer = await (await answered).json();
    assert.equal((await answered).status(), 200, JSON.stringify(answer));
    const sent = (await answered).request().postDataJSON();
    assert.deepEqual(sent.units.map(({ call_sign: name }) => name).sort(),
        [place.name, other].sort());
    assert.ok(sent.units.some(({ removed }) => removed === true));
    await until(page, async ({ as_of: at, closures: [{ street }] }) => {
        const { situation } = await import("/console/situation.js");
        return situation().coverage?.answered_at === at &&
            document.querySelector("#try-list").textContent.includes(street);
    }, answer);
    /* before and after, as they were answered */
    const rows = new Map((await rowsOf(page, "#compare-zones")).map(([name, ...cells]) => [name, cells]));
    for (const { zone_id: zone, name } of answer.after.zones) {
        const [a, b] = [answer.before, answer.after].map(({ zones }) =>
            zones.find(({ zone_id: id }) => id === zone).streets.share);
        assert.deepEqual(rows.get(name).slice(3, 5), [shown(a[0]), shown(b[0])], name);
    }
    assert.deepEqual(await axe(page), []);
    await shot(page, "plan-4-what-if");
    assert.deepEqual((await api("/v1/closures")).features, []); /* nothing live changed */
    await page.locator("#try-list button").first().focus();
    await page.keyboard.press("Enter");
    await page.waitForFunction((name) =>
        !document.querySelector("#try-list").textContent.includes(name), place.name);
    await page.click("#moment-now");
    assert.equal(await page.locator("#try-fields").isVisible(), false);
    assert.equal(await page.locator("#compared").isVisible(), false);
});

test("hours of the week: of everything, of a mission", async () => {
    await page.evaluate(() => {
        const from = document.querySelector("#history-from");
        from.value = document.querySelector("#history-to").value; /* today */
    });
    /* Asked up to the minute that has begun: at first the town has no hour. */
    const levels = () => page.waitForSelector("#history-hours td.level", { timeout: 5000 })
        .catch(() => null);
    let history, told = null;
    for (let i = 0; i < 20 && told === null; i++) {
        const asked = page.waitForResponse((got) =>
            got.url().includes("/v1/coverage/history") && got.status() === 200, { timeout: 120000 });
        await page.locator("#history-ask").focus();
        await page.keyboard.press("Enter");
        history = await (await asked).json();
        told = await levels();
    }
    assert.ok(told !== null);
    const cells = async () => (await rowsOf(page, "#history-hours")).flatMap(([, ...hours]) => hours);
    for (const { hour, missions_share: [first] } of history.zones[0].hours)
        assert.equal((await cells())[hour], String(Math.floor(first * 100)));
    assert.equal((await cells()).length, 168);
    assert.ok(await page.locator("#history-chart canvas").count() === 1);
    const some = history.missions.find(({ out_s: out }) => out !== null);
    const again = page.waitForResponse((got) => got.url().endsWith(`&mission=${some.mission_id}`) &&
        got.status() === 200);
    await page.locator("#history-missions button").filter({ hasText: some.name }).first().click();
    const { hours } = await (await again).json();
    const [{ hour, watched_s: watched, seconds: [without] }] = hours;
    const wanted = String(Math.floor((1 - without / watched) * 100 + 1e-9));
    await page.waitForFunction(([at, text]) =>
        [...document.querySelectorAll("#history-hours td")][at]?.textContent === text,
    [hour, wanted]);
    await page.locator("#history-week").scrollIntoViewIfNeeded();
    assert.deepEqual(await axe(page), []);
    await shot(page, "plan-5-hours");
});

test("posts with their proof, and tried at once", async () => {
    const asked = page.waitForResponse((got) => got.url().endsWith("/v1/coverage/posts"));
    await page.fill("#posts-count", "3");
    await page.locator("#posts-ask").focus();
    await page.keyboard.press("Enter");
    const { posts, best, covered } = await (await asked).json();
    await page.waitForSelector("#posts-table tbody tr");
    assert.equal((await rowsOf(page, "#posts-table")).length, posts.length);
    assert.match(await textOf(page, "#posts-note"), new RegExp(`^${covered.missions} of ` +
        `${covered.missions_of} missions.*Proved: ${best.proved ? "no other" : "at least"}`));
    await page.locator("#posts-title").scrollIntoViewIfNeeded();
    await shot(page, "plan-5-posts");
    await page.click("#posts-try");
    await page.waitForFunction((n) =>
        document.querySelectorAll("#try-list li").length === n, posts.length);
    const moves = page.waitForResponse((got) => got.url().includes("/v1/coverage/moves"));
    await page.click("#moves-ask");
    const { lacking } = await (await moves).json();
    await page.waitForFunction((n) => (n === 0 ? /No mission lacks/ : /missions? lacks? units/)
        .test(document.querySelector("#posts-note").textContent), lacking);
    assert.deepEqual(await axe(page), []);
    await page.click("#try");
});

test("days begin as the zone's clocks have it, also when they change at midnight", async () => {
    /* zdump -v America/Havana | grep 2026: at 05:00Z on March 8 to UTC-4, at
     * 05:00Z on November 1 to UTC-5 */
    const starts = await page.evaluate(async () => {
        const { dayStart } = await import("/console/zonetime.js");
        return ["2026-03-08", "2026-03-09", "2026-07-01", "2026-11-01", "2026-11-02"]
            .map((day) => new Date(dayStart(day, "America/Havana")).toISOString());
    });
    assert.deepEqual(starts, ["2026-03-08T05:00:00.000Z", "2026-03-09T04:00:00.000Z",
        "2026-07-01T04:00:00.000Z", "2026-11-01T04:00:00.000Z", "2026-11-02T05:00:00.000Z"]);
});

test("the map to take along: what lies on it, its picture, on paper", async () => {
    const { missions } = await figures(page);
    let saving = page.waitForEvent("download");
    await page.click("#save-map");
    const saved = JSON.parse(readFileSync(await (await saving).path(), "utf8"));
    const points = saved.features.filter(({ geometry }) => geometry.type === "Point");
    assert.equal(points.length, missions.filter(({ covered }) => covered !== null).length);
    saving = page.waitForEvent("download");
    await page.click("#save-picture");
    const download = await saving;
    assert.match(download.suggestedFilename(), /^map-\d{4}-\d\d-\d\dT\d{6}Z\.png$/);
    /* the map is in it: a picture of one colour has a few hundred bytes */
    assert.ok(readFileSync(await download.path()).length > 20000);
    await page.emulateMedia({ media: "print" });
    await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
    await page.locator("#map-on-paper").waitFor(); /* a picture has no size until it is read */
    assert.equal(await page.locator("#zone-table").isVisible(), true);
    assert.equal(await page.locator("#print").isVisible(), false);
    /* of what it is */
    const { network_id: network, profile } = await api("/v1/coverage");
    const paper = await textOf(page, "#paper-what");
    for (const told of ["America/Havana", `Street network ${network}, profile ${profile}`, "Zone: Everything",
        "Units within the promise: 1", "Printed "])
        assert.ok(paper.includes(told), paper);
    await page.screenshot({ path: `${process.env.PATROL_SHOTS}/plan-5-paper.png`, fullPage: true });
    await page.evaluate(() => dispatchEvent(new Event("afterprint")));
    await page.emulateMedia({ media: null });
});

/* How light the map's picture on paper is, of 255; the ground is #f2f1ec by day,
 * #10151b by night. The dialogue is the browser's; what is put on paper is ours. */
function lightOnPaper() {
    return new Promise((done) => {
        globalThis.print = async () => {
            dispatchEvent(new Event("beforeprint"));
            const { theme } = document.body.dataset;
            const picture = document.querySelector("#map-on-paper");
            await picture.decode();
            const pen = new OffscreenCanvas(100, 100).getContext("2d");
            pen.drawImage(picture, 0, 0, 100, 100);
            const { data } = pen.getImageData(0, 0, 100, 100);
            dispatchEvent(new Event("afterprint"));
            done({ theme, light: data.reduce((sum, value) => sum + value, 0) / data.length });
        };
        document.querySelector("#print").click();
    });
}

test("by night, paper is as by day", async () => {
    const theme = () => page.evaluate(() => document.body.dataset.theme);
    if (await theme() === "day") await page.locator("#theme").click();
    const paper = await page.evaluate(lightOnPaper);
    assert.equal(paper.theme, "day");
    assert.ok(paper.light > 180, JSON.stringify(paper));
    assert.equal(await theme(), "night");
    await page.locator("#theme").click();
});

test("it says when its figures are not renewed, and goes on", async () => {
    await page.route(`${URL}/v1/coverage`, (route) => route.abort());
    await askedNow(page);
    await page.waitForFunction(() =>
        /cannot be reached.*Figures of/.test(document.querySelector("#figures.warning-text")?.textContent));
    await page.unroute(`${URL}/v1/coverage`);
    await askedNow(page);
    await page.waitForFunction(() => document.querySelector("#figures:not(.warning-text)"));
});

test("three languages, day and night, pass axe (WCAG 2.2 AA)", async () => {
    await page.click("#moment-past");
    for (const [language, words] of [["es", "Misiones sin cobertura"],
        ["fr", "Missions sans couverture"], ["en", "Missions out of cover"]]) {
        await page.selectOption("#language", language);
        assert.equal(await page.locator("#out-title").textContent(), words);
        await shot(page, `plan-6-${language}`);
    }
    assert.deepEqual(await axe(page), []);
    await page.click("#moment-now");
    await page.click("#keep");
    await page.click("#theme");
    await page.waitForTimeout(1500);
    assert.deepEqual(await axe(page), []);
    await shot(page, "plan-7-night");
    await page.click("#theme");
});

test("every word is there in all three languages", async () => {
    const keys = await page.evaluate(async () => {
        const { words } = await import("/console/words.js");
        return Object.values(words).map((language) => Object.keys(language).sort());
    });
    assert.deepEqual(keys[0], keys[1]);
    assert.deepEqual(keys[1], keys[2]);
});

test("to the dispatchers' page and back, nothing foreign, nothing wrong", async () => {
    await page.click('nav a[href="#dispatch"]');
    await page.waitForSelector("#search");
    assert.equal(await page.locator("#zone-table").isVisible(), false);
    await page.goBack();
    await page.waitForSelector("#zone-table");
    assert.deepEqual(page.foreign, []);
    assert.deepEqual(page.errors, []);
});
