import { time } from "../figures";
import { PassingButton } from "../passing_button";
import { Spoken } from "../spoken";
import type { Connection } from "./connection";

interface ConnectionLineProps {
    connection: Connection;
    title: string;
    isPaused: boolean;
}

export function ConnectionLine({ connection, title, isPaused }: ConnectionLineProps) {
    const { isOpen, isFirstTry, since, detail, retry } = connection;
    if (isPaused) {
        return (
            <p class="standing stale">
                <strong>Paused.</strong>
            </p>
        );
    }
    if (isFirstTry) return <p class="standing">connecting …</p>;
    if (isOpen) {
        return (
            <p class="standing">
                {`live since ${time(since)}`}
                <Spoken text={`${title}: connected`} />
            </p>
        );
    }
    return (
        <p class="standing stale">
            <strong>{`Not connected since ${time(since)}.`}</strong> {detail ?? "Trying again."}{" "}
            <PassingButton class="plain" onClick={retry} aria-label={`Try again: ${title}`}>
                Try again
            </PassingButton>
            <Spoken text={`${title}: not connected. ${detail ?? ""}`} />
        </p>
    );
}
