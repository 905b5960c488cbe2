/** Figures and times as people read them, in the language and time zone of the browser. */

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const decimal = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const share = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
// Dates of posts are days without a place; some are of 1790, when no zone had a whole offset.
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeZone: "UTC" });

export const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;

const isFigure = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);
const NOTHING = "–";

export function count(value: number | null | undefined): string {
    return isFigure(value) ? whole.format(value) : NOTHING;
}

export function rate(value: number | null | undefined): string {
    if (!isFigure(value)) return NOTHING;
    return value >= 100 ? whole.format(value) : decimal.format(value);
}

export function compact(value: number): string {
    return short.format(value);
}

export function percent(value: number | null | undefined): string {
    return isFigure(value) ? share.format(value) : NOTHING;
}

export function bytes(value: number | null | undefined): string {
    if (!isFigure(value)) return NOTHING;
    const mebibytes = value / 2 ** 20;
    return mebibytes >= 1024 ? `${decimal.format(mebibytes / 1024)} GiB` : `${whole.format(mebibytes)} MiB`;
}

export function milliseconds(value: number | null | undefined): string {
    return isFigure(value) ? `${value < 10 ? decimal.format(value) : whole.format(value)} ms` : NOTHING;
}

export function seconds(value: number | null | undefined): string {
    return isFigure(value) ? `${rate(value)} s` : NOTHING;
}

export function time(at: number | string): string {
    const date = new Date(at);
    return Number.isNaN(date.getTime()) ? NOTHING : clock.format(date);
}

export function date(at: string): string {
    const moment = new Date(at);
    return Number.isNaN(moment.getTime()) ? NOTHING : day.format(moment);
}

/** 1st, 2nd, 3rd, 11th, 19th century. */
export function century(number: number): string {
    const isTeen = Math.floor((number % 100) / 10) === 1;
    const ending = isTeen ? "th" : (["th", "st", "nd", "rd"][number % 10] ?? "th");
    return `${number}${ending} century`;
}

/** The name of a country from its two letters; what is no country stays as it is. */
export function country(code: string): string {
    if (!/^[A-Z]{2}$/.test(code)) return code || "unknown";
    try {
        return new Intl.DisplayNames(undefined, { type: "region", fallback: "code" }).of(code) ?? code;
    } catch {
        return code;
    }
}
