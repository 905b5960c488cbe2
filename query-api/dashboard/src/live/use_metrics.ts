import { useState } from "preact/hooks";
import type { Metrics, MetricsMessage } from "../shapes";
import { useConnection, type Connection, type Open } from "./connection";

/** Figures and when they came, in ms by the clock of the browser. */
export interface Sample {
    at: number;
    figures: Metrics;
}

export const WINDOW_MS = 120_000;
/** A message comes each second. After this long without one the connection is as good as closed. */
const SILENCE_MS = 6_000;
const PATH = "/ws/metrics";

export function useMetrics(): { samples: Sample[]; connection: Connection } {
    const [samples, setSamples] = useState<Sample[]>([]);
    const [open] = useState<Open>(() => opener((figures) => {
        const at = Date.now();
        setSamples((before) => [...before.filter((sample) => at - sample.at < WINDOW_MS), { at, figures }]);
    }));
    return { samples, connection: useConnection(PATH, open) };
}

function opener(came: (figures: Metrics) => void): Open {
    return (opened, closed) => {
        const socket = new WebSocket(location.origin.replace(/^http/, "ws") + PATH);
        let silence = 0;
        let isOver = false;
        const over = () => {
            if (isOver) return;
            isOver = true;
            window.clearTimeout(silence);
            socket.close();
            closed();
        };
        const listen = () => {
            window.clearTimeout(silence);
            silence = window.setTimeout(over, SILENCE_MS);
        };
        listen();
        socket.onclose = over;
        socket.onmessage = ({ data }) => {
            const message = parsed(data);
            if (isOver || !message) return;
            listen();
            opened();
            came(message.data);
        };
        return () => {
            isOver = true;
            window.clearTimeout(silence);
            socket.close();
        };
    };
}

/** What is no message of metrics is left to whoever understands it. */
function parsed(text: unknown): MetricsMessage | null {
    try {
        const message = JSON.parse(String(text)) as MetricsMessage;
        return message.type === "metrics" && message.data ? message : null;
    } catch {
        return null;
    }
}
