import { useState } from "preact/hooks";
import { eventName } from "../event_types";
import { time } from "../figures";
import { addressOf } from "../post_address";
import type { DomainEvent } from "../shapes";
import { Spoken } from "../spoken";
import { ConnectionLine } from "./connection_line";
import { PauseButton } from "./pause_button";
import { useFeed, type Arrival } from "./use_feed";

const SPOKEN_EVERY_MS = 30_000;

export function Feed() {
    const { arrivals, connection } = useFeed();
    const [frozen, setFrozen] = useState<Arrival[] | null>(null);
    const shown = frozen ?? arrivals;
    const last = shown[0];
    return (
        <section id="feed" class="panel" aria-labelledby="feed-title">
            <header class="panel-head">
                <h2 id="feed-title" tabIndex={-1}>Latest events</h2>
                <ConnectionLine connection={connection} title="Latest events" isPaused={frozen !== null} />
                <div class="choices">
                    <PauseButton
                        title="latest events"
                        isPaused={frozen !== null}
                        toggle={() => setFrozen(frozen ? null : arrivals)}
                    />
                </div>
            </header>
            <div class="scroll feed-body" role="region" aria-label="The last 20 events, newest first" tabIndex={0}>
                {shown.length === 0 && (
                    <p class="calm">
                        {connection.isOpen
                            ? "Nothing has happened since the page was opened."
                            : "Events will stand here once the page is connected."}
                    </p>
                )}
                <ol class="feed">
                    {shown.map(({ number, event }) => (
                        <li key={number}>
                            <time dateTime={event.time}>{time(event.time)}</time>
                            <span class="feed-type">{eventName(event.type)}</span>
                            <span class="feed-what">
                                <Subject event={event} />
                            </span>
                        </li>
                    ))}
                </ol>
            </div>
            <Spoken text={last ? sentence(last.event) : ""} everyMs={SPOKEN_EVERY_MS} />
        </section>
    );
}

/** Comments and likes tell the title of their post but not its id. */
function Subject({ event: { type, aggregateId, title } }: { event: DomainEvent }) {
    if (title === null) return <span class="code">{aggregateId}</span>;
    if (!type.startsWith("groot.post.")) return <>{title}</>;
    return <a href={addressOf({ id: aggregateId, slug: null })}>{title}</a>;
}

function sentence({ type, title }: DomainEvent): string {
    return `Latest event: ${[eventName(type), title].filter(Boolean).join(", ")}`;
}
