//! Figures, of rows as the projection writes them.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use event_log::position::Position;
use event_schema::comment::CommentAdded;
use event_schema::event::DomainEvent;
use event_schema::like::{PostLiked, PostUnliked};
use event_schema::person::PersonCreated;
use event_schema::post::{PostCreated, PostPublished, PostType};
use groot_tests::waiting::until;
use projectors::analytics::batch::Batch;
use projectors::analytics::inserts;
use projectors::analytics::write::Store;
use projectors::projection::Changes;
use read_model::ANALYTICS;
use read_model::analytics::rows::{EventRow, SOURCE_ACTIVITY};
use read_model::analytics::{AnalyticsNames, Clickhouse, ClickhouseAddress};
use serde_json::Value;
use uuid::Uuid;

use super::world::{LOG, NOWHERE, World, position, shared};
use crate::analytics::world::prepare;
use crate::ledger::histories::{Happened, meta, placed};

/// A query-api with tables of its own.
struct Counted {
    world: World,
    clickhouse: Clickhouse,
}

impl Counted {
    async fn start() -> Self {
        let addresses = shared().await.addresses();
        let world = World::with(&addresses.mongodb_uri, NOWHERE, &addresses.clickhouse_url).await;
        let address = ClickhouseAddress {
            url: addresses.clickhouse_url.clone(),
            database: world.db.name().to_owned(),
            user: String::new(),
            password: String::new(),
        };
        Self { world, clickhouse: prepare(&address).await.unwrap() }
    }

    /// Writes events from the beginning of a partition on.
    async fn write(&self, happened: Vec<Happened>) {
        let events = placed(happened, 0);
        let store = Store::new(self.clickhouse.clone(), AnalyticsNames::of(ANALYTICS), LOG);
        let from = store.load(0).await.unwrap();
        let to = Position { next_offset: events.len() as u64, ..Position::START };
        let changes = Changes::from(Arc::new(Batch::of(&events).unwrap()));
        store.write(0, changes, from, to).await.unwrap();
    }

    /// Inserts activity as it would stand in its topic.
    async fn view(&self, rows: Vec<EventRow>) {
        let batch = Batch { events: rows, ..Batch::default() };
        let span = inserts::Span::Range { from: 0, to: 1_000 };
        let store = Store::new(self.clickhouse.clone(), AnalyticsNames::of(ANALYTICS), LOG);
        for insert in inserts::inserts(AnalyticsNames::of(ANALYTICS), "views", span, &batch) {
            store.insert(&insert).await.unwrap();
        }
    }

    async fn data(&self, path: &str) -> Vec<Value> {
        self.world.get(path).await.expect(200).body["data"].as_array().unwrap().clone()
    }

    async fn end(self) {
        self.clickhouse.drop_database().await.unwrap();
        self.world.end().await;
    }
}

fn happened(id: u128, version: u64, at: DateTime<Utc>, event: impl Into<DomainEvent>) -> Happened {
    let event = event.into();
    Happened { meta: meta(Uuid::from_u128(id), version, &event, at), event }
}

fn post(id: u128, author: u128, at: DateTime<Utc>) -> [Happened; 2] {
    let created = PostCreated {
        post_type: PostType::Article,
        title: format!("Post {id}"),
        content: "c".to_owned(),
        excerpt: String::new(),
        tags: Vec::new(),
        category: String::new(),
        media: Vec::new(),
        author_id: Uuid::from_u128(author).into(),
        published_at: None,
    };
    let published_at = "1790-01-08T00:00:00Z".parse().unwrap();
    let published = PostPublished { slug: format!("post-{id}"), published_at, scheduled: false };
    [happened(id, 1, at, created), happened(id, 2, at, published)]
}

fn view(offset: u64, post: u128, at: DateTime<Utc>, session: &str, country: &str) -> EventRow {
    EventRow {
        timestamp: at.into(),
        user_id: None,
        event_type: "view".to_owned(),
        aggregate_id: None,
        post_id: Some(Uuid::from_u128(post)),
        properties: Vec::new(),
        session_id: session.to_owned(),
        ip_address: Some("::ffff:192.0.2.1".parse().unwrap()),
        user_agent: "test".to_owned(),
        country: country.to_owned(),
        region: String::new(),
        source: SOURCE_ACTIVITY.to_owned(),
        partition: 0,
        offset,
    }
}

/// Two authors; the second post is liked and said something to, the first is viewed more.
async fn told(counted: &Counted, now: DateTime<Utc>) {
    let (post_id, person_id) = (Uuid::from_u128(12).into(), Uuid::from_u128(3).into());
    let mut all = vec![happened(1, 1, now, PersonCreated { name: "Ada".to_owned() })];
    all.extend(post(11, 1, now));
    all.extend(post(12, 2, now));
    all.push(happened(13, 1, now, PostCreated { title: "A draft".to_owned(), ..created_of(post(13, 1, now)) }));
    all.push(happened(21, 1, now, PostLiked { post_id, person_id }));
    all.push(happened(22, 1, now, PostLiked { post_id, person_id: Uuid::from_u128(4).into() }));
    all.push(happened(22, 2, now, PostUnliked { post_id, person_id: Uuid::from_u128(4).into() }));
    all.push(happened(23, 1, now, CommentAdded { post_id, author_id: person_id, content: "c".to_owned() }));
    counted.write(all).await;
    let hours_ago = |hours| now - TimeDelta::hours(hours);
    counted
        .view(vec![
            view(0, 11, hours_ago(2), "a", "DE"),
            view(1, 11, hours_ago(2), "a", "DE"),
            view(2, 11, hours_ago(1), "b", "FR"),
            view(3, 12, hours_ago(1), "a", ""),
            // Of a post that nobody has heard of.
            view(4, 99, hours_ago(1), "c", "DE"),
        ])
        .await;
}

fn created_of([created, _]: [Happened; 2]) -> PostCreated {
    let DomainEvent::Post(event_schema::post::PostEvent::Created(created)) = created.event else { panic!() };
    created
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_those_of_what_was_written() {
    let counted = Counted::start().await;
    let now = Utc::now();
    told(&counted, now).await;
    let sum = counted.world.get("/api/analytics/overview").await.expect(200).body;
    for (name, figure) in [("posts", 2), ("authors", 2), ("views", 5), ("events", 15), ("likes", 1), ("comments", 1)] {
        assert_eq!(sum[name], figure, "{name} of {sum}");
    }
    assert_eq!(sum["eventsPerSecond"], 10.0 / 60.0, "{sum}");
    let before = counted.world.get("/api/analytics/overview?to=2001-01-01").await.expect(200).body;
    assert_eq!((&before["views"], &before["likes"], &before["posts"]), (&0.into(), &0.into(), &2.into()));

    let top = counted.data("/api/analytics/top-posts").await;
    let brief: Vec<_> =
        top.iter().map(|post| (&post["title"], &post["views"], &post["likes"], &post["comments"])).collect();
    let text = |text: &str| Value::from(text);
    let [three, one, zero] = [3, 1, 0].map(Value::from);
    assert_eq!(brief, [(&text("Post 11"), &three, &zero, &zero), (&text("Post 12"), &one, &one, &one)]);
    assert_eq!((&top[0]["author"]["name"], &top[1]["author"]["name"]), (&text("Ada"), &Value::Null));
    assert_eq!((&top[0]["publishedAt"], &top[0]["slug"]), (&text("1790-01-08T00:00:00Z"), &text("post-11")));
    assert_eq!(counted.data("/api/analytics/top-posts?limit=1").await.len(), 1);
    let authors = counted.data("/api/analytics/top-authors").await;
    assert_eq!(
        (authors.len(), &authors[0]["name"], &authors[0]["views"], &authors[0]["posts"]),
        (2, &text("Ada"), &three, &one)
    );
    let countries = counted.data("/api/analytics/countries?type=view").await;
    let brief: Vec<_> = countries
        .iter()
        .map(|found| (found["country"].as_str(), found["events"].as_u64(), found["sessions"].as_u64()))
        .collect();
    assert_eq!(brief, [(Some("DE"), Some(3), Some(2)), (None, Some(1), Some(1)), (Some("FR"), Some(1), Some(1))]);
    counted.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gaps_are_filled_and_states_are_put_together() {
    let counted = Counted::start().await;
    let now = Utc::now();
    told(&counted, now).await;
    let hours = counted.data("/api/analytics/events-hourly?type=view").await;
    let events: Vec<u64> = hours.iter().map(|hour| hour["events"].as_u64().unwrap()).collect();
    assert!((24..=25).contains(&events.len()), "{events:?}");
    assert_eq!(events[events.len() - 3..], [2, 3, 0], "{hours:?}");
    assert_eq!(events.iter().sum::<u64>(), 5);
    // In one piece the session that came twice is one.
    let months = counted.data("/api/analytics/timeseries?interval=month&type=view&tz=Pacific/Auckland").await;
    let sum = |name: &str| months.iter().map(|month| month[name].as_u64().unwrap()).sum::<u64>();
    assert_eq!(sum("events"), 5);
    assert!((12..=14).contains(&months.len()) && (3..=4).contains(&sum("sessions")), "{months:?}");
    let all = counted.data("/api/analytics/timeseries").await;
    assert_eq!(all.iter().map(|day| day["events"].as_u64().unwrap()).sum::<u64>(), 15);
    let injected = counted.world.get("/api/analytics/timeseries?type=x'%20OR%201%3D1").await.expect(400);
    assert_eq!(injected.bad_fields(), ["type"]);
    counted.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_figure_waits_for_the_position_that_it_must_reflect() {
    let counted = Counted::start().await;
    let ask = |offset| counted.world.get_at(position(offset), &[("Prefer", "wait=0")], "/api/analytics/overview");
    ask(0).await.expect_problem(503, "projection-behind");
    told(&counted, Utc::now()).await;
    let answer = ask(9).await.expect(200);
    assert_eq!((&answer.body["events"], answer.header("cache-control")), (&15.into(), "no-store"));
    ask(10).await.expect_problem(503, "projection-behind");
    counted.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_named_and_clickhouse_need_not_be_there_for_anything_else() {
    let world = World::start().await;
    for (path, bad) in [
        ("/api/analytics/overview?interval=day&from=x", vec!["from", "interval"]),
        (
            "/api/analytics/timeseries?interval=year&tz=Mars&from=2026-02-01&to=2026-01-01",
            vec!["from", "interval", "tz"],
        ),
        ("/api/analytics/timeseries?interval=hour&from=2026-01-01&to=2026-12-01", vec!["from"]),
        ("/api/analytics/top-posts?limit=101&type=view", vec!["limit", "type"]),
        ("/api/analytics/countries?type=", vec!["type"]),
    ] {
        let answer = world.get(path).await.expect(400);
        assert_eq!(answer.bad_fields(), bad, "{path}");
    }
    for path in ["overview", "timeseries", "events-hourly", "top-posts", "top-authors", "countries"] {
        let answer = world.get(&format!("/api/analytics/{path}")).await.expect_problem(503, "dependency-unavailable");
        assert!(answer.body["detail"].as_str().unwrap().starts_with("ClickHouse is not available"), "{answer:?}");
    }
    world.get("/api/universal/post").await.expect(200);
    world.end().await;
}

#[tokio::test]
async fn an_answer_is_shared_for_a_second_and_whoever_names_a_position_has_it_counted_anew() {
    let counted = Counted::start().await;
    let now = Utc::now();
    counted.write(post(11, 1, now).into()).await;
    let path = "/api/analytics/overview";
    assert_eq!(counted.world.get(path).await.expect(200).body["views"], 0);
    counted.view(vec![view(0, 11, now, "a", "DE"), view(1, 11, now, "b", "DE")]).await;
    let anew = counted.world.get_at(position(1), &[], path).await.expect(200);
    assert_eq!(anew.body["views"], 2);
    until("the views in the answer to all", async || {
        (counted.world.get(path).await.expect(200).body["views"] == 2).then_some(())
    })
    .await;
    counted.end().await;
}
