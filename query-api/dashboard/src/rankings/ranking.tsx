import type { ComponentChildren } from "preact";
import { Panel } from "../panel";
import { useReading } from "../reading";
import type { List } from "../shapes";

const EVERY_MS = 30_000;

interface Column<T> {
    name: string;
    value: (row: T) => string;
}

interface RankingProps<T> {
    id: string;
    title: string;
    path: string;
    whenEmpty: string;
    /** The heading of the first column, and what stands in it. */
    what: string;
    label: (row: T) => ComponentChildren;
    keyOf: (row: T) => string;
    columns: Column<T>[];
    /** The first column is long. */
    hasTitles?: boolean;
}

/** A panel with a table of the ten first. */
export function Ranking<T>({ id, title, path, whenEmpty, what, label, keyOf, columns, hasTitles = false }: RankingProps<T>) {
    const reading = useReading<List<T>>(path, EVERY_MS);
    return (
        <Panel id={id} title={title} reading={reading} isEmpty={({ data }) => data.length === 0} whenEmpty={whenEmpty}>
            {({ data }) => (
                <table class={`ranking ${hasTitles ? "titles" : ""}`} role="table">
                    <caption class="unseen">{title}</caption>
                    <thead role="rowgroup">
                        <tr role="row">
                            <th scope="col" role="columnheader">{what}</th>
                            {columns.map(({ name }) => (
                                <th key={name} scope="col" role="columnheader" class="number">
                                    {name}
                                </th>
                            ))}
                        </tr>
                    </thead>
                    <tbody role="rowgroup">
                        {data.map((row) => (
                            <tr role="row" key={keyOf(row)}>
                                <th scope="row" role="rowheader">{label(row)}</th>
                                {columns.map(({ name, value }) => (
                                    <td key={name} role="cell" class="number">
                                        {value(row)}
                                    </td>
                                ))}
                            </tr>
                        ))}
                    </tbody>
                </table>
            )}
        </Panel>
    );
}
