import { count } from "../figures";
import type { TimeSeries } from "../shapes";
import { intervals, labels } from "./intervals";

/** The figures of the chart for those who cannot see it, and for those who want to read them. */
export function FiguresTable({ series, isSeen }: { series: TimeSeries; isSeen: boolean }) {
    const { full } = labels(series.interval, series.tz);
    // What scrolls must be reached by keyboard; what is not seen must not.
    const place = isSeen ? { class: "scroll series-table", tabIndex: 0 } : { class: "unseen" };
    return (
        <div {...place} role="region" aria-label="Figures of the chart">
            <table>
                <caption class="unseen">
                    {`Events and people in ${intervals[series.interval].range}, time zone ${series.tz}`}
                </caption>
                <thead>
                    <tr>
                        <th scope="col">{intervals[series.interval].name}</th>
                        <th scope="col" class="number">Events</th>
                        <th scope="col" class="number">People</th>
                    </tr>
                </thead>
                <tbody>
                    {series.data.map((point) => (
                        <tr key={point.begin}>
                            <th scope="row">{full(Date.parse(point.begin) / 1000)}</th>
                            <td class="number">{count(point.events)}</td>
                            <td class="number">{count(point.users)}</td>
                        </tr>
                    ))}
                </tbody>
            </table>
        </div>
    );
}
