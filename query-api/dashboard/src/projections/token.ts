const KEY = "groot-token";

/** Kept for this tab alone, and gone with it. */
export function keptToken(): string | null {
    try {
        return sessionStorage.getItem(KEY);
    } catch {
        return null;
    }
}

export function keepToken(token: string | null): void {
    try {
        if (token === null) sessionStorage.removeItem(KEY);
        else sessionStorage.setItem(KEY, token);
    } catch {
        // Where nothing can be kept the token holds until the page is left.
    }
}
