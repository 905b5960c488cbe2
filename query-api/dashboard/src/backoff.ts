const FIRST_MS = 1_000;

/** How long to wait after so many failures in a row: doubling, with a jitter so that open pages do not come back at once. */
export function pauseAfter(failures: number, mostMs: number): number {
    const whole = Math.min(mostMs, FIRST_MS * 2 ** Math.max(0, failures - 1));
    return Math.round(whole * (0.75 + Math.random() * 0.25));
}
