import { count, country } from "../figures";
import { addressOf } from "../post_address";
import type { Country, TopAuthor, TopPost } from "../shapes";
import { Ranking } from "./ranking";

export function TopPosts() {
    return (
        <Ranking<TopPost>
            id="top-posts"
            title="Top posts"
            path="/api/analytics/top-posts?limit=10"
            whenEmpty="No post has been viewed, liked or commented on yet."
            what="Post"
            hasTitles
            label={(post) => (
                <>
                    <a href={addressOf(post)}>{post.title}</a>
                    <span class="by">{post.author?.name ?? "unknown author"}</span>
                </>
            )}
            keyOf={(post) => post.id}
            columns={[
                { name: "Views", value: (post) => count(post.views) },
                { name: "Likes", value: (post) => count(post.likes) },
                { name: "Comments", value: (post) => count(post.comments) },
            ]}
        />
    );
}

export function TopAuthors() {
    return (
        <Ranking<TopAuthor>
            id="top-authors"
            title="Top authors"
            path="/api/analytics/top-authors?limit=10"
            whenEmpty="Nobody has written anything yet."
            what="Author"
            label={(author) => author.name ?? "unknown author"}
            keyOf={(author) => author.id}
            columns={[
                { name: "Posts", value: (author) => count(author.posts) },
                { name: "Views", value: (author) => count(author.views) },
                { name: "Likes", value: (author) => count(author.likes) },
            ]}
        />
    );
}

export function Countries() {
    return (
        <Ranking<Country>
            id="countries"
            title="Countries"
            path="/api/analytics/countries?limit=10"
            whenEmpty="No event has told its country yet."
            what="Country"
            label={(row) => (row.country === null ? "not told" : country(row.country))}
            keyOf={(row) => row.country ?? ""}
            columns={[
                { name: "People", value: (row) => count(row.users) },
                { name: "Events", value: (row) => count(row.events) },
            ]}
        />
    );
}
