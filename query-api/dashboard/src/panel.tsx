import type { ComponentChildren } from "preact";
import { time } from "./figures";
import { Guard } from "./guard";
import { PassingButton } from "./passing_button";
import type { Reading } from "./reading";
import { Spoken } from "./spoken";

interface PanelProps<T> {
    id: string;
    title: string;
    reading: Reading<T>;
    isEmpty: (data: T) => boolean;
    whenEmpty: string;
    /** Choices that belong to the panel, beside its heading. */
    choices?: ComponentChildren;
    /** Stands in for the body where nothing can be read yet. */
    instead?: ComponentChildren;
    children: (data: T) => ComponentChildren;
}

const UNREADABLE = "The answer is not of the shape that this page knows. Is the page older than the query API?";

/**
 * A part of the page that is read on its own: it says of itself alone whether it is loading, empty, out of date or in trouble.
 * The body has its height before the data is there (in panel.css, by id), so that nothing jumps.
 */
export function Panel<T>(props: PanelProps<T>) {
    const { id, title, reading, choices, instead } = props;
    const { data, isLoading, isOther, retry } = reading;
    const unreadable = <Failed title={title} detail={UNREADABLE} retry={retry} isLoading={isLoading} />;
    return (
        <section id={id} class="panel" aria-labelledby={`${id}-title`}>
            <header class="panel-head">
                <h2 id={`${id}-title`} tabIndex={-1}>{title}</h2>
                {!instead && <Standing reading={reading} title={title} />}
                {choices && <div class="choices">{choices}</div>}
            </header>
            <div class="panel-body" aria-busy={!instead && (isOther || (data === null && isLoading))}>
                {instead || (
                    <Guard data={data} otherwise={unreadable}>
                        <Body {...props} />
                    </Guard>
                )}
            </div>
        </section>
    );
}

function Body<T>({ title, reading, isEmpty, whenEmpty, children }: PanelProps<T>) {
    const { data, trouble, isLoading, retry } = reading;
    if (data !== null) return isEmpty(data) ? <p class="calm">{whenEmpty}</p> : <>{children(data)}</>;
    if (trouble) return <Failed title={title} detail={trouble.detail} retry={retry} isLoading={isLoading} />;
    return <p class="calm">Loading …</p>;
}

interface FailedProps {
    title: string;
    detail: string;
    retry: () => void;
    isLoading?: boolean;
}

export function Failed({ title, detail, retry, isLoading = false }: FailedProps) {
    return (
        <div class="failed">
            <p role="status">
                <strong>This cannot be shown.</strong> {detail}
            </p>
            <PassingButton onClick={retry} aria-disabled={isLoading} aria-label={`Try again: ${title}`}>
                {isLoading ? "Trying …" : "Try again"}
            </PassingButton>
        </div>
    );
}

/** One line on how old the figures are. It is always there, so that it takes its place once. */
function Standing<T>({ reading, title }: { reading: Reading<T>; title: string }) {
    const { data, trouble, isStale, readAt, retry } = reading;
    if (data === null || readAt === null) return <p class="standing" />;
    if (!trouble && !isStale) return <p class="standing">{`as of ${time(readAt)}`}</p>;
    const why = trouble ? trouble.detail : "Groot serves an older answer.";
    return (
        <p class="standing stale">
            <strong>{`Not current, of ${time(readAt)}.`}</strong> {why}{" "}
            <PassingButton class="plain" onClick={retry} aria-label={`Try again: ${title}`}>
                Try again
            </PassingButton>
            <Spoken text={`${title}: not current. ${why}`} />
        </p>
    );
}
