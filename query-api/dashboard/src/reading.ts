import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { pauseAfter } from "./backoff";
import { read, Trouble } from "./request";

/** What a panel knows of what it shows. */
export interface Reading<T> {
    data: T | null;
    /** When the data was read, in ms. */
    readAt: number | null;
    trouble: Trouble | null;
    isLoading: boolean;
    /** The data is an older answer, and Groot said so. */
    isStale: boolean;
    /** The data is that of another path, shown while this one is read. */
    isOther: boolean;
    retry: () => void;
}

interface Known<T> {
    path: string;
    data: T | null;
    readAt: number | null;
    trouble: Trouble | null;
    isLoading: boolean;
    isStale: boolean;
}

const LONGEST_PAUSE_MS = 60_000;

/**
 * Reads a path again and again while the page is visible. After a failure it does not wait until the next reading would be due: the pauses
 * begin short and grow. The data of before stays, unless it belongs to another path. Without a path nothing is read.
 */
export function useReading<T>(path: string | null, everyMs: number, token: string | null = null): Reading<T> {
    const nothing: Known<T> = { path: "", data: null, readAt: null, trouble: null, isLoading: true, isStale: false };
    const [known, setKnown] = useState<Known<T>>(nothing);
    const [asked, setAsked] = useState(0);
    const failures = useRef(0);

    useEffect(() => {
        if (path === null) return;
        const abort = new AbortController();
        let timer = 0;
        let isReading = false;

        const step = async () => {
            if (isReading || document.hidden) return;
            isReading = true;
            window.clearTimeout(timer);
            setKnown((now) => ({ ...now, isLoading: true }));
            let pause = everyMs;
            try {
                const { body, isStale } = await read<T>(path, { token, signal: abort.signal });
                failures.current = 0;
                setKnown({ path, data: body, readAt: Date.now(), trouble: null, isLoading: false, isStale });
            } catch (error) {
                if (abort.signal.aborted) return;
                const trouble = error instanceof Trouble ? error : new Trouble(String(error), 0);
                failures.current += 1;
                pause = Math.max(trouble.retryAfterMs ?? 0, pauseAfter(failures.current, LONGEST_PAUSE_MS));
                setKnown((now) => ({ ...(now.path === path ? now : nothing), path, trouble, isLoading: false }));
                // The same token will be refused again.
                if (trouble.status === 401 || trouble.status === 403) return;
            } finally {
                isReading = false;
            }
            timer = window.setTimeout(step, pause);
        };
        void step();
        document.addEventListener("visibilitychange", step);
        return () => {
            abort.abort();
            window.clearTimeout(timer);
            document.removeEventListener("visibilitychange", step);
        };
    }, [path, everyMs, token, asked]);

    const retry = useCallback(() => setAsked((times) => times + 1), []);
    const { data, readAt, trouble, isLoading, isStale } = known;
    const isOther = data !== null && known.path !== path;
    return { data, readAt, trouble, isLoading, isStale, isOther, retry };
}
