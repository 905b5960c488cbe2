import axe from "axe-core";
import { notePlaces } from "./shift_checks.mjs";

/** What may be missing while nobody expects it to be live. */
const MAY_FAIL = /\/(api\/analytics\/|api\/projections|ws\/metrics)/;

/** The dashboard in a window of its own, with everything written down that it complains of. */
export async function openDashboard(browser, { base, expectLive }, { width, height, colorScheme }) {
    // Half of all visitors have it so, and a picture is not taken in the middle of a movement.
    const context = await browser.newContext({ viewport: { width, height }, colorScheme, reducedMotion: "reduce" });
    const page = await context.newPage();
    const complaints = [];
    page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
    page.on("console", (message) => {
        if (message.type() !== "error") return;
        const where = `${message.location().url} ${message.text()}`;
        const mayFail = MAY_FAIL.test(where);
        const isExpected = !expectLive && mayFail && /Failed to load resource|WebSocket connection/.test(where);
        // The page shows it, and asks again: whether it got an answer then is a check of its own.
        const isBusy = mayFail && /Failed to load resource.* 503/.test(where);
        if (!isExpected && !isBusy) complaints.push(`console: ${where}`);
    });
    await page.exposeFunction("grootTestViolation", (text) => complaints.push(`policy: ${text}`));
    await page.addInitScript(() => {
        document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sourceFile }) =>
            window.grootTestViolation(`${violatedDirective} ${blockedURI} in ${sourceFile}`),
        );
    });
    await page.addInitScript(notePlaces);
    // Scripts of this kind are not the page's, and its policy leaves them alone.
    await page.addInitScript({ content: axe.source });
    const answer = await page.goto(`${base}/dashboard`);
    return { page, complaints, answer, close: () => context.close() };
}
