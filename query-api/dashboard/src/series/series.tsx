import { useEffect, useState } from "preact/hooks";
import { eventTypes } from "../event_types";
import { timeZone } from "../figures";
import { Panel } from "../panel";
import { useReading } from "../reading";
import { withParams } from "../request";
import type { Interval, TimeSeries } from "../shapes";
import { Chart } from "./chart";
import { FiguresTable } from "./figures_table";
import { intervals, rangeOf } from "./intervals";

const EVERY_MS = 30_000;

export function Series() {
    const [interval, setInterval] = useState<Interval>("day");
    const [type, setType] = useState("");
    const [asTable, setAsTable] = useState(false);
    const { from, to } = rangeOf(interval, useNow());
    const path = withParams("/api/analytics/timeseries", { from, to, interval, tz: timeZone, type });
    const reading = useReading<TimeSeries>(path, EVERY_MS);
    const choices = (
        <>
            <IntervalChoice chosen={interval} choose={setInterval} />
            <label>
                Events{" "}
                <select value={type} onChange={(event) => setType(event.currentTarget.value)}>
                    <option value="">of all types</option>
                    {eventTypes.map(({ type, name }) => (
                        <option key={type} value={type}>
                            {name}
                        </option>
                    ))}
                </select>
            </label>
            <label class="check">
                <input type="checkbox" checked={asTable} onChange={(event) => setAsTable(event.currentTarget.checked)} />
                as a table
            </label>
        </>
    );
    return (
        <Panel
            id="series"
            title="Events over time"
            reading={reading}
            isEmpty={(series) => series.data.every((point) => point.events === 0)}
            whenEmpty={`No such events in ${intervals[interval].range}.`}
            choices={choices}
        >
            {(series) => (
                <>
                    {!asTable && <Chart series={series} />}
                    <FiguresTable series={series} isSeen={asTable} />
                </>
            )}
        </Panel>
    );
}

function IntervalChoice({ chosen, choose }: { chosen: Interval; choose: (interval: Interval) => void }) {
    return (
        <fieldset class="segments">
            <legend class="unseen">Interval</legend>
            {(Object.keys(intervals) as Interval[]).map((interval) => (
                <label key={interval}>
                    <input type="radio" name="interval" checked={interval === chosen} onChange={() => choose(interval)} />
                    <span>{intervals[interval].name}</span>
                </label>
            ))}
        </fieldset>
    );
}

const MINUTE_MS = 60_000;

function useNow(): number {
    const [now, setNow] = useState(Date.now());
    useEffect(() => {
        const timer = window.setInterval(() => setNow(Date.now()), MINUTE_MS);
        return () => window.clearInterval(timer);
    }, []);
    return now;
}
