//! Posts in the log as command-api would write them, made from a seed and appended by owners of our own.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use event_log::kafka::{KafkaConfig, KafkaLog, partition_for, provision};
use event_log::log::{Log, LogEvent};
use event_log::owner::{Owner, OwnerConfig, Told};
use event_log::position::Position;
use event_log::record::{Headers, RecordDraft};
use event_schema::codec::{Codec, RegistryConfig};
use event_schema::event::DomainEvent;
use event_schema::hash::CommandHash;
use event_schema::id::PersonId;
use event_schema::meta::{ActorRef, EventMeta};
use event_schema::post::{PostCreated, PostPublished, PostType};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use tokio::time::timeout;
use uuid::Uuid;
use xtask::stack::Stack;

use super::body;

/// Commits under way for one partition.
const WINDOW: usize = 1_000;
/// How long nothing may come before the owner looks at its deadlines: a claim that got lost is made again.
const TICK: Duration = Duration::from_millis(500);

pub struct Filler {
    log: KafkaLog,
    codec: Codec,
    posts: Posts,
    partitions: Vec<Partition>,
}

/// What posts are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posts {
    /// Of a few words.
    Drafts,
    /// Of this many bytes of content, in a commit with their publication.
    Published { content: usize },
}

struct Partition {
    number: u32,
    position: Position,
    posts: Vec<Uuid>,
    rng: StdRng,
}

impl Filler {
    /// Makes the topics that are missing.
    pub async fn connect(stack: &Stack, kafka: &KafkaConfig, posts: Posts) -> Result<Self> {
        provision(kafka).await?;
        let url = stack.addresses().schema_registry_url.clone();
        let codec = Codec::connect(RegistryConfig { url, topic: kafka.events_topic.clone() }).await?;
        let log = KafkaLog::connect(kafka)?;
        let partition = |number| Partition {
            number,
            position: Position::START,
            posts: Vec::new(),
            rng: StdRng::seed_from_u64(number.into()),
        };
        let partitions = (0..log.partitions()).map(partition).collect();
        Ok(Self { log, codec, posts, partitions })
    }

    /// One of the posts.
    pub fn any(&self, rng: &mut StdRng) -> Uuid {
        let partition = self.partitions.choose(rng).expect("there are partitions");
        *partition.posts.choose(rng).expect("each has posts")
    }

    /// One post of each partition, in their order.
    pub fn one_of_each(&self) -> impl Iterator<Item = Uuid> {
        self.partitions.iter().filter_map(|partition| partition.posts.first().copied())
    }

    /// Appends posts until there are as many, the same number in each partition.
    pub async fn fill_to(&mut self, posts: u64) -> Result<()> {
        let each = posts.div_ceil(self.partitions.len() as u64) as usize;
        let fills =
            self.partitions.iter_mut().map(|partition| partition.fill_to(each, self.posts, &self.log, &self.codec));
        futures::future::try_join_all(fills).await?;
        Ok(())
    }
}

impl Partition {
    async fn fill_to(&mut self, posts: usize, kind: Posts, log: &KafkaLog, codec: &Codec) -> Result<()> {
        let (mut log, mut inbox) = log.partition(self.number);
        let config = OwnerConfig { owner: "filler".to_owned(), ..OwnerConfig::default() };
        let mut owner = Owner::new(config, self.number, self.position, self.rng.random());
        let began = Instant::now();
        log.open(self.number, owner.next_offset());
        owner.assign(&mut log, began.elapsed(), 0);
        let mut under_way = 0;
        while self.posts.len() < posts || under_way > 0 {
            while owner.serving().is_some() && under_way < WINDOW && self.posts.len() < posts {
                let (id, records) = self.post(kind, codec);
                let commit = Uuid::from_u128(self.rng.random());
                ensure!(owner.propose(began.elapsed(), commit, records).is_ok(), "not serving");
                self.posts.push(id);
                under_way += 1;
            }
            owner.flush(&mut log);
            match timeout(TICK, inbox.recv()).await {
                Ok(Some(LogEvent::Record(record))) => owner.record(&mut log, began.elapsed(), record),
                Ok(Some(LogEvent::Appended { id, .. })) => owner.appended(id),
                Ok(other) => bail!("the log cannot be filled: {other:?}"),
                Err(_) => owner.tick(&mut log, began.elapsed()),
            }
            while let Some(told) = owner.poll() {
                match told {
                    Told::Released(_) if under_way > 0 => under_way -= 1,
                    Told::Serving(_) | Told::Released(_) | Told::Skipped(_) => {}
                    other => bail!("the log cannot be filled: {other:?}"),
                }
            }
        }
        self.position = owner.position();
        Ok(())
    }

    /// The id of a new post of this partition, and its events.
    fn post(&mut self, kind: Posts, codec: &Codec) -> (Uuid, Vec<RecordDraft>) {
        let rng = &mut self.rng;
        let time: DateTime<Utc> = Utc::now();
        let millis = time.timestamp_millis().cast_unsigned();
        let id = loop {
            let id = uuid::Builder::from_unix_timestamp_millis(millis, &rng.random()).into_uuid();
            if partition_for(id.to_string().as_bytes(), super::PARTITIONS) == self.number {
                break id;
            }
        };
        let (title, content) = match kind {
            Posts::Drafts => {
                (format!("A title of some forty characters, {:08x}", rng.random::<u32>()), "Some text.".to_owned())
            }
            Posts::Published { content } => (body::words(rng, 5), body::text(rng, content)),
        };
        let created = PostCreated {
            post_type: PostType::Article,
            title,
            content,
            excerpt: "An excerpt that is about as long as a sentence is.".to_owned(),
            tags: vec!["history".to_owned(), format!("tag-{}", rng.random_range(0..1_000))],
            category: "letters".to_owned(),
            media: Vec::new(),
            author_id: PersonId::new(Uuid::from_u128(rng.random_range(1..10_000))),
            published_at: None,
        };
        let mut events: Vec<DomainEvent> = vec![created.into()];
        if kind != Posts::Drafts {
            let slug = format!("post-{}", id.simple());
            events.push(PostPublished { slug, published_at: time, scheduled: false }.into());
        }
        let command_id = uuid::Builder::from_unix_timestamp_millis(millis, &rng.random()).into_uuid();
        let records = (1..).zip(events).map(|(version, event)| {
            let meta = EventMeta {
                id: uuid::Builder::from_unix_timestamp_millis(millis, &rng.random()).into_uuid(),
                event_type: event.event_type().to_owned(),
                aggregate_id: id,
                version,
                time,
                command_id,
                command_hash: CommandHash::of(command_id.as_bytes()),
                actor: ActorRef::System,
                correlation_id: command_id,
                causation_id: command_id,
                traceparent: None,
                source: "/groot/fill".to_owned(),
            };
            let encoded = codec.encode(&event);
            let mut headers = Headers::default();
            meta.write_headers(encoded.schema_fp, |name, value| headers.push_text(name, value));
            RecordDraft { key: Some(Bytes::from(id.to_string())), value: Some(encoded.value), headers }
        });
        let records = records.collect();
        (id, records)
    }
}
