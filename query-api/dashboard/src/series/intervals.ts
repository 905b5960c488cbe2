import type { Interval } from "../shapes";

const HOUR_S = 3_600;
const DAY_S = 24 * HOUR_S;

/** How far back each interval looks: enough bars for a shape, few enough to tell them apart. */
export const intervals: Record<Interval, { name: string; range: string; seconds: number }> = {
    hour: { name: "Hour", range: "the last two days", seconds: 2 * DAY_S },
    day: { name: "Day", range: "the last 30 days", seconds: 30 * DAY_S },
    week: { name: "Week", range: "the last half year", seconds: 26 * 7 * DAY_S },
    month: { name: "Month", range: "the last two years", seconds: 730 * DAY_S },
};

const formats: Record<Interval, Intl.DateTimeFormatOptions> = {
    hour: { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
    day: { day: "numeric", month: "short", year: "numeric" },
    week: { day: "numeric", month: "short", year: "numeric" },
    month: { month: "long", year: "numeric" },
};

const axisFormats: Record<Interval, Intl.DateTimeFormatOptions> = {
    hour: { weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
    day: { day: "numeric", month: "short" },
    week: { day: "numeric", month: "short" },
    month: { month: "short", year: "2-digit" },
};

export function labels(interval: Interval, tz: string): { full: (at: number) => string; axis: (at: number) => string } {
    const full = formatter(formats[interval], tz);
    const axis = formatter(axisFormats[interval], tz);
    return {
        full: (at) => (interval === "week" ? `week of ${full.format(at * 1000)}` : full.format(at * 1000)),
        axis: (at) => axis.format(at * 1000),
    };
}

/** A zone that the server knows and the browser does not is no reason to show nothing. */
function formatter(options: Intl.DateTimeFormatOptions, tz: string): Intl.DateTimeFormat {
    try {
        return new Intl.DateTimeFormat(undefined, { ...options, timeZone: tz });
    } catch {
        return new Intl.DateTimeFormat(undefined, options);
    }
}

/** From the beginning of the hour, so that the address stays the same for an hour and a poll can be answered by a 304. */
export function rangeOf(interval: Interval, nowMs: number): { from: string; to: string } {
    const to = (Math.floor(nowMs / 1000 / HOUR_S) + 1) * HOUR_S;
    return { from: iso(to - intervals[interval].seconds), to: iso(to) };
}

function iso(seconds: number): string {
    return new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
}
