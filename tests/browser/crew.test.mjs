/* The crew's page as a crew has it in its hand: a phone, in the dark. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { api, axe, CREW, kill, launch, open, shot, signal, sql, start, URL } from "./lib.mjs";

const PHONE = { viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true };
let browser, page;

const isLive = (wanted = "yes") =>
    page.waitForFunction((live) => document.body.dataset.live === live, wanted);
const delivered = (words, how, limit = 60000) => page.waitForFunction(([what, delivery]) =>
    [...document.querySelectorAll("#acts li")].some((act) =>
        act.querySelector(".what").textContent === what && act.classList.contains(delivery)),
[words, how], { timeout: limit });
const textOf = (selector) => page.locator(selector).innerText();
const events = (kind) => sql("SELECT '=' || coalesce(detail, '') FROM patrol.unit_event JOIN patrol.unit u USING" +
    ` (unit_id) WHERE call_sign = 'P-01' AND unit_event.kind = '${kind}' ORDER BY event_time`)
    .split("\n").filter(Boolean).map((line) => line.slice(1));

/* What the gateway has, soon. */
async function isStatus(status) {
    let unit;
    for (let i = 0; i < 150; i++) {
        unit = await api("/v1/units/P-01");
        if (unit.status === status) return;
        await page.waitForTimeout(200);
    }
    assert.equal(unit.status, status);
}

before(async () => {
    browser = await launch();
    page = await open(browser, PHONE);
    await page.goto(CREW);
    await isLive();
});
after(() => browser?.close());

test("who we are, where, and whether we are heard", async () => {
    await page.waitForFunction(() => /^[0-9] s ago/.test(
        document.querySelector("#receiver dd").textContent));
    assert.equal(await textOf("#unit"), "P-01");
    assert.equal(await textOf("#crew-name"), "Log on…");
    await page.waitForFunction(() => /^connected/.test(
        document.querySelector("#link dd").textContent));
    assert.equal(await page.locator("#statuses [aria-pressed=true]").textContent(), "✔Available");
    await shot(page, "crew-1-phone");
});

test("a status, by one tap, is with the control room", async () => {
    await page.tap("#statuses [data-status=on_scene]");
    await delivered("On scene", "stored");
    await isStatus("on_scene");
    assert.equal(await page.locator("#statuses [aria-pressed=true]").textContent(), "◆On scene");
});

test("logging on and saying the place; hostile text is text", async () => {
    const name = "<img src=x onerror=alert(1)> \u202ePérez";
    await page.tap("#open-crew");
    await page.fill("#crew-text", name);
    await shot(page, "crew-2-log-on");
    assert.deepEqual(await axe(page), []);
    await page.keyboard.press("Enter");
    await delivered(`Logged on: ${name}`, "stored");
    assert.equal(await textOf("#crew-name"), name);
    await page.tap("#open-place");
    await page.fill("#place-text", "23 y L ".repeat(40)); /* cut at 120 bytes */
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => /^23 y L/.test(
        document.querySelector("#place-said dd").textContent));
    await page.tap("#open-place");
    await page.fill("#place-text", "23 y L");
    await page.tap("#place-sheet [type=submit]");
    await delivered("Place: 23 y L", "stored");
    assert.deepEqual(events("logon"), [name]);
    assert.equal(await page.locator("img").count(), 0);
    await shot(page, "crew-3-said");
});

test("everything that is pressed is at least 48 pixels, within the phone", async () => {
    const boxes = await page.$$eval("button, select, input", (all) => all
        .filter((one) => one.checkVisibility())
        .map((one) => [one.id || one.textContent, one.getBoundingClientRect().toJSON()]));
    assert.equal(boxes.length, 9, String(boxes.length));
    for (const [name, box] of boxes) {
        assert.ok(box.width >= 48 && box.height >= 48, `${name}: ${JSON.stringify(box)}`);
        assert.ok(box.left >= 0 && box.right <= 360 && box.bottom <= 640, name);
    }
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
});

test("a stray touch is no panic; a held one is", async () => {
    const panic = await page.locator("#panic").boundingBox();
    const touch = await page.context().newCDPSession(page);
    const finger = (type, points) => touch.send("Input.dispatchTouchEvent",
        { type, touchPoints: points });
    const middle = [{ x: panic.x + panic.width / 2, y: panic.y + panic.height / 2 }];
    await page.tap("#panic");
    await finger("touchStart", middle);
    await page.waitForTimeout(500);
    await finger("touchEnd", []);
    await page.waitForTimeout(1500);
    assert.deepEqual(events("panic"), []);
    assert.equal(await page.locator("#panic-told").isVisible(), false);
    await finger("touchStart", middle);
    await page.waitForTimeout(600);
    await shot(page, "crew-4-panic-held");
    await delivered("PANIC", "stored");
    await finger("touchEnd", []);
    assert.match(await textOf("#panic-told"),
        /^PANIC at .*: stored by the control room; nobody has said yet that he saw it$/);
    assert.equal(events("panic").length, 1);
    assert.ok((await api("/v1/units/P-01")).panic_at);
    await shot(page, "crew-5-panic");
    const { panic_at: at } = await api("/v1/units/P-01");
    await fetch(`${URL}/v1/units/P-01/seen`, {
        method: "PUT", headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ what: "panic", at }),
    });
    await page.waitForFunction(() => /^✔ PANIC at .*: the control room saw it at \d\d:\d\d:\d\d$/
        .test(document.querySelector("#panic-told").textContent));
    assert.match(await textOf("#acts .seen"), /PANIC.*✔ seen \d\d:\d\d:\d\d/s);
    await shot(page, "crew-5-panic-seen");
});

test("panic by keyboard, and by a screen reader's press", async () => {
    await page.focus("#panic");
    await page.keyboard.press("Enter");
    await page.keyboard.press(" ");
    await page.keyboard.down("Enter");
    await page.waitForTimeout(400);
    await page.keyboard.up("Enter");
    await page.waitForTimeout(1200);
    assert.equal(events("panic").length, 1);
    await page.keyboard.down(" ");
    await page.waitForFunction(() => document.querySelectorAll("#acts .what").length >= 2 &&
        [...document.querySelectorAll("#acts .what")]
            .filter((what) => what.textContent === "PANIC").length === 2);
    await page.keyboard.up(" ");
    /* what a screen reader does: a click without finger or key */
    await page.evaluate(() => document.getElementById("panic").click());
    assert.equal(await textOf("#panic-how"), "press again to raise the alarm");
    await page.evaluate(() => document.getElementById("panic").click());
    await page.waitForFunction(() => [...document.querySelectorAll("#acts .what")]
        .filter((what) => what.textContent === "PANIC").length === 3);
    for (let i = 0; i < 100 && events("panic").length < 3; i++) await page.waitForTimeout(200);
    assert.equal(events("panic").length, 3);
});

test("all by keyboard: a status, the crew, the language", async () => {
    await page.focus("#language");
    for (let i = 0; i < 20 && await page.evaluate(() =>
        document.activeElement.dataset.status) !== "busy"; i++)
        await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await delivered("Busy", "stored");
    await page.focus("#open-crew");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.id), "crew-text");
    await page.keyboard.press("Escape");
    assert.equal(await page.evaluate(() => document.activeElement.id), "open-crew");
});

test("three languages, switched at once", async () => {
    for (const [language, status] of [["es", "✔Disponible"], ["fr", "✔Disponible"]]) {
        await page.selectOption("#language", language);
        assert.equal(await page.locator("#statuses button").first().textContent(), status);
        assert.equal(await page.evaluate(() => document.documentElement.lang), language);
        const room = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.equal(room, 360);
        await shot(page, `crew-6-${language}`);
    }
    await page.selectOption("#language", "en");
    const keys = await page.evaluate(async () => {
        const { words } = await import("/words.js");
        return Object.values(words).map((one) => Object.keys(one).join());
    });
    assert.ok(keys.every((one) => one === keys[0]));
});

test("axe (WCAG 2.2 AA), on a phone and on a tablet", async () => {
    assert.deepEqual(await axe(page), []);
    await page.setViewportSize({ width: 1024, height: 700 });
    assert.deepEqual(await axe(page), []);
    await shot(page, "crew-7-tablet");
    await page.setViewportSize(PHONE.viewport);
});

test("without broker and gateway: said, kept, and delivered after", async () => {
    await kill("gateway");
    await kill("broker");
    await page.waitForFunction(() => /^no network/.test(
        document.querySelector("#link dd").textContent));
    await page.tap("#statuses [data-status=en_route]");
    await delivered("En route", "queued");
    await shot(page, "crew-8-no-network");
    start("broker");
    start("gateway");
    await delivered("En route", "stored", 120000);
    await isStatus("en_route");
});

/* Stopped, it takes connections and answers nothing; killed, it refuses them. */
for (const [how, stop, go] of [
    ["stopped", () => signal("agent-1", "SIGSTOP"), () => signal("agent-1", "SIGCONT")],
    ["killed", () => kill("agent-1"), () => start("agent-1")],
])
    test(`the agent ${how}: said, and right again by itself`, async () => {
        const before = Date.now();
        await stop();
        await isLive("no");
        const told = Date.now() - before;
        assert.equal(await textOf("#link dd"), "not known");
        assert.match(await textOf("#silent"), /has not answered for \d+ s\. Use the radio/);
        const status = how === "killed" ? "busy" : "available";
        const words = how === "killed" ? "Busy" : "Available";
        await page.tap(`#statuses [data-status=${status}]`);
        await delivered(words, "waiting");
        await shot(page, `crew-9-${how}`);
        const back = Date.now();
        await go();
        await isLive();
        const took = Date.now() - back;
        console.log(`# agent ${how}: said after ${told} ms, right again ${took} ms after it was`);
        await page.waitForFunction(() => document.querySelectorAll("#acts .waiting").length === 0);
        await isStatus(status);
    });

test("nothing foreign was asked for, and nothing went wrong", () => {
    assert.deepEqual(page.foreign, []);
    assert.deepEqual(page.errors, []);
});
