import { Feed } from "./live/feed";
import { LiveFigures } from "./live/live_figures";
import { Overview } from "./overview/overview";
import { Projections } from "./projections/projections";
import { Countries, TopAuthors, TopPosts } from "./rankings/rankings";
import { Search } from "./search/search";
import { Series } from "./series/series";
import { ThemeChoice } from "./theme_choice";

const places = [
    { id: "overview", name: "Overview" },
    { id: "series", name: "Over time" },
    { id: "top-posts", name: "Rankings" },
    { id: "search", name: "Search" },
    { id: "live", name: "Live" },
    { id: "projections", name: "Projections" },
];

export function Page() {
    return (
        <>
            <a class="skip" href="#main">
                To the figures
            </a>
            <header class="page-head">
                <h1>
                    Groot <span>dashboard</span>
                </h1>
                <ThemeChoice />
                <nav aria-label="Parts of the page">
                    <ul>
                        {places.map(({ id, name }) => (
                            <li key={id}>
                                <a href={`#${id}`}>{name}</a>
                            </li>
                        ))}
                    </ul>
                </nav>
            </header>
            <main id="main" tabIndex={-1}>
                <Overview />
                <Series />
                <TopPosts />
                <TopAuthors />
                <Countries />
                <Search />
                <LiveFigures />
                <Feed />
                <Projections />
            </main>
            <footer class="page-foot">
                <p>
                    Every figure is read from a projection and says how old it is.{" "}
                    <a href="/api/docs">The API</a> has the same figures.
                </p>
            </footer>
        </>
    );
}
