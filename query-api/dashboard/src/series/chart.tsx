import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { compact, count } from "../figures";
import type { TimeSeries } from "../shapes";
import { useColours } from "../theme";
import { labels } from "./intervals";

/** Also in series.css, which keeps the place for it. */
const HEIGHT_PX = 260;
const LABEL_PX = 76;

/** Bars and not a line: between two intervals there is nothing. */
export function Chart({ series }: { series: TimeSeries }) {
    const place = useRef<HTMLDivElement>(null);
    const [pointed, setPointed] = useState<number | null>(null);
    const colours = useColours();

    useEffect(() => {
        const element = place.current;
        if (!element) return;
        const plot = new uPlot(options(element, series, setPointed), columns(series), element);
        const watcher = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT_PX }));
        watcher.observe(element);
        return () => {
            watcher.disconnect();
            plot.destroy();
        };
    }, [series, colours]);

    return (
        <figure class="chart">
            <figcaption>
                <span class="key key-events">Events</span>
                <span class="key key-people">People</span>
                <span class="pointed">{sentence(series, pointed)}</span>
            </figcaption>
            <div ref={place} class="chart-place" aria-hidden="true" />
        </figure>
    );
}

function sentence(series: TimeSeries, pointed: number | null): string {
    const point = pointed === null ? undefined : series.data[pointed];
    if (!point) {
        const sum = series.data.reduce((sum, { events }) => sum + events, 0);
        return `${count(sum)} events in all`;
    }
    const when = labels(series.interval, series.tz).full(Date.parse(point.begin) / 1000);
    return `${when}: ${count(point.events)} events, ${count(point.users)} people`;
}

function columns({ data }: TimeSeries): uPlot.AlignedData {
    return [
        data.map(({ begin }) => Date.parse(begin) / 1000),
        data.map(({ events }) => events),
        data.map(({ users }) => users),
    ];
}

function options(element: HTMLElement, series: TimeSeries, point: (index: number | null) => void): uPlot.Options {
    const style = getComputedStyle(element);
    const colour = (name: string) => style.getPropertyValue(name);
    const { axis } = labels(series.interval, series.tz);
    const font = `12px ${style.fontFamily}`;
    const bars = (align: -1 | 1) => uPlot.paths.bars?.({ size: [0.38, 18], align, gap: 1 });
    const look: uPlot.Axis = {
        stroke: colour("--chart-ink"),
        font,
        grid: { show: false },
        ticks: { show: false },
        gap: 8,
    };
    const named = (label: string, name: string, align: -1 | 1): uPlot.Series => {
        const paths = bars(align);
        return { label, fill: colour(name), width: 0, points: { show: false }, ...(paths && { paths }) };
    };
    return {
        width: element.clientWidth,
        height: HEIGHT_PX,
        padding: [8, 8, 0, 0],
        legend: { show: false },
        cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
        scales: {
            x: { time: true, range: rangeWithMargins },
            y: { range: (_plot, _least, most) => [0, Math.max(4, most * 1.08)] },
        },
        series: [{}, named("Events", "--chart-events", -1), named("People", "--chart-people", 1)],
        axes: [
            { ...look, size: 32, splits: (plot) => fewOf(plot), values: (_plot, splits) => splits.map(axis) },
            {
                ...look,
                size: 52,
                incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7, 1e8],
                grid: { stroke: colour("--chart-line"), width: 1 },
                values: (_plot, splits) => splits.map(compact),
            },
        ],
        hooks: { setCursor: [(plot) => point(plot.cursor.idx ?? null)] },
    };
}

/** Half an interval on both sides, or the first and the last bar were cut in two. */
function rangeWithMargins(plot: uPlot, least: number, most: number): [number, number] {
    const times = plot.data[0];
    const step = times.length > 1 ? (most - least) / (times.length - 1) : 3_600;
    return [least - step / 2, most + step / 2];
}

/** Labels at the beginnings of intervals, as many as have room. */
function fewOf(plot: uPlot): number[] {
    const times = plot.data[0];
    const room = Math.max(1, Math.floor(plot.width / LABEL_PX));
    const every = Math.max(1, Math.ceil(times.length / room));
    return Array.from(times).filter((_time, index) => index % every === Math.floor(every / 2));
}
