import { useEffect, useState } from "preact/hooks";
import { count } from "../figures";
import { Failed } from "../panel";
import { PassingButton } from "../passing_button";
import { Spoken } from "../spoken";
import { Combobox } from "./combobox";
import { Filters } from "./filters";
import { Hits } from "./hits";
import { isSort, keepInAddress, noFilters, questionInAddress, sorts, type Question, type Sort } from "./question";
import { useSearch, type Found, type Search as SearchState } from "./use_search";

export function Search() {
    const [question, setQuestion] = useState<Question>(questionInAddress);
    const [text, setText] = useState(question.q);
    const search = useSearch(question);
    const { found, trouble, isLoading } = search;

    useEffect(() => keepInAddress(question), [question]);

    const ask = (q: string) => {
        if (q === question.q) search.retry();
        else setQuestion((now) => ({ ...now, ...noFilters, q }));
    };
    return (
        <section id="search" class="panel" aria-labelledby="search-title">
            <header class="panel-head">
                <h2 id="search-title" tabIndex={-1}>Search</h2>
                <p class={`standing ${found?.isStale ? "stale" : ""}`}>{standing(search)}</p>
            </header>
            <Combobox text={text} setText={setText} search={ask} />
            <Spoken text={isLoading ? "" : standing(search)} />
            <div class="search-body" aria-busy={isLoading}>
                {trouble && <Failed title="Search" detail={trouble.detail} retry={search.retry} isLoading={isLoading} />}
                {!found && !trouble && (
                    <p class="calm">{isLoading ? "Searching …" : "Posts are found by their words, also misspelt ones."}</p>
                )}
                {found && (
                    <div class="search-columns">
                        <Filters
                            facets={found.facets}
                            question={question}
                            choose={(filter, value) => setQuestion((now) => ({ ...now, [filter]: value }))}
                        />
                        <div>
                            <SortChoice sort={question.sort} choose={(sort) => setQuestion((now) => ({ ...now, sort }))} />
                            {found.total === 0 && <p class="calm">{`Nothing was found for “${found.q}” like this.`}</p>}
                            <Hits hits={found.hits} />
                            {found.next && (
                                <PassingButton onClick={search.more} aria-disabled={isLoading}>
                                    {isLoading ? "Loading …" : "More results"}
                                </PassingButton>
                            )}
                        </div>
                    </div>
                )}
            </div>
        </section>
    );
}

function SortChoice({ sort, choose }: { sort: Sort; choose: (sort: Sort) => void }) {
    return (
        <label class="sort">
            Order{" "}
            <select value={sort} onChange={({ currentTarget: { value } }) => isSort(value) && choose(value)}>
                {Object.entries(sorts).map(([value, { name }]) => (
                    <option key={value} value={value}>
                        {name}
                    </option>
                ))}
            </select>
        </label>
    );
}

function standing({ found, isLoading, trouble }: SearchState): string {
    if (trouble && found) return `Still showing what was found for “${found.q}”.`;
    if (isLoading && !found) return "Searching …";
    return found ? foundText(found) : "";
}

function foundText({ total, hits, q, isStale }: Found): string {
    const age = isStale ? " Groot serves an older answer." : "";
    return `${count(hits.length)} of ${count(total)} for “${q}”.${age}`;
}
