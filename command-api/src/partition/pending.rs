//! Commits that were proposed and are not settled, with who waits for them and the state that they will lead to.

use std::collections::{HashMap, VecDeque};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::submission::{Answer, Submission, Ticket};
use crate::domain::AggregateState;

/// An aggregate as it will be once a commit counts.
#[derive(Clone, Debug)]
pub struct Hoped {
    pub aggregate_id: Uuid,
    pub state: AggregateState,
    pub version: u64,
    pub time: DateTime<Utc>,
}

#[derive(Debug)]
pub struct PendingCommit {
    pub submission: Submission,
    pub tickets: Vec<Ticket>,
    pub hoped: Hoped,
    /// What appends nothing and was decided on this commit.
    pub deferred: Vec<Deferred>,
    /// The size of its records.
    bytes: usize,
}

/// An answer that holds only if the commit it was decided on counts.
#[derive(Debug)]
pub struct Deferred {
    pub ticket: Ticket,
    pub submission: Submission,
    /// `None` stands for "nothing to change".
    pub answer: Option<Answer>,
}

impl PendingCommit {
    pub fn new(submission: Submission, tickets: Vec<Ticket>, hoped: Hoped, bytes: usize) -> Self {
        Self { submission, tickets, hoped, deferred: Vec::new(), bytes }
    }

    /// Lets whoever holds these tickets wait for this commit; `None` stands for "nothing to change".
    pub fn defer(&mut self, tickets: &[Ticket], submission: &Submission, answer: Option<&Answer>) {
        self.deferred.extend(tickets.iter().map(|ticket| Deferred {
            ticket: *ticket,
            submission: submission.clone(),
            answer: answer.cloned(),
        }));
    }
}

#[derive(Debug, Default)]
pub struct Pending {
    commits: HashMap<Uuid, PendingCommit>,
    /// Per aggregate its pending commits, oldest first.
    by_aggregate: HashMap<Uuid, VecDeque<Uuid>>,
    bytes: usize,
}

impl Pending {
    pub fn len(&self) -> usize {
        self.commits.len()
    }

    /// The size of the records of all of them.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn push(&mut self, commit: Uuid, pending: PendingCommit) {
        self.by_aggregate.entry(pending.hoped.aggregate_id).or_default().push_back(commit);
        self.bytes += pending.bytes;
        self.commits.insert(commit, pending);
    }

    pub fn take(&mut self, commit: Uuid) -> Option<PendingCommit> {
        let pending = self.commits.remove(&commit)?;
        self.bytes -= pending.bytes;
        let id = pending.hoped.aggregate_id;
        if let Some(commits) = self.by_aggregate.get_mut(&id) {
            commits.retain(|other| *other != commit);
            if commits.is_empty() {
                self.by_aggregate.remove(&id);
            }
        }
        Some(pending)
    }

    /// What the aggregate will be once everything pending counts.
    pub fn latest(&self, aggregate: Uuid) -> Option<&Hoped> {
        let commit = self.by_aggregate.get(&aggregate)?.back()?;
        self.commits.get(commit).map(|pending| &pending.hoped)
    }

    /// The last pending commit of the aggregate.
    pub fn last_of(&mut self, aggregate: Uuid) -> Option<&mut PendingCommit> {
        let commit = self.by_aggregate.get(&aggregate)?.back()?;
        self.commits.get_mut(commit)
    }

    /// The pending commit of a command.
    pub fn find(&mut self, aggregate: Uuid, command_id: Uuid) -> Option<&mut PendingCommit> {
        let commits = self.by_aggregate.get(&aggregate)?;
        let commit = *commits.iter().find(|commit| {
            self.commits.get(*commit).is_some_and(|pending| pending.submission.command_id == command_id)
        })?;
        self.commits.get_mut(&commit)
    }
}
