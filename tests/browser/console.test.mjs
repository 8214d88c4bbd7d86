/* The dispatchers' page as a dispatcher has it before him. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import {
    api, axe, isLive, kill, launch, open, shot, signal, sql, start, until, URL,
} from "./lib.mjs";

let browser, page;

before(async () => {
    browser = await launch();
    page = await open(browser);
    await page.goto(URL);
    await isLive(page);
});
after(() => browser?.close());

const textOf = (selector) => page.locator(selector).innerText();
const names = () => page.locator(".candidate .name").allInnerTexts();

async function answered(title) {
    await page.waitForFunction((wanted) =>
        document.querySelector("#answer h3")?.textContent.includes(wanted) &&
        document.querySelector(".answer-age")?.textContent, title);
}

/* Middle of the map's ground colour: is anything drawn there at all? */
async function differentColours(selector) {
    const box = await page.locator(selector).boundingBox();
    const png = await page.screenshot({ clip: box });
    return page.evaluate(async (bytes) => {
        const image = await createImageBitmap(new Blob([new Uint8Array(bytes)]));
        const canvas = new OffscreenCanvas(image.width, image.height);
        const pen = canvas.getContext("2d");
        pen.drawImage(image, 0, 0);
        const { data } = pen.getImageData(0, 0, image.width, image.height);
        const seen = new Set();
        for (let i = 0; i < data.length; i += 4)
            seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
        return seen.size;
    }, [...png]);
}

test("every unit is there, with what the API says of it", async () => {
    const { units } = await api("/v1/units");
    assert.equal(units.length, 24);
    await page.waitForFunction((n) =>
        document.querySelectorAll("#unit-list .unit").length === n, units.length);
    const listed = await page.locator("#unit-list .name").allInnerTexts();
    assert.deepEqual(listed, units.map((unit) => unit.call_sign).sort());
    assert.match(await textOf("#unit-list li:first-child .state"), /available · \d+ s/);
});

/* In all of the screen's pixels. */
function isSharp() {
    const canvas = document.querySelector("#map canvas");
    return canvas.width === Math.floor(canvas.clientWidth * devicePixelRatio);
}

test("units are shown where the city is not told at first, and streets never come", async () => {
    const other = await open(browser);
    let refused = 0;
    await other.route("**/v1/missions", (route) => refused++ === 0 ? route.abort() : route.continue());
    await other.route("**/v1/tiles/**", () => {}); /* no answer */
    await other.goto(URL);
    await isLive(other);
    await until(other, () => {
        const canvas = document.querySelector("#units-on-map");
        if (canvas.width === 0) return false;
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return data.some((value) => value > 0);
    });
    assert.ok(refused > 1);
    await until(other, isSharp);
    await other.context().close();
});

test("the map is drawn", async () => {
    await page.waitForFunction(() => document.querySelector("#map canvas")?.width > 0);
    /* streets, their edges and names: a map without tiles has a few colours */
    for (let i = 0; i < 60 && await differentColours("#map") < 100; i++)
        await page.waitForTimeout(500);
    assert.ok(await differentColours("#map") >= 100);
    await until(page, isSharp);
    await shot(page, "1-first-map");
});

test("a mission's name with an error in it: the API's own answer", async () => {
    await page.keyboard.press("/");
    await page.keyboard.type("EMBAJDA canda".slice(8)); /* one letter missing */
    await page.waitForSelector("#matches li");
    assert.match(await textOf("#matches li:first-child"), /Canada/);
    await page.keyboard.press("Enter");
    await answered("Canada");
    const { units } = await api("/v1/nearest?mission=canada&k=5");
    const shown = await names();
    /* they drive on meanwhile: the first of the one is among the other */
    assert.ok(shown.length === 5 && shown.includes(units[0].call_sign), shown.join());
    assert.match(await textOf("li:first-child > .candidate"), /\d:\d\d\s+\d+ s/);
    await page.waitForSelector(".route-line");
    await shot(page, "2-nearest");
});

test("accents and capitals do not matter", async () => {
    await page.fill("#search", "ESPANA");
    const without = await page.locator("#matches").innerText();
    await page.fill("#search", "españa");
    assert.equal(await page.locator("#matches").innerText(), without);
});

test("a street corner, in three languages and with an error in it", async () => {
    for (const typed of ["23 y L", "Cale 23 and L", "calle l et 23"]) {
        await page.fill("#search", typed);
        await page.waitForFunction(() => /Calle 23/.test(
            document.querySelector("#matches li")?.textContent));
        await page.keyboard.press("Enter");
        await page.waitForFunction(() => {
            const title = document.querySelector("#answer h3")?.textContent ?? "";
            return title.includes("Calle 23") && title.includes("Calle L") &&
                document.querySelector(".answer-age")?.textContent;
        });
        assert.equal((await names()).length, 5);
    }
    await shot(page, "2-corner");
});

test("coordinates, and why others are left out", async () => {
    await page.fill("#search", "23.1330, -82.3830");
    await page.keyboard.press("Enter");
    await answered("23.13300, -82.38300");
    /* one that never was heard is left out, and it is said why */
    sql("INSERT INTO patrol.unit (call_sign) VALUES ('X-NEW')");
    await page.waitForFunction(() => [...document.querySelectorAll("#answer .left-out li")]
        .some((item) => item.textContent === "X-NEW no position"));
    await page.locator("#answer summary").click();
    assert.equal(await page.locator(".left-out .name", { hasText: "X-NEW" }).isVisible(), true);
    await shot(page, "2-left-out");
    sql("DELETE FROM patrol.unit WHERE call_sign = 'X-NEW'");
    await page.fill("#search", "10.0, 10.0");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() =>
        document.querySelector("#answer")?.textContent.includes("no road near"));
});

test("all of it by keyboard: the map, a candidate, its way", async () => {
    const chosen = await page.locator("#unit-list .unit").first();
    await chosen.focus();
    await page.keyboard.press("Enter"); /* the map goes to where it is */
    await page.waitForTimeout(600);
    await page.locator("#map canvas").first().focus();
    assert.equal(await page.locator("#crosshair").isVisible(), true);
    await page.keyboard.press("Enter");
    await page.waitForFunction(() =>
        /^Point/.test(document.querySelector("#answer h3")?.textContent ?? ""));
    const centre = await page.locator("#answer h3").innerText();
    await page.keyboard.press("ArrowRight");
    while (await page.locator("#answer h3").innerText() === centre) {
        await page.waitForTimeout(300); /* while the map moves */
        await page.keyboard.press("Enter");
    }
    await page.waitForSelector(".candidate");
    await page.locator(".candidate").nth(1).focus();
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.querySelectorAll(".candidate")[1]
        .getAttribute("aria-pressed") === "true");
});

test("three languages, switched at once; the city's own time", async () => {
    for (const [language, title, status] of [
        ["es", "Patrullas", /disponible/], ["fr", "Patrouilles", /disponible/],
        ["en", "Patrols", /available/]]) {
        await page.selectOption("#language", language);
        assert.equal(await textOf("h1"), title);
        assert.equal(await page.evaluate(() => document.documentElement.lang), language);
        assert.match(await page.locator("#unit-list").innerText(), status);
        await shot(page, `3-${language}`);
    }
    const havana = new Intl.DateTimeFormat("en", {
        timeZone: "America/Havana", hour: "2-digit", hourCycle: "h23",
    }).format(new Date());
    assert.match(await textOf("#clock"), new RegExp(`^${havana}:\\d\\d:\\d\\d America/Havana`));
});

test("day and night pass axe (WCAG 2.2 AA)", async () => {
    assert.deepEqual(await axe(page), []);
    await page.click("#theme");
    await page.waitForTimeout(1500);
    assert.deepEqual(await axe(page), []);
    await shot(page, "4-night");
    await page.click("#theme");
});

test("hostile names are text", async () => {
    const call_sign = "<img src=x onerror=alert(1)>\u202eGNP.exe";
    const mission = `<script>alert(2)</script>\u202e ${"É".repeat(150)}`;
    page.on("dialog", () => page.errors.push("a dialog"));
    sql(`INSERT INTO patrol.unit (call_sign) VALUES ('${call_sign}')`);
    sql(`INSERT INTO patrol.mission (name, kind, geom) VALUES ('${mission}',
         'embassy', ST_SetSRID(ST_MakePoint(-82.4, 23.12), 4326))`);
    await page.waitForFunction(() => document.querySelectorAll("#unit-list .unit").length === 25);
    const listed = await page.locator("#unit-list .name").allInnerTexts();
    assert.ok(listed.includes("<img src=x onerror=alert(1)>\ufffdGNP.exe"), listed.join("\n"));
    /* the page hears of it a little later than the API has it */
    for (let i = 0; i < 60 && await page.locator("#matches li").count() === 0; i++) {
        await page.fill("#search", "");
        await page.fill("#search", "script alert");
        await page.waitForTimeout(500);
    }
    await page.waitForSelector("#matches li");
    const closed = await (await fetch(`${URL}/v1/closures`, {
        method: "POST", headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ street: "Calle 23 between L and M", who: call_sign,
            reason: `<img src=x onerror=alert(3)>\u202e\u2066 ${"W".repeat(200)}` }),
    })).json();
    await page.waitForSelector("#closures li");
    assert.match(await textOf("#closures li"), /closed · without an end · noted by <img src=x onerror=alert\(1\)>\ufffdGNP\.exe/);
    assert.match(await textOf("#closures li"), /<img src=x onerror=alert\(3\)>\ufffd\ufffd W{200}/);
    assert.ok(await page.locator("aside").evaluate((box) => box.scrollWidth <= box.clientWidth));
    await fetch(`${URL}/v1/closures/${closed.id}`, { method: "DELETE" });
    await page.waitForSelector("#closures-box", { state: "hidden" });
    assert.match(await textOf("#matches li:first-child"), /^<script>alert\(2\)<\/script>\ufffd É+…/);
    await shot(page, "5-hostile");
    await page.keyboard.press("Enter");
    await answered("<script>");
    assert.equal(await page.locator('main img:not([src^="data:"]), main script').count(), 0);
    sql("DELETE FROM patrol.unit WHERE call_sign LIKE '<%'");
    sql("DELETE FROM patrol.mission WHERE name LIKE '<%'");
    /* asked again, the answer is no answer any more */
    await page.waitForFunction(() =>
        document.querySelector("#answer").textContent.includes("no such mission") &&
        document.querySelectorAll(".candidate").length === 0);
    await page.waitForFunction(() => document.querySelectorAll("#unit-list .unit").length === 24);
});

test("a name of 10,000 characters does not break the page", async () => {
    const other = await open(browser);
    await other.route("**/v1/missions", (route) => route.fulfill({ json: { missions: [{
        mission_id: 1, ref: null, name: `<b>${"wide ".repeat(2000)}`, kind: "embassy",
        lat: 23.12, lon: -82.4, zone: null }] } }));
    await other.goto(URL);
    await isLive(other);
    await other.fill("#search", "wide");
    await other.waitForSelector("#matches li");
    const box = await other.locator("#matches li").first().boundingBox();
    assert.ok(box.width <= 400 && box.height < 400);
    assert.equal(await other.evaluate(() =>
        document.documentElement.scrollWidth > innerWidth), false);
    assert.deepEqual(other.errors, []);
    await other.context().close();
});

test("broker gone: said, heard, acknowledged, over", async () => {
    const quiet = await page.evaluate(() => globalThis.tones);
    await kill("broker");
    await page.waitForFunction(() =>
        document.querySelector("#stale")?.textContent.includes("No connection to the vehicles"));
    await page.waitForSelector('[data-alarm="broker"]');
    await page.waitForFunction((was) => globalThis.tones > was, quiet);
    await shot(page, "6-broker-lost");
    assert.deepEqual(await axe(page), []);
    start("broker");
    await page.waitForFunction(() => document.querySelector("#stale").hidden);
    /* it is over, but nobody has said that he saw it */
    assert.match(await textOf('[data-alarm="broker"]'), /over since/);
    await page.locator('[data-alarm="broker"] button').click();
    await page.waitForSelector('[data-alarm="broker"]', { state: "detached" });
});

/* Within how many seconds the page says so is in the output; that it does is
 * what is tested. */
async function lostAndBack(name, lose, regain) {
    const from = Date.now();
    await lose();
    await page.waitForFunction(() => document.body.dataset.live === "lost" &&
        !document.querySelector("#stale").hidden);
    const said_ms = Date.now() - from;
    await shot(page, `7-${name}`);
    const again = Date.now();
    await regain();
    await isLive(page);
    await page.waitForFunction(() => document.querySelector("#stale").hidden);
    console.log(`# ${name}: said after ${said_ms} ms, right again ` +
        `${Date.now() - again} ms after it was`);
}

test("gateway killed and started again", () =>
    lostAndBack("gateway-killed", () => kill("gateway"), async () => start("gateway")));

test("a panic is heard, shown above all else, and acknowledged once", async () => {
    const raised = '[data-alarm^="panic P-05"]';
    sql(`INSERT INTO patrol.unit_event SELECT unit_id, 1, 1, now(), 'panic', 'available'
         FROM patrol.unit WHERE call_sign = 'P-05'`);
    await kill("gateway"); /* it reads the day's panics when it starts */
    start("gateway");
    await page.waitForSelector(raised);
    assert.match(await textOf("#alarms li:first-child"), /PANIC: P-05/);
    const before = await page.evaluate(() => globalThis.tones);
    await page.waitForFunction((was) => globalThis.tones > was, before);
    assert.deepEqual(await axe(page), []);
    await shot(page, "7-panic");
    const other = await open(browser);
    await other.goto(URL);
    await other.waitForSelector(raised);
    await page.locator(`${raised} button`).focus();
    await page.keyboard.press("Enter");
    await page.waitForSelector(raised, { state: "detached" });
    /* the crew is told, and whoever sits elsewhere need not answer again */
    await until(page, async () =>
        (await (await fetch("/v1/units/P-05")).json()).panic_seen_at !== null);
    await other.waitForSelector(raised, { state: "detached" });
    await other.context().close();
    assert.equal(sql("SELECT count(*) FROM patrol.seen"), "1");
    await page.waitForFunction(() => document.querySelector("#untold").hidden &&
        /panic at .*, seen at/.test(document.querySelector("#unit-list").textContent));
    await page.reload();
    await isLive(page);
    await page.waitForFunction(() =>
        document.querySelectorAll("#unit-list .unit").length === 24);
    assert.equal(await page.locator(raised).count(), 0);
});

test("heard by radio: noted by keyboard, shown with its age, taken back", async () => {
    sql("INSERT INTO patrol.unit (call_sign) VALUES ('ZULU7')");
    await page.fill("#filter", "ZULU7");
    await page.waitForFunction(() => document.querySelectorAll("#unit-list .unit").length === 1 &&
        document.querySelector("#unit-list .name").textContent === "ZULU7");
    await page.locator("#unit-list .unit").focus();
    await page.keyboard.press("Enter");
    await page.keyboard.press("r");
    await page.waitForSelector("#radio-sheet[open]");
    assert.equal(await page.evaluate(() => document.activeElement.id), "radio-place");
    await page.keyboard.type("23 y L");
    await page.waitForFunction(() => /Calle 23/.test(
        document.querySelector("#radio-places button")?.textContent));
    await shot(page, "9-radio-sheet");
    assert.deepEqual(await axe(page), []);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter"); /* the corner that is offered */
    assert.equal(await page.evaluate(() => document.activeElement.id), "radio-place");
    await page.keyboard.press("Tab");
    await page.keyboard.type("bus");
    await page.keyboard.press("Tab");
    await page.keyboard.type("3");
    await page.keyboard.press("Tab");
    await page.keyboard.type("<b>flat</b> tyre");
    await page.keyboard.press("Tab");
    await page.keyboard.type("Ana");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#radio-sheet[open]", { state: "hidden" });
    assert.equal(await page.evaluate(() =>
        document.activeElement.querySelector(".name").textContent), "ZULU7");
    await page.waitForFunction(() => /by radio 3\d? min ago: busy, .*Calle 23/.test(
        document.querySelector("#unit-list .by-radio").textContent));
    assert.match(await textOf("#unit-list .details"), /<b>flat<\/b> tyre · noted by Ana/);
    const { radio, position } = await api("/v1/units/ZULU7");
    assert.equal(position, null);
    assert.ok(Math.abs(radio.lat - 23.13) < 0.05 && radio.who === "Ana");
    await page.keyboard.press("Enter"); /* the map goes to the place it said */
    await page.waitForTimeout(1000);
    await shot(page, "9-radio");
    for (const [language, words] of [["es", /por radio hace .*: ocupada/],
        ["fr", /par radio il y a .*: occupée/], ["en", /by radio/]]) {
        await page.selectOption("#language", language);
        assert.match(await textOf("#unit-list .by-radio"), words);
        await shot(page, `9-radio-${language}`);
    }
    assert.deepEqual(await axe(page), []);
    /* whoever notes it may write what they like */
    const hostile = "<img src=x onerror=alert(4)>\u202e";
    const noted = await fetch(`${URL}/v1/units/ZULU7/heard`, {
        method: "PUT", headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ place: `${hostile}place`, who: "Ana",
            note: `${hostile}${"W".repeat(170)}` }),
    });
    assert.equal(noted.status, 200, await noted.text());
    await page.waitForFunction(() => /<img src=x onerror=alert\(4\)>\ufffdplace/.test(
        document.querySelector("#unit-list .by-radio").textContent));
    assert.match(await textOf("#unit-list .details"), /<img src=x onerror=alert\(4\)>\ufffdW{170}/);
    assert.ok(await page.locator("aside").evaluate((box) => box.scrollWidth <= box.clientWidth));
    assert.equal(await page.locator('main img:not([src^="data:"])').count(), 0);
    await shot(page, "9-radio-hostile");
    /* taken back: what was heard before counts again */
    await fetch(`${URL}/v1/units/ZULU7/heard?who=Ana`, { method: "DELETE" });
    await page.waitForFunction(() =>
        /Calle 23/.test(document.querySelector("#unit-list .by-radio").textContent));
    await page.locator("#unit-list .unit").focus();
    await page.keyboard.press("r");
    await page.locator("#radio-withdraw").focus();
    await page.keyboard.press("Enter");
    await page.waitForFunction(() =>
        document.querySelector("#unit-list .by-radio").textContent === "");
    assert.equal(sql("SELECT DISTINCT who, withdrawn_by FROM patrol.heard"), "Ana|Ana");
    sql("DELETE FROM patrol.unit WHERE call_sign = 'ZULU7'");
    await page.fill("#filter", "");
    await page.waitForFunction(() => document.querySelectorAll("#unit-list .unit").length === 24);
});

test("silent, silent but heard by radio, and live look different", async () => {
    const looks = await page.evaluate(async () => {
        const { lookOf, symbolPicture } = await import("/console/symbols.js");
        return [{}, { silent: true }, { silent: true, radio: {} }, { radio: {} }].map((data) =>
            symbolPicture(lookOf({ status: "available", ...data }), "day").src);
    });
    assert.equal(new Set(looks).size, looks.length);
});

/* it takes the minute and a half that a parked unit may be quiet */
const full = process.env.PATROL_FULL === "1" ? false : "only with --full";
test("silent units look it, alarm, and are heard again", { skip: full }, async () => {
    /* the map must not show as fresh what the fleet does not renew */
    signal("fleet", "SIGSTOP");
    for (const agent of ["agent-1", "agent-2", "agent-3", "agent-4"]) signal(agent, "SIGSTOP");
    try {
        await page.waitForSelector(".alarm.silent", { timeout: 150000 });
        await page.waitForSelector(".unit.silent");
        assert.match(await textOf("#unit-list"), /SILENT/);
        await shot(page, "8-silent");
        assert.deepEqual(await axe(page), []);
    } finally {
        signal("fleet", "SIGCONT");
        for (const agent of ["agent-1", "agent-2", "agent-3", "agent-4"]) signal(agent, "SIGCONT");
    }
    await page.waitForFunction(() => document.querySelectorAll(".unit.silent").length === 0,
        null, { timeout: 120000 });
    await page.waitForFunction(() => [...document.querySelectorAll(".alarm.silent")]
        .every((alarm) => alarm.textContent.includes("over since")));
});

/* The colours of the layer are in the legend, by day as by night. */
test("streets by arrival: switched on by keyboard, with what they mean", async () => {
    const drawn = () => page.evaluate(() => {
        const samples = [...document.querySelectorAll(".times-line")];
        return samples.map((one) => getComputedStyle(one).borderTopColor);
    });
    await page.locator("#times").focus();
    await page.keyboard.press("ArrowDown");
    await page.waitForSelector("#times-legend li");
    assert.equal(await page.locator("#times-legend li").count(), 8);
    assert.equal(new Set(await drawn()).size, 8);
    const tile = await page.waitForResponse((answer) =>
        answer.url().includes("/v1/tiles/coverage/") && answer.status() === 200);
    assert.ok((await tile.body()).length > 100);
    /* of seven shades of a street one at least is on the map itself */
    const shades = (await drawn()).slice(0, 6).map((text) => text.match(/\d+/g).map(Number));
    let found = false;
    for (let i = 0; i < 40 && !found; i++) {
        await page.waitForTimeout(250);
        const png = await page.screenshot({ clip: await page.locator("#map").boundingBox() });
        found = await page.evaluate(async ([bytes, wanted]) => {
            const image = await createImageBitmap(new Blob([new Uint8Array(bytes)]));
            const canvas = new OffscreenCanvas(image.width, image.height);
            const pen = canvas.getContext("2d");
            pen.drawImage(image, 0, 0);
            const { data } = pen.getImageData(0, 0, image.width, image.height);
            const seen = new Set();
            for (let at = 0; at < data.length; at += 4)
                seen.add(`${data[at]} ${data[at + 1]} ${data[at + 2]}`);
            return wanted.some((shade) => seen.has(shade.join(" ")));
        }, [[...png], shades]);
    }
    assert.ok(found);
    await shot(page, "8-streets-by-arrival");
    await page.locator("#times").selectOption("3");
    await page.locator("#theme").click();
    await axe(page);
    await shot(page, "8-streets-by-arrival-night");
    await page.locator("#theme").click();
    await page.locator("#times").selectOption("0");
    assert.equal(await page.locator("#times-legend").isVisible(), false);
});

test("a closed street is drawn", async () => {
    const before = await (await fetch(`${URL}/v1/closures`)).json();
    assert.equal(before.features.length, 0);
    const asked = page.waitForResponse((answer) =>
        answer.url().endsWith("/v1/closures") && answer.status() === 200);
    const made = await fetch(`${URL}/v1/closures`, {
        method: "POST", headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ street: "Línea", who: "test" }),
    });
    assert.ok([201, 202].includes(made.status), await made.text());
    assert.equal((await (await asked).json()).features.length, 1);
    await page.waitForTimeout(500);
    await shot(page, "8-closure");
});

test("gateway stopped dead, its connections open", () =>
    lostAndBack("gateway-hangs", async () => signal("gateway", "SIGSTOP"),
        async () => signal("gateway", "SIGCONT")));

test("the browser's network cut", () =>
    lostAndBack("network-cut", () => page.context().setOffline(true),
        () => page.context().setOffline(false)));

test("nothing foreign was asked for, and nothing went wrong", () => {
    assert.deepEqual(page.foreign, []);
    assert.deepEqual(page.errors, []);
});
