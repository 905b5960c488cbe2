import { useEffect, useState } from "preact/hooks";
import { read, withParams } from "../request";
import type { List, Suggestion } from "../shapes";

const PAUSE_MS = 120;
const MOST = 8;

/** Titles that begin like what was typed. Without an answer there are none: the search itself works without them. */
export function useSuggestions(typed: string): Suggestion[] {
    const [suggestions, setSuggestions] = useState<Suggestion[]>([]);
    useEffect(() => {
        if (!typed.trim()) {
            setSuggestions([]);
            return;
        }
        const abort = new AbortController();
        const timer = window.setTimeout(() => {
            read<List<Suggestion>>(withParams("/api/search/suggest", { q: typed, limit: MOST }), {
                signal: abort.signal,
                cache: "default",
            })
                .then(({ body }) => setSuggestions(body.data))
                .catch(() => {
                    if (!abort.signal.aborted) setSuggestions([]);
                });
        }, PAUSE_MS);
        return () => {
            window.clearTimeout(timer);
            abort.abort();
        };
    }, [typed]);
    return suggestions;
}
