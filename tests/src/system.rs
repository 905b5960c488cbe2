//! The whole system for one test: programs as processes, with topics, a group and a database of their own.

use std::num::NonZero;
use std::sync::LazyLock;

use event_log::kafka::{KafkaConfig, KafkaLog, LogIdentity, provision};
use event_schema::codec::{Codec, RegistryConfig};
use mongodb::Database;
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;
use xtask::server::Service;
use xtask::stack::Stack;
use xtask::token::{self, Person, Role};

use crate::client::{Answer, Client};
use crate::events::Events;
use crate::posts::Posts;
use crate::program::Program;
use crate::servers::Servers;

pub const POSTS: &str = "/api/universal/post";
pub const PEOPLE: &str = "/api/users";

/// How many partitions the log of a test has.
pub const PARTITIONS: u32 = 6;

pub struct System {
    pub commands: Program,
    pub projectors: Program,
    pub queries: Program,
    pub stack: &'static Stack,
    pub database: Database,
    /// What searches are answered from, where the servers have that.
    pub(crate) posts: Option<Posts>,
    /// What figures are answered from, where the servers have that.
    pub(crate) events: Option<Events>,
    pub identity: LogIdentity,
    /// How the log is reached, not through any proxy.
    pub kafka: KafkaConfig,
    pub(crate) log: KafkaLog,
    pub(crate) codec: Codec,
    name: String,
    env: Vec<(String, String)>,
    http: Client,
    _turn: SemaphorePermit<'static>,
}

/// As many whole systems run at a time as there are cores, whatever else does: a read waits ten seconds at the most, and on a machine that
/// is too busy what it waits for would not be there. A test has one at a time, and whatever it wants for itself before it.
static TURNS: LazyLock<Semaphore> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(2, NonZero::get);
    Semaphore::new(cores)
});

/// A person, and the bearer token that speaks for them.
#[derive(Clone, Debug)]
pub struct Caller {
    pub id: Uuid,
    pub token: String,
}

impl System {
    /// Starts one of each program and waits until all are ready. `name` is for logs.
    pub async fn start(servers: Servers, name: &str) -> Self {
        Self::laid_out(servers.stack().await, name).start().await
    }

    /// Says how the system would be, for those who want it otherwise.
    pub fn laid_out(stack: &'static Stack, name: &str) -> Layout {
        let unique = format!("{name}-{}", &Uuid::new_v4().simple().to_string()[..8]);
        let kafka = log_of(stack, &unique, PARTITIONS);
        Layout { kafka, way: None, stack, name: unique }
    }

    /// The setting by which a program of this system goes through the proxies of a way; ways count from 0.
    pub fn through(&self, way: usize) -> [(&'static str, &'static str); 1] {
        [("GROOT_KAFKA_BROKERS", &self.stack.addresses().ways[way])]
    }

    /// One more command-api beside the first, ready.
    pub async fn another_command_api(&self, name: &str) -> Program {
        let program = self.program(name, "command-api", &[], &[]);
        program.is_ready().await;
        program
    }

    /// Starts a program of this system with some settings of its own, and does not wait for it.
    pub fn program(&self, name: &str, program: &str, args: &[&str], settings: &[(&str, &str)]) -> Program {
        let mut env = self.env.clone();
        env.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Program::start(self.stack, &format!("{}-{name}", self.name), program, args, &env)
    }

    /// The log, as it is without an archive. A partition is read once at a time through it.
    pub fn log(&self) -> &KafkaLog {
        &self.log
    }

    /// The variables that its programs have in common.
    pub fn env(&self) -> &[(String, String)] {
        &self.env
    }

    /// The programs that the system started with: none of them may ever end by itself.
    pub fn assert_all_run(&self) {
        for program in [&self.commands, &self.projectors, &self.queries] {
            assert!(program.is_alive(), "{} has ended", program.admin);
        }
    }

    pub fn caller(&self, role: Role) -> Caller {
        let id = Uuid::now_v7();
        let person = Person { role, user: Some(id), name: None };
        Caller { id, token: token::issue(self.stack.paths(), &person).expect("a token") }
    }

    /// Sends a command to the first command-api.
    pub async fn command(
        &self,
        method: &str,
        path: &str,
        caller: &Caller,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        self.command_to(&self.commands, method, path, caller, headers, body).await
    }

    pub async fn command_to(
        &self,
        instance: &Program,
        method: &str,
        path: &str,
        caller: &Caller,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        self.try_command_to(instance, method, path, caller, headers, body).await.expect("an answer to the command")
    }

    /// The same of an instance that may end meanwhile.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn try_command_to(
        &self,
        instance: &Program,
        method: &str,
        path: &str,
        caller: &Caller,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, reqwest::Error> {
        let url = format!("{}{path}", instance.base);
        let mut request = self.http.request(method, &url).bearer_auth(&caller.token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        Answer::of(request).await
    }

    /// Creates a post under an idempotency key.
    pub async fn create(&self, caller: &Caller, key: &str, body: &Value) -> Answer {
        self.command("POST", POSTS, caller, &[("Idempotency-Key", key)], Some(body)).await
    }

    /// Reads without a position.
    pub async fn read(&self, path: &str, caller: Option<&Caller>) -> Answer {
        self.read_with(path, caller, &[]).await
    }

    /// Reads what is there when the projection has come to these positions, which have commas between them.
    pub async fn read_at(&self, positions: &str, path: &str, caller: Option<&Caller>) -> Answer {
        self.read_with(path, caller, &[("Groot-Min-Position", positions), ("Prefer", "wait=10")]).await
    }

    /// Reads with these headers.
    pub async fn read_with(&self, path: &str, caller: Option<&Caller>, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.http.request("GET", &format!("{}{path}", self.queries.base));
        if let Some(caller) = caller {
            request = request.bearer_auth(&caller.token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::of(request).await.expect("an answer to the read")
    }

    /// Ends the programs and removes the database; the topics go with the servers.
    pub async fn end(self) {
        drop((self.commands, self.projectors, self.queries));
        self.log.close().await;
        self.database.drop().await.expect("the database is dropped");
        if let Some(posts) = &self.posts {
            posts.remove().await;
        }
        if let Some(events) = &self.events {
            events.remove().await;
        }
    }
}

/// A system that is not started yet.
#[derive(Clone, Debug)]
pub struct Layout {
    pub kafka: KafkaConfig,
    /// The way by which command-api reaches the brokers; not through proxies where there is none.
    pub way: Option<usize>,
    stack: &'static Stack,
    name: String,
}

impl Layout {
    #[must_use]
    pub fn through(mut self, way: usize) -> Self {
        self.way = Some(way);
        self
    }

    /// Makes the topics that are missing, starts one of each program and waits until all are ready.
    pub async fn start(self) -> System {
        let Self { kafka, way, stack, name: unique } = self;
        let turn = TURNS.acquire().await.expect("it is never closed");
        let addresses = stack.addresses();
        let identity = provision(&kafka).await.expect("topics");
        let registry = RegistryConfig { url: addresses.schema_registry_url.clone(), topic: kafka.events_topic.clone() };
        let codec = Codec::connect_to_read(registry).await.expect("schemas");
        let client = mongodb::Client::with_uri_str(&addresses.mongodb_uri).await.expect("MongoDB");
        let env = environment(stack, &kafka, &unique);
        let start = |program: &str, args: &[&str], env: &[(String, String)]| {
            Program::start(stack, &format!("{unique}-{program}"), program, args, env)
        };
        let mut through = env.clone();
        let projectors = start("projectors", &[projections(stack)], &env);
        let mut asking = env.clone();
        asking.push(("GROOT_PROJECTORS_URLS".to_owned(), projectors.admin.clone()));
        through.extend(way.map(|way| ("GROOT_KAFKA_BROKERS".to_owned(), addresses.ways[way].clone())));
        let system = System {
            commands: start("command-api", &[], &through),
            projectors,
            queries: start("query-api", &[], &asking),
            stack,
            database: client.database(&unique),
            posts: stack.has(Service::Elasticsearch).then(|| Posts::new(&addresses.elasticsearch_url, &unique)),
            events: stack
                .has(Service::Clickhouse)
                .then(|| Events::new(&addresses.clickhouse_url, &analytics_database(&unique))),
            identity,
            log: KafkaLog::connect(&kafka).expect("the log"),
            kafka,
            codec,
            name: unique,
            env,
            http: Client::default(),
            _turn: turn,
        };
        tokio::join!(system.commands.is_ready(), system.projectors.is_ready(), system.queries.is_ready());
        system
    }
}

/// Which projections the servers have stores for.
fn projections(stack: &Stack) -> &'static str {
    if stack.has(Service::Elasticsearch) { "all" } else { "documents" }
}

/// Its names have no hyphens.
fn analytics_database(unique: &str) -> String {
    unique.replace('-', "_")
}

fn log_of(stack: &Stack, unique: &str, partitions: u32) -> KafkaConfig {
    let brokers = &stack.addresses().kafka_brokers;
    let copies = brokers.split(',').count() as i32;
    KafkaConfig {
        client_id: format!("test-{unique}"),
        events_topic: format!("{unique}.events"),
        owners_topic: format!("{unique}.owners"),
        log_topic: format!("{unique}.log"),
        activity_topic: format!("{unique}.activity"),
        partitions,
        replication_factor: copies,
        min_insync_replicas: (copies + 1) / 2,
        lanes: 0,
        ..KafkaConfig::local(brokers)
    }
}

/// A log, a group and databases which nobody else has, and the variables of programs that share them.
#[derive(Clone, Debug)]
pub struct Fresh {
    pub kafka: KafkaConfig,
    pub env: Vec<(String, String)>,
    /// Of the database in MongoDB, and what names of indexes begin with.
    pub name: String,
    /// Of the database in ClickHouse.
    pub analytics: String,
}

impl Fresh {
    pub fn on(stack: &Stack, name: &str, partitions: u32) -> Self {
        let name = format!("{name}-{}", &Uuid::new_v4().simple().to_string()[..8]);
        let kafka = log_of(stack, &name, partitions);
        Self { env: environment(stack, &kafka, &name), kafka, analytics: analytics_database(&name), name }
    }

    /// The same log, for projections into other databases.
    #[must_use]
    pub fn again(&self, stack: &Stack, name: &str) -> Self {
        let name = format!("{}-{name}", self.name);
        let (env, analytics) = (environment(stack, &self.kafka, &name), analytics_database(&name));
        Self { kafka: self.kafka.clone(), env, name, analytics }
    }
}

fn environment(stack: &Stack, kafka: &KafkaConfig, unique: &str) -> Vec<(String, String)> {
    let own = [
        ("GROOT_EVENTS_TOPIC", kafka.events_topic.clone()),
        ("GROOT_OWNERS_TOPIC", kafka.owners_topic.clone()),
        ("GROOT_LOG_TOPIC", kafka.log_topic.clone()),
        ("GROOT_ACTIVITY_TOPIC", kafka.activity_topic.clone()),
        ("GROOT_EVENTS_PARTITIONS", kafka.partitions.to_string()),
        ("GROOT_REPLICATION_FACTOR", kafka.replication_factor.to_string()),
        ("GROOT_MIN_INSYNC_REPLICAS", kafka.min_insync_replicas.to_string()),
        ("GROOT_GROUP_PREFIX", unique.to_owned()),
        ("GROOT_MONGODB_DATABASE", unique.to_owned()),
        ("GROOT_ELASTICSEARCH_PREFIX", unique.to_owned()),
        ("GROOT_CLICKHOUSE_DATABASE", analytics_database(unique)),
        ("GROOT_OBJECT_STORE", stack.paths().data("objects").join(unique).display().to_string()),
    ];
    let mut env = stack.addresses().env();
    env.extend(own.map(|(name, value)| (name.to_owned(), value)));
    env
}
