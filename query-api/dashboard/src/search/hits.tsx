import { date } from "../figures";
import { addressOf } from "../post_address";
import type { Hit } from "../shapes";
import { Marked } from "./marked";

export function Hits({ hits }: { hits: Hit[] }) {
    return (
        <ol class="hits">
            {hits.map((hit) => (
                <li key={hit.id}>
                    <HitView hit={hit} />
                </li>
            ))}
        </ol>
    );
}

function HitView({ hit }: { hit: Hit }) {
    const title = hit.highlights.title[0];
    const extracts = hit.highlights.excerpt.length > 0 ? hit.highlights.excerpt : hit.highlights.text;
    return (
        <article class="hit">
            <h3>
                <a href={addressOf(hit)}>{title ? <Marked html={title} /> : hit.title}</a>
            </h3>
            <p class="hit-facts">
                {[hit.author?.name ?? "unknown author", hit.publishedAt ? date(hit.publishedAt) : "not published"].join(" · ")}
            </p>
            {extracts.length > 0 && (
                <p class="hit-extract">
                    {extracts.map((html, index) => (
                        <span key={index}>
                            {index > 0 && " … "}
                            <Marked html={html} />
                        </span>
                    ))}
                </p>
            )}
        </article>
    );
}
