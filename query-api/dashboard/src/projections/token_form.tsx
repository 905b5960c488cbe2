import { useState } from "preact/hooks";
import { useFocusPassedOn } from "../passing_button";

/** Asks for a bearer token. `refusal` says why the one before was not good enough. */
export function TokenForm({ refusal, use }: { refusal: string | null; use: (token: string) => void }) {
    const [token, setToken] = useState("");
    const form = useFocusPassedOn<HTMLFormElement>();
    return (
        <form
            ref={form}
            class="token-form"
            onSubmit={(event) => {
                event.preventDefault();
                const plain = token.trim().replace(/^Bearer\s+/i, "");
                if (plain) use(plain);
            }}
        >
            {refusal ? (
                <p role="status">
                    <strong>This token is not good enough.</strong> {refusal}
                </p>
            ) : (
                <p>The state of the projections is shown to editors and admins.</p>
            )}
            <label for="token-box">Bearer token of an editor or admin</label>
            <div class="token-line">
                <input
                    id="token-box"
                    type="password"
                    autoComplete="off"
                    aria-describedby="token-note"
                    value={token}
                    onInput={(event) => setToken(event.currentTarget.value)}
                />
                <button type="submit">Show</button>
            </div>
            <p id="token-note" class="note">
                It is kept in this tab only, until the tab is closed.
            </p>
        </form>
    );
}
