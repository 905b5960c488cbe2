import { useEffect, useState } from "preact/hooks";

export type Theme = "system" | "light" | "dark";

const KEY = "groot-theme";
const CHANGED = "groot-theme-changed";

/** Sets what was chosen before; called before anything is drawn. */
export function restoreTheme(): void {
    apply(chosenTheme());
}

export function chosenTheme(): Theme {
    const kept = stored();
    return kept === "light" || kept === "dark" ? kept : "system";
}

export function chooseTheme(theme: Theme): void {
    try {
        localStorage.setItem(KEY, theme);
    } catch {
        // Where nothing can be kept the choice holds for this page.
    }
    apply(theme);
    window.dispatchEvent(new Event(CHANGED));
}

function stored(): string | null {
    try {
        return localStorage.getItem(KEY);
    } catch {
        return null;
    }
}

function apply(theme: Theme): void {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
}

/** Changes with the colours of the page. A canvas must be drawn anew then; everything else follows by itself. */
export function useColours(): number {
    const [times, setTimes] = useState(0);
    useEffect(() => {
        const change = () => setTimes((times) => times + 1);
        const system = window.matchMedia("(prefers-color-scheme: dark)");
        system.addEventListener("change", change);
        window.addEventListener(CHANGED, change);
        return () => {
            system.removeEventListener("change", change);
            window.removeEventListener(CHANGED, change);
        };
    }, []);
    return times;
}
