import { WINDOW_MS } from "./use_metrics";

export interface Point {
    at: number;
    value: number;
}

const WIDTH = 240;
const HEIGHT = 40;
/** A longer hole between two points is one in the line as well. */
const HOLE_MS = 3_500;

/** The last two minutes, the newest at the right edge. For the eye only: the figure stands beside it. */
export function Sparkline({ points, least }: { points: Point[]; least: number }) {
    const now = points.at(-1)?.at ?? 0;
    // The top is never below `least`, so that noise around nothing looks like nothing.
    const top = Math.max(least, ...points.map(({ value }) => value));
    const x = (at: number) => WIDTH - ((now - at) / WINDOW_MS) * WIDTH;
    const y = (value: number) => HEIGHT - 1 - (value / top) * (HEIGHT - 3);
    return (
        <svg class="sparkline" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
            <line x1="0" x2={WIDTH} y1={HEIGHT - 0.5} y2={HEIGHT - 0.5} class="sparkline-ground" />
            {pieces(points).map((piece) => (
                <polyline
                    key={piece[0]?.at}
                    points={piece.map(({ at, value }) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join(" ")}
                />
            ))}
        </svg>
    );
}

function pieces(points: Point[]): Point[][] {
    const all: Point[][] = [];
    let before: Point | undefined;
    for (const point of points) {
        if (before && point.at - before.at < HOLE_MS) all.at(-1)?.push(point);
        else all.push([point]);
        before = point;
    }
    return all;
}
