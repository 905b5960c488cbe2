import { assert } from "./report.mjs";

const PANELS = [
    "Overview",
    "Events over time",
    "Top posts",
    "Top authors",
    "Countries",
    "Search",
    "Live figures",
    "Latest events",
    "Projections",
];

/** Several times as long as a panel waits before it asks again. */
const LONGEST_TROUBLE_MS = 60_000;

export function checkPolicy(answer) {
    assert(answer.status() === 200, `the page was answered with ${answer.status()}`);
    const policy = answer.headers()["content-security-policy"] ?? "";
    assert(policy.includes("default-src 'self'") && !policy.includes("unsafe"), `the policy is "${policy}"`);
}

export async function checkLandmarks(page) {
    for (const role of ["banner", "navigation", "main", "contentinfo"]) {
        assert((await page.getByRole(role).count()) === 1, `there is not exactly one ${role}`);
    }
    assert((await page.getByRole("heading", { level: 1 }).count()) === 1, "there is not exactly one first heading");
    for (const name of PANELS) {
        await page.getByRole("region", { name, exact: true }).waitFor();
        await page.getByRole("heading", { level: 2, name, exact: true }).waitFor();
    }
    return `${PANELS.length} panels`;
}

/** Each panel shows something or says what is wrong; none stays at "Loading". */
export async function checkSettled(page) {
    await page.waitForFunction(() => {
        const bodies = [...document.querySelectorAll(".panel-body")];
        return bodies.length > 0 && bodies.every((body) => body.getAttribute("aria-busy") === "false" && body.textContent.trim());
    });
    const failed = await page.locator(".failed").allInnerTexts();
    for (const text of failed) {
        assert(/This cannot be shown\. \S/.test(text.replace(/\s+/g, " ")), `an error without a reason: ${text}`);
    }
    return failed.length === 0 ? "all filled or empty" : `${failed.length} say why they cannot be shown`;
}

/** Waits for the page, which asks again by itself where a store was too busy to answer in time. */
export async function checkNothingMissing(page) {
    const isWell = () => document.querySelector(".failed, .standing.stale") === null;
    await page.waitForFunction(isWell, null, { timeout: LONGEST_TROUBLE_MS }).catch(() => {});
    const failed = await page.locator(".failed").allInnerTexts();
    assert(failed.length === 0, failed.join("; "));
    const stale = await page.locator(".standing.stale").allInnerTexts();
    assert(stale.length === 0, stale.join("; "));
}

export async function checkWidth(page) {
    const { wide, room } = await page.evaluate(() => ({
        wide: document.documentElement.scrollWidth,
        room: document.documentElement.clientWidth,
    }));
    assert(wide <= room, `the page is ${wide} px wide in a window of ${room} px`);
}

export async function checkAxe(page) {
    const { violations, passes } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations", "passes"] }));
    const bad = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
    const told = bad.map(({ id, help, nodes }) => {
        const [{ target, failureSummary }] = nodes;
        return `${id} at ${nodes.length} places: ${help}; first ${target}: ${failureSummary.replace(/\s+/g, " ")}`;
    });
    assert(bad.length === 0, told.join("\n"));
    const lesser = violations.map(({ id, impact }) => `${impact} ${id}`);
    return [`${passes.length} rules hold`, ...lesser].join("; ");
}

export async function checkThemes(page) {
    const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const before = await background();
    const seen = [];
    for (const name of ["Light", "Dark"]) {
        await page.getByRole("radio", { name, exact: true }).check({ force: true });
        seen.push(await background());
    }
    assert(seen[0] !== seen[1], `light and dark are both ${seen[0]}`);
    await page.getByRole("radio", { name: "Auto", exact: true }).check({ force: true });
    assert((await background()) === before, "the choice of the system did not come back");
}
