import { count, seconds } from "../figures";
import type { Projection } from "../shapes";

/** The sum first; each partition for those who ask, and at once when one does not run. */
export function Partitions({ projection }: { projection: Projection }) {
    const { lagRecords, lagSeconds, partitions } = projection;
    const halted = partitions.filter(({ reason }) => reason);
    return (
        <>
            <dl class="facts">
                <div>
                    <dt>Records behind</dt>
                    <dd>{count(lagRecords)}</dd>
                </div>
                <div>
                    <dt>Time behind</dt>
                    <dd>{seconds(lagSeconds)}</dd>
                </div>
                <div>
                    <dt>Parked</dt>
                    <dd>{count(projection.parked.length)}</dd>
                </div>
            </dl>
            {halted.map(({ partition, state, reason }) => (
                <p key={partition} class="warning">
                    <strong>{`Partition ${partition} is ${state}.`}</strong> {reason}
                </p>
            ))}
            <details>
                <summary>{`${partitions.length} partitions`}</summary>
                <div class="scroll" role="region" aria-label={`Partitions of ${projection.projection}`} tabIndex={0}>
                    <table>
                        <thead>
                            <tr>
                                <th scope="col">Partition</th>
                                <th scope="col">State</th>
                                <th scope="col" class="number">Next offset</th>
                                <th scope="col" class="number">Records behind</th>
                                <th scope="col" class="number">Time behind</th>
                            </tr>
                        </thead>
                        <tbody>
                            {partitions.map((row) => (
                                <tr key={row.partition}>
                                    <th scope="row">{row.partition}</th>
                                    <td>{row.state}</td>
                                    <td class="number">{count(row.nextOffset)}</td>
                                    <td class="number">{count(row.lagRecords)}</td>
                                    <td class="number">{seconds(row.lagSeconds)}</td>
                                </tr>
                            ))}
                        </tbody>
                    </table>
                </div>
            </details>
        </>
    );
}
