import { count, rate } from "../figures";
import { Panel } from "../panel";
import { useReading } from "../reading";
import type { Overview as Figures } from "../shapes";
import { Spoken } from "../spoken";

const EVERY_MS = 5_000;
const SPOKEN_EVERY_MS = 30_000;

export function Overview() {
    const reading = useReading<Figures>("/api/analytics/overview", EVERY_MS);
    return (
        <Panel
            id="overview"
            title="Overview"
            reading={reading}
            isEmpty={(figures) => figures.events === 0 && figures.posts === 0}
            whenEmpty="Nothing has happened yet: no posts and no events."
        >
            {(figures) => (
                <>
                    <dl class="tiles">
                        {tiles(figures).map(({ name, value }) => (
                            <div key={name} class="tile">
                                <dt>{name}</dt>
                                <dd>{value}</dd>
                            </div>
                        ))}
                    </dl>
                    <Spoken text={sentence(figures)} everyMs={SPOKEN_EVERY_MS} />
                </>
            )}
        </Panel>
    );
}

function tiles(figures: Figures): { name: string; value: string }[] {
    return [
        { name: "Posts", value: count(figures.posts) },
        { name: "Authors", value: count(figures.authors) },
        { name: "Views", value: count(figures.views) },
        { name: "Likes", value: count(figures.likes) },
        { name: "Comments", value: count(figures.comments) },
        { name: "Events a second", value: rate(figures.eventsPerSecond) },
    ];
}

function sentence(figures: Figures): string {
    return `Overview: ${tiles(figures).map(({ name, value }) => `${name.toLowerCase()} ${value}`).join(", ")}.`;
}
