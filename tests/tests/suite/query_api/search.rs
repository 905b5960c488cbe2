//! Searches, of posts as the projection writes them.

use std::collections::BTreeSet;
use std::time::Duration;

use projectors::search::fold::expected;
use read_model::search::{Elasticsearch, SearchNames, ensure};
use read_model::{Checkpoint, Post, PostStatus, PostType, SEARCH};
use serde_json::{Value, json};
use service::auth::Role;
use uuid::Uuid;

use super::world::{LOG, NOWHERE, World, at, position, post, shared};

/// A query-api with indexes of its own.
struct Searched {
    world: World,
    elasticsearch: Elasticsearch,
    names: SearchNames,
}

impl Searched {
    async fn start() -> Self {
        let addresses = shared().await.addresses();
        let world = World::beside(&addresses.mongodb_uri, &addresses.elasticsearch_url).await;
        let elasticsearch = Elasticsearch::new(&addresses.elasticsearch_url, Duration::from_secs(30)).unwrap();
        let names = SearchNames::new(world.db.name());
        ensure(&elasticsearch, &names).await.unwrap();
        Self { world, elasticsearch, names }
    }

    /// Writes posts as the projection does; searches may see them later.
    async fn write(&self, posts: &[Post]) {
        let line = |post: &Post| {
            let action = json!({ "index": { "_index": self.names.posts(), "_id": post.id } });
            format!("{action}\n{}\n", json!(expected(post)))
        };
        let lines: String = posts.iter().map(line).collect();
        let answer = self.elasticsearch.lines("_bulk", lines.into_bytes()).await.unwrap();
        assert_eq!(answer["errors"], false, "{answer}");
    }

    /// Writes posts, and lets searches see them.
    async fn insert(&self, posts: &[Post]) {
        self.write(posts).await;
        self.elasticsearch.refresh(&self.names.posts()).await.unwrap();
    }

    /// What is written from now on stays hidden from searches until a refresh is asked for.
    async fn shows_nothing_by_itself(&self) {
        let index = self.names.posts();
        let settings = json!({ "index.refresh_interval": "-1" });
        self.elasticsearch.put(&format!("{index}/_settings"), &settings).await.unwrap();
        // A refresh that was due already does not come once the index was closed.
        for step in ["_close", "_open"] {
            self.elasticsearch.act(&format!("{index}/{step}")).await.unwrap();
        }
        self.elasticsearch.get(&format!("_cluster/health/{index}?wait_for_status=yellow&timeout=60s")).await.unwrap();
    }

    async fn checkpoint(&self, next_offset: i64) {
        let checkpoint = Checkpoint {
            id: SEARCH.checkpoint_id(0),
            log_id: LOG,
            partition: 0,
            next_offset,
            epoch_offset: None,
            nonce: None,
            next_seq: 0,
            last_record_id: None,
            updated_at: at(0),
            rev: 1,
        };
        let path = format!("{}/_doc/{}", self.names.checkpoints(), checkpoint.id);
        self.elasticsearch.put(&path, &json!(checkpoint)).await.unwrap();
    }

    async fn find(&self, query: &str) -> Value {
        self.world.get(&format!("/api/search?{query}")).await.expect(200).body
    }

    async fn titles(&self, query: &str) -> Vec<String> {
        let found = self.find(query).await;
        let title = |hit: &Value| hit["title"].as_str().unwrap().to_owned();
        found["data"].as_array().unwrap().iter().map(title).collect()
    }

    async fn end(self) {
        for index in self.names.indexes() {
            self.elasticsearch.delete(&index).await.unwrap();
        }
        self.world.end().await;
    }
}

fn titled(number: u32, title: &str, content: &str) -> Post {
    Post { title: title.into(), content: content.into(), ..post(number) }
}

#[tokio::test]
async fn words_are_found_in_all_their_forms_over_all_fields_and_the_title_counts_most() {
    let searched = Searched::start().await;
    searched
        .insert(&[
            titled(1, "On gardens", "The canal was dug by **hand**, they say, and boats go through it."),
            titled(2, "The canals of the north", "Water and stone."),
            titled(3, "On mending", "Nothing here about it."),
        ])
        .await;
    assert_eq!(searched.titles("q=canal").await, ["The canals of the north", "On gardens"]);
    assert_eq!(searched.titles("q=canals").await, ["The canals of the north", "On gardens"]);
    assert_eq!(searched.titles("q=gardens+boat").await, ["On gardens"], "one word in the title, the other in the text");
    assert_eq!(searched.titles("q=mended").await, ["On mending"]);
    assert_eq!(searched.titles("q=the+it").await.len(), 1, "words that say nothing are found when there are no others");
    assert_eq!(searched.titles("q=steamboat").await, Vec::<String>::new());
    searched.end().await;
}

#[tokio::test]
async fn words_a_letter_off_are_found_behind_all_that_fit() {
    let searched = Searched::start().await;
    searched.insert(&[titled(1, "Lincon", "x"), titled(2, "Lincoln", "x"), titled(3, "Washington", "x")]).await;
    assert_eq!(searched.titles("q=lincoln").await, ["Lincoln", "Lincon"]);
    assert_eq!(searched.titles("q=lincon").await, ["Lincon", "Lincoln"]);
    assert_eq!(searched.titles("q=washingtno").await, ["Washington"]);
    searched.end().await;
}

#[tokio::test]
async fn words_a_letter_off_are_left_out_where_ten_posts_have_them_as_typed() {
    let searched = Searched::start().await;
    let similar = titled(99, "Lincon", "x");
    let exact: Vec<Post> = (1..=10).map(|number| titled(number, "Lincoln", "x")).collect();
    searched.insert(&[&[similar], &exact[..9]].concat()).await;
    let first = searched.find("q=lincoln&limit=9").await;
    let next = searched.find(&format!("q=lincoln&limit=9&cursor={}", first["nextCursor"].as_str().unwrap())).await;
    assert_eq!([&first["total"], &next["total"]], [10, 10]);
    assert_eq!(next["data"][0]["title"], "Lincon", "the search behind a cursor is the one before it");
    assert_eq!(next["data"].as_array().unwrap().len(), 1);

    searched.insert(&exact[9..]).await;
    let enough = searched.find("q=lincoln&limit=9").await;
    let next = searched.find(&format!("q=lincoln&limit=9&cursor={}", enough["nextCursor"].as_str().unwrap())).await;
    assert_eq!([&enough["total"], &next["total"]], [10, 10]);
    assert_eq!(next["data"][0]["title"], "Lincoln");
    assert_eq!(searched.find("q=lincon").await["total"], 11, "one post is not enough");
    searched.end().await;
}

#[tokio::test]
async fn a_phrase_is_found_as_it_is() {
    let searched = Searched::start().await;
    searched
        .insert(&[
            titled(1, "One", "Of the state of *our* union much is said."),
            titled(2, "Two", "The state of the union is strong."),
        ])
        .await;
    assert_eq!(searched.titles("q=%22state+of+the+union%22").await, ["Two"]);
    assert_eq!(searched.titles("q=%22of+our+union%22").await, ["One"], "markup stands in no phrase's way");
    assert_eq!(searched.titles("q=%22of+our+union%22+state").await, ["One"]);
    assert_eq!(searched.titles("q=%22union+the+of%22").await, Vec::<String>::new());
    searched.end().await;
}

#[tokio::test]
async fn highlights_mark_the_words_and_escape_everything_else() {
    let searched = Searched::start().await;
    searched.insert(&[titled(1, "A <b>canal</b> & more", "Some `<script>` beside the canal.")]).await;
    let hit = &searched.find("q=canals").await["data"][0];
    assert_eq!(hit["highlights"]["title"][0], "A &lt;b&gt;<mark>canal</mark>&lt;&#x2F;b&gt; &amp; more");
    assert_eq!(hit["highlights"]["text"][0], "Some &lt;script&gt; beside the <mark>canal</mark>.");
    assert!(hit["score"].as_f64().unwrap() > 0.0);
    searched.end().await;
}

#[tokio::test]
async fn filters_narrow_and_facets_count_all_hits() {
    let searched = Searched::start().await;
    let author = Uuid::from_u128(77);
    searched.world.insert_person(author, "Ada").await;
    let posts = [
        Post { tags: vec!["old".into()], published_at: Some(at(-5_680_195_200)), author_id: author, ..post(1) },
        Post { tags: vec!["old".into(), "new".into()], post_type: PostType::Note, ..post(2) },
        Post { tags: vec!["new".into()], ..post(3) },
    ];
    searched.insert(&posts).await;
    let found = searched.find("q=post&limit=1").await;
    assert_eq!((&found["total"], found["data"].as_array().unwrap().len()), (&3.into(), 1));
    let facets = &found["facets"];
    assert_eq!(facets["tags"], json!([{ "value": "new", "count": 2 }, { "value": "old", "count": 2 }]));
    assert_eq!(facets["centuries"], json!([{ "century": 18, "count": 1 }, { "century": 20, "count": 2 }]));
    assert_eq!(facets["types"], json!([{ "value": "article", "count": 2 }, { "value": "note", "count": 1 }]));
    assert!(facets["authors"].as_array().unwrap().contains(&json!({ "id": author, "name": "Ada", "count": 1 })));

    let only = async |query: &str| {
        let mut titles = searched.titles(&format!("q=post&{query}")).await;
        titles.sort();
        titles
    };
    assert_eq!(only("tag=old").await, ["Post 1", "Post 2"]);
    assert_eq!(only("tag=old&type=note").await, ["Post 2"]);
    assert_eq!(only("century=18").await, ["Post 1"]);
    assert_eq!(only(&format!("author={author}")).await, ["Post 1"]);
    assert_eq!(only("from=1900-01-01").await, ["Post 2", "Post 3"]);
    assert_eq!(only("to=1790-01-01").await, ["Post 1"]);
    searched.end().await;
}

#[tokio::test]
async fn everybody_finds_what_they_may_see_and_nothing_else() {
    let searched = Searched::start().await;
    let own = Uuid::from_u128(55);
    let of = |number, status, author_id| Post { status, author_id, ..post(number) };
    searched
        .insert(&[
            of(1, PostStatus::Published, own),
            of(2, PostStatus::Draft, own),
            of(3, PostStatus::Draft, Uuid::from_u128(56)),
            of(4, PostStatus::Deleted, Uuid::from_u128(56)),
        ])
        .await;
    let path = "/api/search?q=post&status=published,draft,scheduled,deleted&sortBy=createdAt&sortOrder=asc";
    let seen = async |token: Option<String>| {
        let answer = match token {
            Some(token) => searched.world.get_as(&token, path).await,
            None => searched.world.get(path).await,
        };
        answer.expect(200).ids().len()
    };
    assert_eq!(seen(None).await, 1);
    assert_eq!(seen(Some(searched.world.token(Role::Reader, own))).await, 1);
    assert_eq!(seen(Some(searched.world.token(Role::Author, own))).await, 2);
    assert_eq!(seen(Some(searched.world.token(Role::Editor, own))).await, 4);
    let suggested = searched.world.get_as(&searched.world.token(Role::Admin, own), "/api/search/suggest?q=po").await;
    assert_eq!(suggested.expect(200).ids(), [post(1).id], "suggestions are of published posts alone");
    searched.end().await;
}

#[tokio::test]
async fn a_walk_from_cursor_to_cursor_shows_each_hit_once_in_every_order() {
    let searched = Searched::start().await;
    let mut posts: Vec<_> = (1..=23).map(post).collect();
    for (index, post) in posts.iter_mut().enumerate() {
        post.published_at = (index % 3 > 0).then(|| at(-6_000_000_000 + index as i64 % 4));
        post.title = format!("Title {}", index % 5);
    }
    searched.insert(&posts).await;
    let orders =
        ["relevance&sortOrder=desc", "publishedAt&sortOrder=asc", "publishedAt&sortOrder=desc", "title&sortOrder=asc"];
    for order in orders {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        for stretch in 0.. {
            let path = format!("/api/search?q=title&limit=5&sortBy={order}&cursor={cursor}");
            let answer = searched.world.get(&path).await.expect(200);
            assert_eq!(answer.body["facets"].is_null(), stretch > 0);
            seen.extend(answer.ids());
            match answer.body["nextCursor"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
        }
        let distinct: BTreeSet<_> = seen.iter().collect();
        assert_eq!((seen.len(), distinct.len()), (23, 23), "{order}");
    }
    let sorted = searched.titles("q=title&limit=100&sortBy=title&sortOrder=asc").await;
    assert!(sorted.is_sorted());
    searched.end().await;
}

#[tokio::test]
async fn nothing_that_is_typed_breaks_a_search() {
    let searched = Searched::start().await;
    searched.insert(&[titled(1, "Plain words", "and more")]).await;
    let many: String = (0..240).map(|n| format!("{n} ")).collect();
    let hostile = [
        "title:(x AND [y TO z",
        "\"unclosed",
        "*",
        "?",
        "~",
        "a~2^3",
        "/.*/",
        "\\",
        "{\"match_all\":{}}",
        "AND OR NOT",
        "\u{0}\u{7}x",
        "'; DROP TABLE posts; --",
        "<script>",
        "\u{1F980}",
        "ا\u{202E}x",
        "((((((",
        "+-=&&||><!(){}[]^\"~*?:\\/ x",
        "\"a\" \"b\" \"c\" \"",
        &many,
        &"x".repeat(500),
        &"\"".repeat(500),
    ];
    for typed in hostile {
        for path in ["/api/search", "/api/search/suggest"] {
            let query = form_urlencoded::Serializer::new(String::new()).append_pair("q", typed).finish();
            let answer = searched.world.get(&format!("{path}?{query}")).await;
            assert!([200, 400].contains(&answer.status), "{typed:?} {path}: {answer:?}");
        }
    }
    assert_eq!(searched.titles("q=plain").await, ["Plain words"]);
    let bad =
        searched.world.get("/api/search?sortBy=likes&limit=0&page=1").await.expect_problem(400, "invalid-parameter");
    assert_eq!(bad.bad_fields(), ["limit", "page", "q", "sortBy"]);
    searched.end().await;
}

#[tokio::test]
async fn a_search_that_names_a_position_sees_what_was_written_there_and_waits_for_it() {
    let searched = Searched::start().await;
    searched.shows_nothing_by_itself().await;
    searched.write(&[post(1)]).await;
    searched.checkpoint(5).await;
    assert_eq!(searched.titles("q=post").await, Vec::<String>::new());
    let path = "/api/search?q=post";
    let reached = searched.world.get_at(position(4), &[("Prefer", "wait=10")], path).await.expect(200);
    assert_eq!((reached.ids().len(), reached.header("cache-control")), (1, "no-store"));

    let behind = searched.world.get_at(position(5), &[("Prefer", "wait=0")], path).await;
    behind.expect_problem(503, "projection-behind");
    let searching = searched.world.get_at(position(9), &[("Prefer", "wait=10")], path);
    let writing = async {
        searched.write(&[post(2)]).await;
        searched.checkpoint(10).await;
    };
    let (answer, ()) = tokio::join!(searching, writing);
    assert_eq!(answer.expect(200).ids().len(), 2);
    searched.end().await;
}

#[tokio::test]
async fn without_elasticsearch_searches_say_so_and_everything_else_is_served() {
    let world = World::beside(&shared().await.addresses().mongodb_uri, NOWHERE).await;
    world.insert(&[post(1)]).await;
    for path in ["/api/search?q=x", "/api/search/suggest?q=x"] {
        let answer = world.get(path).await.expect_problem(503, "dependency-unavailable");
        assert!(answer.body["detail"].as_str().unwrap().starts_with("Elasticsearch is not available"), "{answer:?}");
        assert!(answer.header("retry-after").parse::<u32>().unwrap() >= 1);
    }
    let answer = world.get_at(position(1), &[("Prefer", "wait=0")], "/api/search?q=x").await;
    answer.expect_problem(503, "dependency-unavailable");
    world.get("/api/universal/post/post-1").await.expect(200);
    world.get("/ready").await.expect(200);
    world.end().await;
}
