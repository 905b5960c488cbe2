import { assert } from "./report.mjs";

const NAMES = ["Posts", "Authors", "Views", "Likes", "Comments", "Events a second"];

export async function checkTiles(page) {
    const tiles = await page.locator("#overview .tile").evaluateAll((all) =>
        all.map((tile) => [tile.querySelector("dt").textContent, tile.querySelector("dd").textContent]),
    );
    assert(tiles.map(([name]) => name).join() === NAMES.join(), `the tiles are ${tiles.map(([name]) => name)}`);
    for (const [name, figure] of tiles) assert(/^\d[\d.,\s\u202f’]*$/.test(figure), `${name} is "${figure}"`);
    return tiles.map((tile) => tile.join(" ")).join(", ");
}

export async function checkLiveFigures(page) {
    const figures = () => page.locator(".spark-figure").allInnerTexts();
    await page.waitForFunction(() =>
        [...document.querySelectorAll(".spark-figure")].every(({ textContent }) => /\d/.test(textContent)),
    );
    const before = (await figures()).join();
    await page.waitForFunction(
        (before) => [...document.querySelectorAll(".spark-figure")].map((figure) => figure.innerText).join() !== before,
        before,
    );
    return `${before} became ${(await figures()).join()}`;
}

/** An event of one's own is awaited where there is a note, otherwise any will do. */
export async function checkFeed(page, note) {
    const entry = page.locator(".feed li", note && { hasText: note.title }).first();
    await entry.waitFor();
    return entry.innerText().then((text) => text.replace(/\s+/g, " "));
}

/** Without a token the panel asks for one. With one it shows projections, or says why not. */
export async function checkProjections(page, { token, expectLive }) {
    const field = page.getByLabel("Bearer token of an editor or admin");
    await field.waitFor();
    if (!token) return "a token is asked for";
    await field.fill(token);
    await field.press("Enter");
    const shown = page.locator("#projections h3").first();
    const failed = page.locator("#projections .failed");
    await (expectLive ? shown : shown.or(failed)).waitFor();
    assert((await page.evaluate(() => localStorage.getItem("groot-token"))) === null, "the token is kept longer than the tab");
    const names = await page.locator("#projections h3").allInnerTexts();
    return names.length > 0 ? names.join(", ") : "says why they cannot be shown";
}
