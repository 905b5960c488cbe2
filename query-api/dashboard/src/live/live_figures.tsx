import { useState } from "preact/hooks";
import { bytes, count, milliseconds, percent, rate } from "../figures";
import type { Metrics } from "../shapes";
import { Spoken } from "../spoken";
import { ConnectionLine } from "./connection_line";
import { PauseButton } from "./pause_button";
import { Sparkline } from "./sparkline";
import { useMetrics, type Sample } from "./use_metrics";

interface Figure {
    name: string;
    of: (figures: Metrics) => number;
    text: (value: number | null) => string;
    /** The smallest top of the line. */
    least: number;
}

const figures: Figure[] = [
    { name: "Requests a second", of: (now) => now.requestsPerSecond, text: rate, least: 5 },
    { name: "Response time", of: (now) => now.responseTime, text: milliseconds, least: 10 },
    { name: "Errors", of: (now) => now.errorRate, text: percent, least: 0.05 },
    { name: "Connections", of: (now) => now.activeConnections, text: count, least: 5 },
    { name: "Memory", of: (now) => now.memoryUsage, text: bytes, least: 64 * 2 ** 20 },
    { name: "Processor", of: (now) => now.cpuUsage, text: percent, least: 0.2 },
];

const SPOKEN_EVERY_MS = 60_000;

export function LiveFigures() {
    const { samples, connection } = useMetrics();
    const [frozen, setFrozen] = useState<Sample[] | null>(null);
    const shown = frozen ?? samples;
    const last = shown.at(-1);
    const isStale = !connection.isOpen && !connection.isFirstTry && !frozen;
    return (
        <section id="live" class="panel" aria-labelledby="live-title">
            <header class="panel-head">
                <h2 id="live-title" tabIndex={-1}>Live figures</h2>
                <ConnectionLine connection={connection} title="Live figures" isPaused={frozen !== null} />
                <div class="choices">
                    <PauseButton
                        title="live figures"
                        isPaused={frozen !== null}
                        toggle={() => setFrozen(frozen ? null : samples)}
                    />
                </div>
            </header>
            <dl class={`sparks ${isStale ? "dim" : ""}`}>
                {figures.map(({ name, of, text, least }) => (
                    <div key={name} class="spark">
                        <dt>{name}</dt>
                        <dd>
                            <span class="spark-figure">{text(last ? of(last.figures) : null)}</span>
                            <Sparkline points={shown.map(({ at, figures }) => ({ at, value: of(figures) }))} least={least} />
                        </dd>
                    </div>
                ))}
            </dl>
            <p class="note">The last two minutes of this query-api, a figure a second.</p>
            <Spoken text={connection.isOpen && last ? sentence(last.figures) : ""} everyMs={SPOKEN_EVERY_MS} />
        </section>
    );
}

function sentence(now: Metrics): string {
    return `Live figures: ${figures.map(({ name, of, text }) => `${name.toLowerCase()} ${text(of(now))}`).join(", ")}.`;
}
