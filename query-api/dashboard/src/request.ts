/** Why something could not be read, in words for a person. */
export class Trouble extends Error {
    constructor(
        readonly detail: string,
        readonly status: number,
        readonly retryAfterMs: number | null = null,
    ) {
        super(detail);
    }
}

export interface Answer<T> {
    body: T;
    /** Groot says itself that this is older than it should be. */
    isStale: boolean;
}

interface Options {
    token?: string | null;
    signal?: AbortSignal;
    cache?: RequestCache;
}

const LIMIT_MS = 15_000;
const UNREACHABLE = "The query API cannot be reached.";

/** Reads JSON. Throws Trouble for anything else, but an AbortError when the caller gave up. */
export async function read<T>(path: string, { token, signal, cache }: Options = {}): Promise<Answer<T>> {
    const limit = AbortSignal.timeout(LIMIT_MS);
    const headers: Record<string, string> = { Accept: "application/json, application/problem+json" };
    if (token) headers.Authorization = `Bearer ${token}`;
    let response: Response;
    try {
        response = await fetch(path, {
            headers,
            // With an ETag a figure that has not changed costs a 304; a cached one would be minutes old.
            cache: cache ?? "no-cache",
            signal: signal ? AbortSignal.any([signal, limit]) : limit,
        });
    } catch (error) {
        if (signal?.aborted) throw error;
        if (limit.aborted) throw new Trouble("There was no answer within 15 seconds.", 0);
        throw new Trouble(UNREACHABLE, 0);
    }
    const body = await json(response);
    if (!response.ok) throw trouble(response, body);
    if (body === undefined) throw new Trouble("The answer is not JSON. Is this the address of a query API?", response.status);
    return { body: body as T, isStale: response.headers.get("Groot-Stale") === "true" };
}

async function json(response: Response): Promise<unknown> {
    try {
        return await response.json();
    } catch {
        return undefined;
    }
}

function trouble(response: Response, body: unknown): Trouble {
    const problem = (body ?? {}) as { title?: string; detail?: string; errors?: { field: string; message: string }[] };
    const fields = (problem.errors ?? []).map((error) => `${error.field}: ${error.message}`);
    const said = [problem.detail ?? problem.title, ...fields].filter(Boolean).join(" ");
    const seconds = Number(response.headers.get("Retry-After") ?? Number.NaN);
    return new Trouble(
        said || `The answer was ${response.status} without a reason.`,
        response.status,
        Number.isFinite(seconds) ? seconds * 1000 : null,
    );
}

/** Why a plain request for the path is refused, if it is and the server says why. */
export async function refusal(path: string, signal: AbortSignal): Promise<string | null> {
    try {
        const response = await fetch(path, { signal });
        if (response.ok) {
            // It may be a stream without an end.
            await response.body?.cancel();
            return null;
        }
        const problem = (await json(response)) as { detail?: string; title?: string } | undefined;
        return problem?.detail ?? problem?.title ?? null;
    } catch {
        return signal.aborted ? null : UNREACHABLE;
    }
}

/** The path with those parameters that have a value. */
export function withParams(path: string, params: Record<string, string | number | null | undefined>): string {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(params)) {
        if (value !== null && value !== undefined && value !== "") query.set(name, String(value));
    }
    const text = query.toString();
    return text ? `${path}?${text}` : path;
}
