import { assert } from "./report.mjs";

/** Rounding, and nothing that an eye could see. */
const MOST_PX = 2;

/** Notes where each panel stands when it is first drawn, before there is any figure; to be added before the page is loaded. */
export function notePlaces() {
    const note = () => {
        const panels = [...document.querySelectorAll(".panel")];
        if (panels.length === 0) return requestAnimationFrame(note);
        window.grootTestPlaces = panels.map(({ id, offsetTop, offsetHeight }) => ({ id, offsetTop, offsetHeight }));
    };
    note();
}

/** The figures have come into the places kept for them. */
export async function checkNothingJumped(page) {
    const moved = await page.evaluate(() =>
        window.grootTestPlaces.map(({ id, offsetTop, offsetHeight }) => {
            const now = document.getElementById(id);
            return { id, down: now.offsetTop - offsetTop, higher: now.offsetHeight - offsetHeight };
        }),
    );
    const far = moved.filter(({ down, higher }) => Math.abs(down) > MOST_PX || Math.abs(higher) > MOST_PX);
    assert(far.length === 0, far.map(({ id, down, higher }) => `${id} moved by ${down} px and grew by ${higher} px`).join("; "));
}
