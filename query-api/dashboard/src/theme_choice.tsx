import { useState } from "preact/hooks";
import { chooseTheme, chosenTheme, type Theme } from "./theme";

const names: Record<Theme, string> = { system: "Auto", light: "Light", dark: "Dark" };

export function ThemeChoice() {
    const [theme, setTheme] = useState(chosenTheme);
    const choose = (next: Theme) => {
        chooseTheme(next);
        setTheme(next);
    };
    return (
        <fieldset class="segments">
            <legend class="unseen">Colours</legend>
            {(Object.keys(names) as Theme[]).map((name) => (
                <label key={name}>
                    <input type="radio" name="theme" checked={name === theme} onChange={() => choose(name)} />
                    <span>{names[name]}</span>
                </label>
            ))}
        </fieldset>
    );
}
