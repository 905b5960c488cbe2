//! What the tests share: servers, and topics and a group for each test.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use event_log::kafka::{KafkaConfig, KafkaLog, LogIdentity, provision, read_all};
use event_log::record::LogRecord;
use groot_tests::servers::Servers;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;
use xtask::stack::Stack;
use xtask::token::{Person, Role, issue};

use super::process::pause;

/// How long anything that must happen may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(120);

pub const POSTS: &str = "/api/universal/post";

pub fn stack() -> &'static Stack {
    Servers::Steady.start()
}

pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("never came: {what}"))
}

pub struct World {
    pub http: reqwest::Client,
    pub kafka: KafkaConfig,
    log: KafkaLog,
    group: String,
    pub identity: LogIdentity,
    /// State of instances, and the object storage that they share.
    directory: TempDir,
    machines: AtomicUsize,
}

/// An answer, read to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

pub struct Token {
    pub person: Uuid,
    pub bearer: String,
}

impl World {
    pub async fn new(partitions: u32) -> Self {
        let stack = tokio::task::spawn_blocking(stack).await.unwrap();
        let name = Uuid::now_v7().simple().to_string();
        let kafka = KafkaConfig {
            events_topic: format!("{name}.events"),
            owners_topic: format!("{name}.owners"),
            log_topic: format!("{name}.log"),
            activity_topic: format!("{name}.activity"),
            partitions,
            ..KafkaConfig::local(stack.addresses().kafka_brokers.clone())
        };
        let identity = provision(&kafka).await.unwrap();
        let log = KafkaLog::connect(&kafka).unwrap();
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap();
        let directory = TempDir::new().unwrap();
        Self { http, kafka, log, group: name, identity, directory, machines: AtomicUsize::new(0) }
    }

    /// A place for the state of an instance, empty.
    pub fn new_machine(&self) -> PathBuf {
        self.directory.path().join(format!("machine-{}", self.machines.fetch_add(1, Ordering::Relaxed)))
    }

    pub fn objects(&self) -> PathBuf {
        self.directory.path().join("objects")
    }

    pub fn env(&self) -> Vec<(String, String)> {
        let own = [
            ("GROOT_HTTP_ADDR", "127.0.0.1:0".to_owned()),
            ("GROOT_ADMIN_ADDR", "127.0.0.1:0".to_owned()),
            ("GROOT_EVENTS_TOPIC", self.kafka.events_topic.clone()),
            ("GROOT_OWNERS_TOPIC", self.kafka.owners_topic.clone()),
            ("GROOT_LOG_TOPIC", self.kafka.log_topic.clone()),
            ("GROOT_ACTIVITY_TOPIC", self.kafka.activity_topic.clone()),
            ("GROOT_EVENTS_PARTITIONS", self.kafka.partitions.to_string()),
            ("GROOT_GROUP_PREFIX", self.group.clone()),
            ("GROOT_LOG_FORMAT", "json".to_owned()),
            ("GROOT_STATE_DIR", self.new_machine().display().to_string()),
            ("GROOT_OBJECT_STORE", self.objects().display().to_string()),
        ];
        let mut env = stack().addresses().env();
        env.extend(own.map(|(name, value)| (name.to_owned(), value)));
        env
    }

    pub fn token(&self, role: Role) -> Token {
        let person = Uuid::now_v7();
        let bearer = issue(stack().paths(), &Person { role, user: Some(person), name: None }).unwrap();
        Token { person, bearer }
    }

    /// The end of every partition: equal before and after means that nothing was appended.
    pub async fn ends(&self) -> Vec<u64> {
        self.log.end_offsets().await.unwrap()
    }

    /// Everything that counts of one aggregate, in order.
    pub async fn events_of(&self, id: &str) -> Vec<LogRecord> {
        let mut found = self.records().await;
        found.retain(|record| subject(record) == id);
        found
    }

    /// The aggregate of every event that counts.
    pub async fn all_events(&self) -> Vec<String> {
        self.records().await.iter().map(subject).collect()
    }

    /// The types of the events of one aggregate, without their namespace.
    pub async fn history(&self, id: &str) -> Vec<String> {
        self.events_of(id).await.iter().map(short_type).collect()
    }

    /// The same of all aggregates, which are many: the log is read once.
    pub async fn histories(&self) -> BTreeMap<String, Vec<String>> {
        let mut histories = BTreeMap::<_, Vec<_>>::new();
        for record in &self.records().await {
            histories.entry(subject(record)).or_default().push(short_type(record));
        }
        histories
    }

    /// Everything that counts, the events of each aggregate in their order.
    async fn records(&self) -> Vec<LogRecord> {
        let mut found = Vec::new();
        let collect = |_, delivery: event_log::kafka::Delivery| {
            found.extend(delivery.commits.into_iter().flat_map(|commit| commit.records));
        };
        read_all(&self.log, collect).await.unwrap();
        found
    }

    pub async fn until_history_ends_with(&self, id: &str, last: &str) {
        soon(last, async {
            while self.history(id).await.last().is_none_or(|event| event != last) {
                pause().await;
            }
        })
        .await;
    }

    pub fn request(&self, base: &str, method: &str, path: &str, token: &Token) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.http.request(method, format!("{base}{path}")).bearer_auth(&token.bearer)
    }

    pub async fn send(
        &self,
        base: &str,
        method: &str,
        path: &str,
        token: &Token,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let mut request = self.request(base, method, path, token).headers(header_map(headers));
        if let Some(body) = body {
            request = request.json(body);
        }
        answer(request.send().await.unwrap()).await
    }

    /// Creates a post, publishes it and gives its id.
    pub async fn published_post(&self, base: &str, token: &Token) -> String {
        let id = self.post(base, token).await;
        self.send(base, "POST", &format!("{POSTS}/{id}/publish"), token, &[], None).await.is(200);
        id
    }

    /// Creates a post and gives its id.
    pub async fn post(&self, base: &str, token: &Token) -> String {
        let answer = self.send(base, "POST", POSTS, token, &[], Some(&draft())).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.id()
    }
}

impl Answer {
    pub fn id(&self) -> String {
        self.body["id"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub fn is(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    #[track_caller]
    pub fn is_problem(&self, status: u16, kind: &str) -> &Self {
        self.is(status);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.body["type"], format!("/problems/{kind}"), "{self:?}");
        assert_eq!(self.body["status"], status);
        for member in ["title", "detail", "instance", "traceId"] {
            assert!(self.body[member].as_str().is_some_and(|text| !text.is_empty()), "{member} is missing: {self:?}");
        }
        self
    }

    /// The fields named as bad, in order of their names.
    pub fn fields(&self) -> Vec<&str> {
        let mut fields: Vec<_> =
            self.body["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
        fields.sort_unstable();
        fields
    }
}

pub fn draft() -> Value {
    json!({ "type": "article", "title": "On light", "content": "# Light\n\nIt travels.", "tags": ["physics"] })
}

pub fn header_map(headers: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
    };
    headers.iter().map(pair).collect()
}

pub async fn answer(response: Response) -> Answer {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await.unwrap();
    let body =
        serde_json::from_slice(&bytes).unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&bytes)));
    Answer { status, headers, body }
}

fn short_type(record: &LogRecord) -> String {
    text(record, "ce_type").rsplit('.').next().unwrap().to_owned()
}

fn subject(record: &LogRecord) -> String {
    text(record, "ce_subject").to_owned()
}

fn text<'a>(record: &'a LogRecord, header: &str) -> &'a str {
    std::str::from_utf8(record.headers.get(header).unwrap()).unwrap()
}
