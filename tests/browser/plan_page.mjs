/* The planners' page, as its tests open and read it. */
import assert from "node:assert/strict";

import { api, isLive, launch, open, until, URL } from "./lib.mjs";

export async function openPlan(options = { viewport: { width: 1200, height: 750 } }) {
    const browser = await launch();
    const page = await open(browser, options);
    await page.goto(`${URL}/#plan`);
    await isLive(page);
    return { browser, page };
}

/** What is now, as the gateway tells it. */
export async function toNow(page) {
    await page.unroute(`${URL}/v1/coverage`);
    await page.locator("#moment-now").evaluate((button) => button.click());
}

export const textOf = (page, selector) => page.locator(selector).innerText();
/** Rows as lists of their cells' texts. */
export const rowsOf = (page, table) => page.locator(`${table} tbody tr`).evaluateAll((rows) =>
    rows.map((row) => [...row.cells].map((cell) => cell.textContent)));
export const shown = (share) => share === null ? "–" : `${Math.floor(share * 100)} %`;

/** The gateway's figures, once the page shows them; it goes on to get the same,
 * because units drive on and no two answers are alike. */
export async function figures(page) {
    const coverage = await api("/v1/coverage");
    await page.unroute(`${URL}/v1/coverage`);
    await page.route(`${URL}/v1/coverage`, (route) => route.fulfill({ json: coverage }));
    const time = new Intl.DateTimeFormat("en", {
        timeZone: "America/Havana", timeStyle: "medium", hourCycle: "h23",
    }).format(new Date(coverage.answered_at));
    await askedNow(page);
    /* another answer of the same second is not this one */
    await until(page, async (wanted) => {
        const { situation } = await import("/console/situation.js");
        return situation().coverage?.answered_at === wanted;
    }, coverage.answered_at);
    assert.ok((await textOf(page, "#figures")).includes(time));
    return coverage;
}

/** Who comes back to the page is not made to wait for the next time, nor is the
 * test. */
export function askedNow(page) {
    return page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
}
