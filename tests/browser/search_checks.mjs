import { assert } from "./report.mjs";

const TITLE = "Abraham Lincoln: State of the Union 1861";
const MOST_TABS = 60;
const MOST_ARROWS = 10;

/** From the top of the page to the address, without a mouse. */
export async function checkSearchByKeyboard(page) {
    const box = page.getByRole("combobox", { name: "Words or" });
    const suggestions = page.getByRole("listbox", { name: "Suggestions" });
    const hasFocus = () => box.evaluate((element) => element === document.activeElement);
    let tabs = 0;
    while (!(await hasFocus())) {
        assert(tabs < MOST_TABS, `the search box has no focus after ${MOST_TABS} tabs`);
        await page.keyboard.press("Tab");
        tabs += 1;
    }
    await page.keyboard.type("lincoln 1861");
    await suggestions.getByRole("option", { name: TITLE }).waitFor();
    assert((await box.getAttribute("aria-expanded")) === "true", "the box does not say that its list is open");
    const chosen = page.locator('[role="option"][aria-selected="true"]');
    for (let arrows = 0; (await chosen.allInnerTexts())[0] !== TITLE; arrows += 1) {
        assert(arrows < MOST_ARROWS, "the arrows do not get to the suggestion");
        await page.keyboard.press("ArrowDown");
    }
    const named = await box.getAttribute("aria-activedescendant");
    assert(named === (await chosen.getAttribute("id")), "the box does not name what is chosen");
    await page.keyboard.press("Enter");
    await page.getByRole("article").getByRole("heading", { name: TITLE, exact: true }).first().waitFor();
    assert(!(await suggestions.isVisible()), "the list is still open");
    assert((await page.locator(".hit mark").count()) > 0, "nothing is highlighted");
    return `${tabs} tabs to the box`;
}

/** A filter makes the hits fewer, and is taken back; the page after the first is added to it. */
export async function checkFiltersAndPages(page) {
    const box = page.getByRole("combobox", { name: "Words or" });
    await box.fill("state of the union");
    await box.press("Enter");
    const standing = page.locator("#search .standing");
    const hits = page.locator(".hits > li");
    const totals = async (isWanted) => {
        await page.waitForFunction(
            ({ wanted }) => {
                const text = document.querySelector("#search .standing").textContent;
                return text.includes("state of the union") && (wanted === null || text !== wanted);
            },
            { wanted: isWanted ?? null },
        );
        return standing.innerText();
    };
    const all = await totals();
    await page.getByRole("button", { name: "More results" }).click();
    await hits.nth(19).waitFor();
    const century = page.getByRole("group", { name: "Century", exact: true }).getByRole("button").first();
    await century.click();
    await page.getByRole("group", { name: "Century", exact: true }).getByRole("button", { pressed: true }).waitFor();
    const fewer = await totals(all.replace(/^10/, "20"));
    assert(new URL(page.url()).searchParams.get("century"), "the filter does not stand in the address");
    await page.getByRole("button", { pressed: true }).click();
    await page.getByRole("combobox", { name: "Order" }).selectOption("oldest");
    await hits.first().getByText("George Washington").first().waitFor();
    await box.fill("");
    await box.press("Enter");
    await page.waitForFunction(() => document.querySelectorAll(".hit").length === 0);
    return `"${all}", then "${fewer}"`;
}
