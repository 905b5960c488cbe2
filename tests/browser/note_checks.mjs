import { assert } from "./report.mjs";

/** Publishes a note whose title looks like HTML, lends it, and deletes it. */
export async function withNote({ commandApi, token }, lend) {
    const write = async (method, path, body) => {
        const answer = await fetch(new URL(path, commandApi), {
            method,
            headers: { Authorization: `Bearer ${token}`, ...(body && { "Content-Type": "application/json" }) },
            ...(body && { body: JSON.stringify(body) }),
        });
        const text = await answer.text();
        assert(answer.ok, `${method} ${path} was answered with ${answer.status}: ${text}`);
        return text ? JSON.parse(text) : null;
    };
    const word = `zq${Date.now().toString(36)}`;
    const title = `A <b>note</b> & "more" <img src=x onerror=alert(1)> &lt; ${word}`;
    const { id } = await write("POST", "/api/universal/post", { type: "note", title, content: `Only a test: ${word}.` });
    try {
        await write("POST", `/api/universal/post/${id}/publish`);
        await lend({ id, word, title });
    } finally {
        await write("DELETE", `/api/universal/post/${id}`);
    }
}

/** A title is text, whatever it looks like, and its highlight is of the words that were found. */
export async function checkNoteAsWritten(page, { word, title }) {
    const box = page.getByRole("combobox", { name: "Words or" });
    const hit = page.getByRole("article").getByRole("heading", { name: title, exact: true });
    const isFound = async () => {
        await box.fill(word);
        await box.press("Enter");
        await page.locator('.search-body[aria-busy="false"]').waitFor();
        return (await hit.count()) > 0;
    };
    // The search follows the log within about a second.
    const until = Date.now() + 20_000;
    while (!(await isFound())) assert(Date.now() < until, `"${title}" is not found`);
    assert((await hit.locator("mark").allInnerTexts()).join() === word, "something else is highlighted");
    assert((await page.locator(".hit img, .hit b").count()) === 0, "a title became HTML");
}
