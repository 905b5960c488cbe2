import { useState } from "preact/hooks";
import type { DomainEvent } from "../shapes";
import { useConnection, type Connection, type Open } from "./connection";

/** An event and its place among those that came, which no other has. */
export interface Arrival {
    number: number;
    event: DomainEvent;
}

const KEPT = 20;
/** Events of a busy second are drawn together. */
const DRAW_EVERY_MS = 300;
const PATH = "/api/analytics/live";

export function useFeed(): { arrivals: Arrival[]; connection: Connection } {
    const [arrivals, setArrivals] = useState<Arrival[]>([]);
    const [open] = useState<Open>(() =>
        opener((fresh) => setArrivals((before) => [...fresh.reverse(), ...before].slice(0, KEPT))),
    );
    return { arrivals, connection: useConnection(PATH, open) };
}

function opener(came: (fresh: Arrival[]) => void): Open {
    let number = 0;
    return (opened, closed) => {
        const source = new EventSource(PATH);
        let waiting: Arrival[] = [];
        let timer = 0;
        const draw = () => {
            timer = 0;
            came(waiting);
            waiting = [];
        };
        source.onopen = opened;
        source.onerror = () => {
            // The browser would try again at a steady pace, and not at all after a refusal.
            source.close();
            closed();
        };
        source.addEventListener("domain", ({ data }: MessageEvent<string>) => {
            const event = parsed(data);
            if (!event) return;
            waiting.push({ number: (number += 1), event });
            waiting = waiting.slice(-KEPT);
            timer ||= window.setTimeout(draw, DRAW_EVERY_MS);
        });
        return () => {
            window.clearTimeout(timer);
            source.close();
        };
    };
}

function parsed(data: string): DomainEvent | null {
    try {
        return JSON.parse(data) as DomainEvent;
    } catch {
        return null;
    }
}
