//! A query-api in this process, beside a database of its own on a real MongoDB.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};
use mongodb::bson::doc;
use mongodb::{Client, Database};
use query_api::{config::Config, startup};
use read_model::{Checkpoint, Comment, DOCUMENTS, Person, Post, PostEventDoc, PostStatus, PostType, Slug};
use serde_json::Value;
use service::auth::{Actor, Claims, Role, issue::Issuer};
use service::token::PositionToken;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use xtask::server::Service;
use xtask::stack::{Options, Stack};

pub const LOG: u64 = 0xfeed_beef_feed_beef;

pub struct World {
    pub db: Database,
    pub http: reqwest::Client,
    base: String,
    issuer: Issuer,
    cancel: CancellationToken,
    running: tokio::task::JoinHandle<()>,
    _keys: TempDir,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

/// Nobody listens there.
pub const NOWHERE: &str = "http://127.0.0.1:1";

/// The servers that these tests share; each has its own database and indexes in them.
pub async fn shared() -> &'static Stack {
    static STACK: OnceLock<Stack> = OnceLock::new();
    let services = [Service::Mongodb, Service::Elasticsearch, Service::Clickhouse];
    let start = move || Stack::start("test-query-api", &Options::for_test(&services)).unwrap();
    tokio::task::spawn_blocking(move || STACK.get_or_init(start)).await.unwrap()
}

impl World {
    pub async fn start() -> Self {
        Self::beside(&shared().await.addresses().mongodb_uri, NOWHERE).await
    }

    pub async fn beside(mongodb_uri: &str, elasticsearch_url: &str) -> Self {
        Self::with(mongodb_uri, elasticsearch_url, NOWHERE).await
    }

    pub async fn with(mongodb_uri: &str, elasticsearch_url: &str, clickhouse_url: &str) -> Self {
        let name = format!("query_api_{}", Uuid::now_v7().simple());
        let db = Client::with_uri_str(mongodb_uri).await.unwrap().database(&name);
        read_model::ensure_indexes(&db, DOCUMENTS).await.unwrap();
        let issuer = Issuer::generate();
        let keys = tempfile::tempdir().unwrap();
        let jwks = keys.path().join("jwks.json");
        std::fs::write(&jwks, issuer.jwks()).unwrap();
        let mut config = config(mongodb_uri, elasticsearch_url, &name, jwks.to_str().unwrap());
        config.clickhouse_url = clickhouse_url.to_owned();
        let app = startup::build(&config, None).await.unwrap();
        let base = format!("http://{}", app.http_addr().unwrap());
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        let running = tokio::spawn(async move { app.run(stop).await.unwrap() });
        Self { db, http: reqwest::Client::new(), base, issuer, cancel, running, _keys: keys }
    }

    /// Ends the process under test and removes its database.
    pub async fn end(self) {
        self.cancel.cancel();
        self.running.await.unwrap();
        self.db.drop().await.unwrap();
    }

    pub fn token(&self, role: Role, id: Uuid) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        self.issuer.issue(&Claims::access(&Actor::new(id, None, role), None, now, 600)).unwrap()
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub fn request(&self, path: &str) -> reqwest::RequestBuilder {
        self.http.get(self.url(path)).timeout(Duration::from_secs(30))
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(path)).await
    }

    pub async fn get_as(&self, token: &str, path: &str) -> Answer {
        Answer::of(self.request(path).bearer_auth(token)).await
    }

    pub async fn get_at(&self, position: PositionToken, headers: &[(&str, &str)], path: &str) -> Answer {
        let mut request = self.request(path).header("Groot-Min-Position", position.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::of(request).await
    }

    pub async fn insert(&self, posts: &[Post]) {
        self.db.collection::<Post>(&DOCUMENTS.posts()).insert_many(posts).await.unwrap();
        let slugs: Vec<_> =
            posts.iter().filter_map(|post| Some(Slug { slug: post.slug.clone()?, post_id: post.id })).collect();
        if !slugs.is_empty() {
            self.db.collection::<Slug>(&DOCUMENTS.slugs()).insert_many(slugs).await.unwrap();
        }
    }

    pub async fn insert_comments(&self, comments: &[Comment]) {
        self.db.collection::<Comment>(&DOCUMENTS.comments()).insert_many(comments).await.unwrap();
    }

    pub async fn insert_person(&self, id: Uuid, name: &str) {
        let person = Person { id, name: name.into(), created_at: at(0), version: 1, partition: 0, offset: 1 };
        self.db.collection::<Person>(&DOCUMENTS.people()).insert_one(person).await.unwrap();
    }

    pub async fn insert_events(&self, post: Uuid, count: u64) {
        let events = (1..=count).map(|version| event(post, version));
        self.db.collection(&DOCUMENTS.post_events()).insert_many(events).await.unwrap();
    }

    pub async fn insert_event(&self, post: Uuid, version: u64) {
        self.db.collection(&DOCUMENTS.post_events()).insert_one(event(post, version)).await.unwrap();
    }

    /// Sets how far the projection has come, as a projector does.
    pub async fn checkpoint(&self, partition: u32, next_offset: i64) {
        let checkpoint = Checkpoint {
            id: DOCUMENTS.checkpoint_id(partition),
            log_id: LOG,
            partition,
            next_offset,
            epoch_offset: Some(0),
            nonce: Some("7".into()),
            next_seq: 0,
            last_record_id: None,
            updated_at: Utc::now(),
            rev: 1,
        };
        let checkpoints = self.db.collection::<Checkpoint>(DOCUMENTS.checkpoints());
        checkpoints.replace_one(doc! { "_id": &checkpoint.id }, &checkpoint).upsert(true).await.unwrap();
    }

    /// Runs a command on the server itself.
    pub async fn admin(&self, command: mongodb::bson::Document) {
        self.db.client().database("admin").run_command(command).await.unwrap();
    }

    /// Has the server note every query of this database from now on.
    pub async fn watch_queries(&self) {
        self.db.run_command(doc! { "profile": 2 }).await.unwrap();
    }

    pub async fn queries_of(&self, collection: &str) -> Vec<mongodb::bson::Document> {
        use futures::TryStreamExt;
        let namespace = format!("{}.{collection}", self.db.name());
        let filter = doc! { "ns": namespace, "op": "query" };
        let profile = self.db.collection("system.profile");
        profile.find(filter).await.unwrap().try_collect().await.unwrap()
    }
}

impl Answer {
    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.unwrap();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Self { status, headers, body }
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:#?}");
        self
    }

    #[track_caller]
    pub fn expect_problem(self, status: u16, kind: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(answer.body["type"], format!("/problems/{kind}"), "{answer:#?}");
        answer
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    pub fn ids(&self) -> Vec<Uuid> {
        let id = |item: &Value| item["id"].as_str().unwrap().parse().unwrap();
        self.body["data"].as_array().unwrap().iter().map(id).collect()
    }

    /// The names of the bad fields, sorted.
    pub fn bad_fields(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().unwrap();
        let mut names: Vec<_> = errors.iter().map(|error| error["field"].as_str().unwrap()).collect();
        names.sort_unstable();
        names
    }
}

/// `name` is that of the database, and what the names of indexes begin with.
pub fn config(mongodb_uri: &str, elasticsearch_url: &str, name: &str, jwks: &str) -> Config {
    service::config::read_from(&[
        "query-api",
        "--http-addr=127.0.0.1:0",
        "--admin-addr=127.0.0.1:0",
        &format!("--mongodb-uri={mongodb_uri}"),
        &format!("--mongodb-database={name}"),
        &format!("--elasticsearch-url={elasticsearch_url}"),
        &format!("--elasticsearch-prefix={name}"),
        &format!("--clickhouse-url={NOWHERE}"),
        &format!("--clickhouse-database={name}"),
        &format!("--jwks-file={jwks}"),
    ])
    .unwrap()
}

/// An event of a post: it is created, then edited.
fn event(post: Uuid, version: u64) -> PostEventDoc {
    PostEventDoc {
        id: PostEventDoc::key(post, version),
        post_id: post,
        version,
        event_type: if version == 1 { "groot.post.PostCreated" } else { "groot.post.PostEdited" }.into(),
        time: at(version as i64),
        actor: Some(Uuid::from_u128(77).to_string()),
        data: serde_json::json!({ "title": format!("Title {version}") }),
        partition: 0,
        offset: version as i64,
    }
}

/// That many seconds after 1970, or before.
pub fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

pub fn position(offset: u64) -> PositionToken {
    PositionToken { log_id: LOG, partition: 0, offset }
}

/// A published post whose id has nothing to do with the order of numbers.
pub fn post(number: u32) -> Post {
    let scattered = u128::from(number.wrapping_mul(2_654_435_761));
    let id = Uuid::from_u128(scattered << 96 | 0x7000_8000_0000_0000_0000 | u128::from(number));
    let time = at(i64::from(number));
    Post {
        id,
        post_type: PostType::Article,
        title: format!("Post {number}"),
        content: "Some *text*".into(),
        html: "<p>Some <em>text</em></p>".into(),
        excerpt: None,
        tags: Vec::new(),
        category: None,
        media: Vec::new(),
        status: PostStatus::Published,
        author_id: Uuid::from_u128(1),
        slug: Some(format!("post-{number}")),
        created_at: time,
        updated_at: time,
        published_at: Some(time),
        scheduled_at: None,
        deleted_at: None,
        status_before_delete: None,
        likes: 0,
        comments: 0,
        counted_to: -1,
        version: 2,
        partition: 0,
        offset: i64::from(number),
    }
}
