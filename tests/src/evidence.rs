//! What is true of a system whatever it says: its log, and the documents in its store.

use std::collections::BTreeMap;

use event_log::kafka::read_all;
use projectors::documents::fold::{differences, expected};
use projectors::documents::read;
use projectors::documents::write::Store;
use projectors::event::LoggedEvent;
use projectors::runner::decode;
use projectors::search::fold::expected as as_indexed;
use projectors::verdict::Difference;
use read_model::DOCUMENTS;
use service::token::PositionToken;
use uuid::Uuid;

use crate::activity;
use crate::events::Events;
use crate::posts::Posts;
use crate::system::System;
use crate::waiting::until;

/// A command that is in the log.
#[derive(Clone, Debug)]
pub struct Fact {
    pub command: Uuid,
    pub aggregate: Uuid,
    /// What a client was or would have been told.
    pub position: PositionToken,
    /// One or more, in order.
    pub events: Vec<LoggedEvent>,
}

impl System {
    /// The end of every partition: equal before and after means that nothing was appended.
    pub async fn ends(&self) -> Vec<u64> {
        self.log.end_offsets().await.expect("the ends of the log")
    }

    /// Every command that counts, as a reader of its own finds it, by partition in the order of the log.
    pub async fn facts(&self) -> Vec<Fact> {
        let mut commits = Vec::new();
        read_all(&self.log, |_, delivery| commits.extend(delivery.commits)).await.expect("the log can be read");
        let mut facts = Vec::new();
        for commit in commits {
            let offset = commit.last_offset();
            let events = decode::events(&self.codec, &[commit]).await.expect("the log can be decoded");
            let first = events.first().expect("a commit has events");
            let position = PositionToken { log_id: self.identity.log_id, partition: first.partition, offset };
            facts.push(Fact { command: first.meta.command_id, aggregate: first.meta.aggregate_id, position, events });
        }
        facts
    }

    /// Each command stands in the log once, and each aggregate's versions are 1..n.
    pub async fn assert_log_is_sound(&self) -> Vec<Fact> {
        let facts = self.facts().await;
        let mut commands = BTreeMap::<Uuid, u32>::new();
        let mut versions = BTreeMap::<Uuid, u64>::new();
        for fact in &facts {
            *commands.entry(fact.command).or_default() += 1;
            for event in &fact.events {
                assert_eq!(event.meta.command_id, fact.command);
                let version = versions.entry(event.meta.aggregate_id).or_default();
                *version += 1;
                assert_eq!(event.meta.version, *version, "{event:?}");
            }
        }
        let twice: Vec<_> = commands.iter().filter(|(_, count)| **count > 1).collect();
        assert!(twice.is_empty(), "in the log more than once: {twice:?}");
        facts
    }

    /// Each of these positions, as clients were told them, is where a command ended in the log.
    pub async fn assert_acknowledged(&self, positions: &[String]) {
        let facts = self.assert_log_is_sound().await;
        for position in positions {
            let position: PositionToken = position.parse().expect("a position token");
            let found = facts.iter().filter(|fact| fact.position == position).count();
            assert_eq!(found, 1, "{position:?} was acknowledged");
        }
    }

    /// Waits until every store has come to the last command in the log, then compares all of it with a fold of the log.
    pub async fn assert_stores_are_the_fold_of_the_log(&self) {
        let facts = self.facts().await;
        let mut found: Vec<_> =
            self.documents_other_than_the_fold_of(&facts).await.iter().map(ToString::to_string).collect();
        if let Some(posts) = &self.posts {
            found.extend(self.searches_other_than_the_fold_of(posts, &facts).await);
        }
        if let Some(events) = &self.events {
            found.extend(self.figures_other_than_the_fold_of(events, &facts).await);
        }
        assert!(found.is_empty(), "{}", found.join("\n"));
    }

    async fn figures_other_than_the_fold_of(&self, events: &Events, facts: &[Fact]) -> Vec<String> {
        let store = events.store(self.identity.log_id);
        let is_past = async |partition, offset| store.load(partition).await.is_ok_and(|at| at.position.is_past(offset));
        come_to_the_end_of(facts, is_past).await;
        let told = activity::records(&self.kafka).await;
        let store = events.store(self.identity.log_id).of_activity(&self.kafka.activity_topic);
        let is_past = async |partition, offset| store.load(partition).await.is_ok_and(|at| at.position.is_past(offset));
        come_to(told.iter().map(|record| (record.partition, record.offset)), is_past).await;
        let found = events.differences(facts.iter().flat_map(|fact| &fact.events), &told).await;
        found.iter().map(|difference| format!("figures: {difference}")).collect()
    }

    async fn searches_other_than_the_fold_of(&self, posts: &Posts, facts: &[Fact]) -> Vec<String> {
        let store = posts.store(self.identity.log_id);
        let is_past = async |partition, offset| store.load(partition).await.is_ok_and(|at| at.position.is_past(offset));
        come_to_the_end_of(facts, is_past).await;
        let stored = posts.all().await;
        let wanted: BTreeMap<_, _> = expected(facts.iter().flat_map(|fact| &fact.events)).posts;
        let differs = |(id, post)| {
            let (there, wanted) = (stored.get(id), as_indexed(post));
            (there != Some(&wanted)).then(|| format!("search has {there:?}, expected {wanted:?}"))
        };
        let unexpected = stored.keys().filter(|id| !wanted.contains_key(id));
        let unexpected = unexpected.map(|id| format!("search has {id}, and no event leads to it"));
        wanted.iter().filter_map(differs).chain(unexpected).collect()
    }

    /// Waits until the store has come to the last of these, which are all that are in the log, and names what differs.
    pub async fn documents_other_than_the_fold_of(&self, facts: &[Fact]) -> Vec<Difference> {
        let store = Store::new(self.database.clone(), DOCUMENTS, self.identity.log_id);
        let is_past = async |partition, offset| {
            store.load(partition).await.expect("the checkpoint can be read").position.is_past(offset)
        };
        come_to_the_end_of(facts, is_past).await;
        let stored = read::read_all(&self.database, DOCUMENTS).await.expect("the store can be read");
        differences(&stored, &expected(facts.iter().flat_map(|fact| &fact.events)))
    }
}

/// Waits until a projection has come to the last of these in each partition.
async fn come_to_the_end_of(facts: &[Fact], is_past: impl AsyncFn(u32, u64) -> bool) {
    come_to(facts.iter().map(|fact| (fact.position.partition, fact.position.offset)), is_past).await;
}

/// The same of offsets, which stand in their order.
async fn come_to(offsets: impl Iterator<Item = (u32, u64)>, is_past: impl AsyncFn(u32, u64) -> bool) {
    let last: BTreeMap<_, _> = offsets.collect();
    until("the projection to catch up", async || {
        for (partition, offset) in &last {
            if !is_past(*partition, *offset).await {
                return None;
            }
        }
        Some(())
    })
    .await;
}
