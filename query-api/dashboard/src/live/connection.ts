import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { pauseAfter } from "../backoff";
import { refusal } from "../request";

export interface Connection {
    isOpen: boolean;
    /** Nothing is known yet. */
    isFirstTry: boolean;
    /** Since when it is as it is, in ms. */
    since: number;
    /** Why it cannot be opened, if the server says so. */
    detail: string | null;
    retry: () => void;
}

/** Opens something that calls back when it is open, and when it is closed for good; gives a way to close it. */
export type Open = (opened: () => void, closed: () => void) => () => void;

const LONGEST_PAUSE_MS = 30_000;

/**
 * Keeps a connection open while the page is visible: after each failure the pauses grow, and the first time the reason is
 * asked for.
 */
export function useConnection(path: string, open: Open): Connection {
    const [state, setState] = useState({ isOpen: false, isFirstTry: true, since: Date.now(), detail: null as string | null });
    const [asked, setAsked] = useState(0);
    const isOpenNow = useRef(false);

    useEffect(() => {
        let close: (() => void) | null = null;
        let timer = 0;
        let failures = 0;
        const abort = new AbortController();

        const change = (isOpen: boolean) => {
            const isSame = isOpenNow.current === isOpen;
            isOpenNow.current = isOpen;
            setState((now) => (isSame && !now.isFirstTry ? now : { isOpen, isFirstTry: false, since: Date.now(), detail: null }));
        };
        const start = () => {
            if (close || document.hidden) return;
            window.clearTimeout(timer);
            close = open(
                () => {
                    failures = 0;
                    change(true);
                },
                () => {
                    close = null;
                    failures += 1;
                    change(false);
                    if (failures === 1) void explain();
                    timer = window.setTimeout(start, pauseAfter(failures, LONGEST_PAUSE_MS));
                },
            );
        };
        const stop = () => {
            close?.();
            close = null;
            window.clearTimeout(timer);
            change(false);
        };
        /** Neither a WebSocket nor an EventSource tells why it was refused, but a plain request does. */
        const explain = async () => {
            const detail = await refusal(path, abort.signal);
            if (detail && !isOpenNow.current) setState((now) => ({ ...now, detail }));
        };
        const seen = () => (document.hidden ? stop() : start());

        start();
        document.addEventListener("visibilitychange", seen);
        return () => {
            document.removeEventListener("visibilitychange", seen);
            abort.abort();
            stop();
        };
    }, [path, open, asked]);

    const retry = useCallback(() => setAsked((times) => times + 1), []);
    return { ...state, retry };
}
