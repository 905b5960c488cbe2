import { useState } from "preact/hooks";
import { Panel } from "../panel";
import { PassingButton } from "../passing_button";
import { useReading } from "../reading";
import type { Projections as Answer } from "../shapes";
import { Parked } from "./parked";
import { Partitions } from "./partitions";
import { keepToken, keptToken } from "./token";
import { TokenForm } from "./token_form";

const EVERY_MS = 5_000;

export function Projections() {
    const [token, setToken] = useState(keptToken);
    const reading = useReading<Answer>(token === null ? null : "/api/projections", EVERY_MS, token);
    const use = (next: string | null) => {
        keepToken(next);
        setToken(next);
    };
    const isRefused = reading.trouble?.status === 401 || reading.trouble?.status === 403;
    const isAsking = token === null || isRefused;
    return (
        <Panel
            id="projections"
            title="Projections"
            reading={reading}
            isEmpty={({ data, unreachable = [] }) => data.length === 0 && unreachable.length === 0}
            whenEmpty="No projection has reported yet."
            choices={
                token !== null && (
                    <PassingButton class="plain" onClick={() => use(null)}>
                        Forget the token
                    </PassingButton>
                )
            }
            instead={
                isAsking && <TokenForm refusal={token !== null && isRefused ? (reading.trouble?.detail ?? null) : null} use={use} />
            }
        >
            {({ data, unreachable = [] }) => (
                <>
                    {unreachable.length > 0 && (
                        <p class="warning">
                            <strong>Not everything is shown.</strong> {`No answer from ${unreachable.join(", ")}.`}
                        </p>
                    )}
                    {data.map((projection) => (
                        <section key={projection.projection} class="projection" aria-label={`Projection ${projection.projection}`}>
                            <h3>{projection.projection}</h3>
                            <Partitions projection={projection} />
                            <Parked projection={projection} />
                        </section>
                    ))}
                </>
            )}
        </Panel>
    );
}
