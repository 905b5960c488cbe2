import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { checkFeed, checkLiveFigures, checkProjections, checkTiles } from "./live_checks.mjs";
import { checkNoteAsWritten, withNote } from "./note_checks.mjs";
import { options } from "./options.mjs";
import {
    checkAxe,
    checkLandmarks,
    checkNothingMissing,
    checkPolicy,
    checkSettled,
    checkThemes,
    checkWidth,
} from "./page_checks.mjs";
import { assert, Report } from "./report.mjs";
import { checkFiltersAndPages, checkSearchByKeyboard } from "./search_checks.mjs";
import { checkNothingJumped } from "./shift_checks.mjs";
import { openDashboard } from "./watched_page.mjs";

const WINDOWS = [
    { width: 360, height: 740 },
    { width: 768, height: 1024 },
    { width: 1280, height: 900 },
];
const LONGEST_WAIT_MS = 20_000;

const asked = options();
const canWrite = Boolean(asked.commandApi && asked.token);
await mkdir(asked.out, { recursive: true });
const report = new Report();
const browser = await chromium.launch({ executablePath: asked.chromium, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
try {
    for (const window of WINDOWS) {
        for (const colorScheme of ["light", "dark"]) await inWindow({ ...window, colorScheme });
    }
} catch (error) {
    await report.check("the page can be opened and looked at", () => Promise.reject(error));
} finally {
    await browser.close();
}
process.exit(report.end() ? 0 : 1);

async function inWindow(window) {
    const name = `${window.width}-${window.colorScheme}`;
    const check = (what, run) => report.check(`${name}: ${what}`, run);
    const { page, complaints, answer, close } = await openDashboard(browser, asked, window);
    page.setDefaultTimeout(LONGEST_WAIT_MS);
    // The cursor is left alone: hiding it would put a style into the page that its policy forbids.
    const picture = (what) => page.screenshot({ path: join(asked.out, `${name}-${what}.png`), fullPage: true, caret: "initial" });

    await check("the policy of the page allows nothing inline", () => checkPolicy(answer));
    await check("landmarks, headings and panels are there", () => checkLandmarks(page));
    await check("every panel shows something or says why not", () => checkSettled(page));
    if (asked.expectLive) {
        await check("no panel stays in trouble or out of date", () => checkNothingMissing(page));
        await check("the tiles are figures", () => checkTiles(page));
        await check("the live figures change", () => checkLiveFigures(page));
        // Where nothing happens by itself the note below is what is waited for.
        if (!canWrite) await check("an event arrives in the feed", () => checkFeed(page));
        await check("nothing jumps when the figures come", () => checkNothingJumped(page));
    }
    await check("the page is as wide as its window", () => checkWidth(page));
    await check("axe finds nothing serious in the page as it opens", () => checkAxe(page));
    await picture("opened");
    await check("an address is found by keyboard alone", () => checkSearchByKeyboard(page));
    await check("projections are shown to whoever may see them", () => checkProjections(page, asked));
    await check("the page is as wide as its window with everything open", () => checkWidth(page));
    await check("axe finds nothing serious with everything open", () => checkAxe(page));
    await picture("searched");
    await check("filters, order and further pages of a search work", () => checkFiltersAndPages(page));
    if (canWrite) await check("a note is published, found as it was written, and deleted", () => note(page));
    await check("light and dark can be chosen", () => checkThemes(page));
    await check("nothing was complained of in the console, nor against the policy", () =>
        assert(complaints.length === 0, [...new Set(complaints)].join("\n")),
    );
    await close();
}

async function note(page) {
    await withNote(asked, async (note) => {
        await checkNoteAsWritten(page, note);
        if (asked.expectLive) await checkFeed(page, note);
    });
}
