import { useState } from "preact/hooks";
import { Spoken } from "../spoken";
import { useSuggestions } from "./use_suggestions";

interface ComboboxProps {
    text: string;
    setText: (text: string) => void;
    search: (q: string) => void;
}

const optionId = (index: number) => `suggestion-${index}`;

/**
 * The search box: a combobox with a list, as the ARIA Authoring Practices describe it. The focus stays in the box; arrows
 * choose, Enter takes what is chosen or searches for what was typed, Escape closes the list.
 */
export function Combobox({ text, setText, search }: ComboboxProps) {
    const [isWanted, setWanted] = useState(false);
    const [active, setActive] = useState(-1);
    const suggestions = useSuggestions(isWanted ? text : "");
    const isOpen = isWanted && suggestions.length > 0;
    const chosen = isOpen ? suggestions[active] : undefined;

    const close = () => {
        setWanted(false);
        setActive(-1);
    };
    const take = (title: string) => {
        setText(title);
        search(title);
        close();
    };
    const move = (by: 1 | -1) => {
        if (!isOpen) {
            setWanted(true);
            return;
        }
        // One place more than there are suggestions: the box itself.
        const places = suggestions.length + 1;
        setActive(((active + 1 + by + places) % places) - 1);
    };
    const press = (event: KeyboardEvent) => {
        if (event.isComposing) return;
        if (event.key === "ArrowDown" || event.key === "ArrowUp") {
            event.preventDefault();
            move(event.key === "ArrowDown" ? 1 : -1);
        } else if (event.key === "Enter" && chosen) {
            event.preventDefault();
            take(chosen.title);
        } else if (event.key === "Escape") {
            event.preventDefault();
            if (isOpen) close();
            else setText("");
        }
    };

    return (
        <form
            role="search"
            class="search-form"
            onSubmit={(event) => {
                event.preventDefault();
                search(text);
                close();
            }}
        >
            <label for="search-box">Words or “a phrase”</label>
            <div class="combobox">
                <input
                    id="search-box"
                    type="text"
                    inputMode="search"
                    enterKeyHint="search"
                    role="combobox"
                    autoComplete="off"
                    spellcheck={false}
                    maxLength={500}
                    aria-autocomplete="list"
                    aria-expanded={isOpen}
                    aria-controls="suggestions"
                    {...(chosen && { "aria-activedescendant": optionId(active) })}
                    value={text}
                    onInput={(event) => {
                        setText(event.currentTarget.value);
                        setWanted(true);
                        setActive(-1);
                    }}
                    onKeyDown={press}
                    onBlur={close}
                />
                <ul id="suggestions" role="listbox" aria-label="Suggestions" hidden={!isOpen}>
                    {suggestions.map(({ id, title }, index) => (
                        <li
                            key={id}
                            id={optionId(index)}
                            role="option"
                            aria-selected={index === active}
                            // The box would lose the focus, and the list would close before the click.
                            onMouseDown={(event) => event.preventDefault()}
                            onClick={() => take(title)}
                        >
                            {title}
                        </li>
                    ))}
                </ul>
            </div>
            <button type="submit">Search</button>
            <Spoken text={isOpen ? `${suggestions.length} suggestions` : ""} />
        </form>
    );
}
