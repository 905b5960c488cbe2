import { count } from "../figures";
import type { Projection } from "../shapes";

/** Aggregates whose events wait for an operator. A list and no table: the reasons are sentences. */
export function Parked({ projection: { projection, parked } }: { projection: Projection }) {
    if (parked.length === 0) return <p class="calm">No aggregate is parked.</p>;
    return (
        <>
            <h4>Parked aggregates</h4>
            <ul class="scroll parked" role="list" tabIndex={0} aria-label={`Parked by ${projection}`}>
                {parked.map((row) => (
                    <li key={`${row.partition}-${row.key}`}>
                        <span class="code">{row.key}</span>
                        <span class="parked-facts">
                            {[
                                `partition ${row.partition}, offset ${row.offset}`,
                                `${count(row.letters)} ${row.letters === 1 ? "event" : "events"}`,
                                row.standing,
                            ]
                                .filter(Boolean)
                                .join(" · ")}
                        </span>
                        {row.reason && <p>{row.reason}</p>}
                    </li>
                ))}
            </ul>
        </>
    );
}
