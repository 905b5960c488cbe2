import { century } from "../figures";
import type { Facets } from "../shapes";
import type { Filter, Question } from "./question";

interface FiltersProps {
    facets: Facets | null;
    question: Question;
    choose: (filter: Filter, value: string) => void;
}

interface Option {
    value: string;
    name: string;
    count: number | null;
}

const SHOWN = 5;

/** What the hits have in common. One value of each kind can be chosen, and is taken back by choosing it again. */
export function Filters({ facets, question, choose }: FiltersProps) {
    const groups: { filter: Filter; name: string; options: Option[] }[] = [
        {
            filter: "author",
            name: "Author",
            options: (facets?.authors ?? []).map(({ id, name, count }) => ({ value: id, name: name ?? "unknown", count })),
        },
        {
            filter: "century",
            name: "Century",
            options: (facets?.centuries ?? []).map((found) => ({
                value: String(found.century),
                name: century(found.century),
                count: found.count,
            })),
        },
        {
            filter: "tag",
            name: "Tag",
            options: (facets?.tags ?? []).map(({ value, count }) => ({ value, name: value, count })),
        },
        {
            filter: "type",
            name: "Type",
            options: (facets?.types ?? []).map(({ value, count }) => ({ value, name: value, count })),
        },
    ];
    return (
        <div class="filters" role="group" aria-label="Filters">
            {groups.map(({ filter, name, options }) => (
                <Group
                    key={filter}
                    name={name}
                    options={withChosen(options, question[filter])}
                    chosen={question[filter]}
                    choose={(value) => choose(filter, value === question[filter] ? "" : value)}
                />
            ))}
        </div>
    );
}

/** A chosen value stays to be taken back, also when nothing was found with it. */
function withChosen(options: Option[], chosen: string): Option[] {
    const isThere = !chosen || options.some(({ value }) => value === chosen);
    return isThere ? options : [{ value: chosen, name: chosen, count: null }, ...options];
}

interface GroupProps {
    name: string;
    options: Option[];
    chosen: string;
    choose: (value: string) => void;
}

function Group({ name, options, chosen, choose }: GroupProps) {
    if (options.length === 0) return null;
    const buttons = (some: Option[]) =>
        some.map(({ value, name, count }) => (
            <li key={value}>
                <button type="button" class="chip" aria-pressed={value === chosen} onClick={() => choose(value)}>
                    {name}
                    {count !== null && <span class="chip-count">{count}</span>}
                </button>
            </li>
        ));
    const rest = options.slice(SHOWN);
    return (
        <fieldset>
            <legend>{name}</legend>
            <ul class="chips">{buttons(options.slice(0, SHOWN))}</ul>
            {rest.length > 0 && (
                <details>
                    <summary>{`${rest.length} more`}</summary>
                    <ul class="chips">{buttons(rest)}</ul>
                </details>
            )}
        </fieldset>
    );
}
