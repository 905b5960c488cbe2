import { useEffect, useRef, useState } from "preact/hooks";

/**
 * Says a changing text to screen readers, politely and not oftener than every so many ms: figures that change each second would
 * drown everything else.
 */
export function Spoken({ text, everyMs = 0 }: { text: string; everyMs?: number }) {
    const [said, setSaid] = useState("");
    const saidAt = useRef(0);
    useEffect(() => {
        if (text === said) return;
        const wait = Math.max(0, saidAt.current + everyMs - Date.now());
        const timer = window.setTimeout(() => {
            saidAt.current = Date.now();
            setSaid(text);
        }, wait);
        return () => window.clearTimeout(timer);
    }, [text, said, everyMs]);
    return (
        <p class="unseen" aria-live="polite">
            {said}
        </p>
    );
}
