import { count } from "../figures";
import type { Projection } from "../shapes";

/** Aggregates whose events wait for an operator. */
export function Parked({ projection: { projection, parked } }: { projection: Projection }) {
    if (parked.length === 0) return <p class="calm">No aggregate is parked.</p>;
    return (
        <div class="scroll" role="region" aria-label={`Parked by ${projection}`} tabIndex={0}>
            <table class="parked">
                <caption>Parked aggregates</caption>
                <thead>
                    <tr>
                        <th scope="col">Key</th>
                        <th scope="col">Position</th>
                        <th scope="col" class="number">Waiting</th>
                        <th scope="col">Standing</th>
                        <th scope="col">Reason</th>
                    </tr>
                </thead>
                <tbody>
                    {parked.map((row) => (
                        <tr key={`${row.partition}-${row.key}`}>
                            <th scope="row" class="code">{row.key}</th>
                            <td class="code">{`${row.partition} / ${row.offset}`}</td>
                            <td class="number">{count(row.letters)}</td>
                            <td>{row.standing ?? "–"}</td>
                            <td class="reason">{row.reason ?? "–"}</td>
                        </tr>
                    ))}
                </tbody>
            </table>
        </div>
    );
}
