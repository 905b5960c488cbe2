import { useCallback, useEffect, useState } from "preact/hooks";
import { read, Trouble } from "../request";
import type { Facets, Hit, SearchAnswer } from "../shapes";
import { pathOf, type Question } from "./question";

export interface Found {
    hits: Hit[];
    total: number;
    facets: Facets | null;
    next: string | null;
    /** The words that these are the answer to. */
    q: string;
    isStale: boolean;
}

export interface Search {
    found: Found | null;
    trouble: Trouble | null;
    isLoading: boolean;
    more: () => void;
    retry: () => void;
}

/** Searches when the question changes; what was found before stays until the answer is there. */
export function useSearch(question: Question): Search {
    const [found, setFound] = useState<Found | null>(null);
    const [trouble, setTrouble] = useState<Trouble | null>(null);
    const [isLoading, setLoading] = useState(false);
    /** Of the page wanted after the first; a new object for each try. */
    const [wanted, setWanted] = useState<{ cursor: string | null }>({ cursor: null });
    const first = pathOf(question, null);

    useEffect(() => setWanted({ cursor: null }), [first]);

    useEffect(() => {
        setTrouble(null);
        setLoading(false);
        if (!question.q.trim()) {
            setFound(null);
            return;
        }
        const abort = new AbortController();
        setLoading(true);
        read<SearchAnswer>(pathOf(question, wanted.cursor), { signal: abort.signal })
            .then(({ body, isStale }) => {
                setFound((before) => ({
                    hits: wanted.cursor === null ? body.data : [...(before?.hits ?? []), ...body.data],
                    total: body.total,
                    facets: body.facets ?? (wanted.cursor === null ? null : (before?.facets ?? null)),
                    next: body.nextCursor,
                    q: question.q,
                    isStale,
                }));
                setLoading(false);
            })
            .catch((error: unknown) => {
                if (abort.signal.aborted) return;
                setTrouble(error instanceof Trouble ? error : new Trouble(String(error), 0));
                setLoading(false);
            });
        return () => abort.abort();
    }, [wanted]);

    const more = useCallback(() => setWanted({ cursor: found?.next ?? null }), [found]);
    const retry = useCallback(() => setWanted(({ cursor }) => ({ cursor })), []);
    return { found, trouble, isLoading, more, retry };
}
