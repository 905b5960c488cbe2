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
    /// Its place among all commits that were ever pending here.
    place: u64,
}

/// An answer that holds only if the commit it was decided on counts.
#[derive(Debug)]
pub struct Deferred {
    pub ticket: Ticket,
    pub submission: Submission,
    pub conclusion: Conclusion,
}

/// What a command comes to that appends nothing.
#[derive(Clone, Debug)]
pub enum Conclusion {
    /// Everything is as it asks for, in this version of its aggregate.
    Unchanged {
        version: u64,
    },
    Refused(Answer),
}

impl PendingCommit {
    pub fn new(submission: Submission, tickets: Vec<Ticket>, hoped: Hoped) -> Self {
        Self { submission, tickets, hoped, deferred: Vec::new(), place: 0 }
    }

    /// Lets whoever holds these tickets wait for this commit.
    pub fn defer(&mut self, tickets: &[Ticket], submission: &Submission, conclusion: &Conclusion) {
        self.deferred.extend(tickets.iter().map(|ticket| Deferred {
            ticket: *ticket,
            submission: submission.clone(),
            conclusion: conclusion.clone(),
        }));
    }
}

#[derive(Debug, Default)]
pub struct Pending {
    commits: HashMap<Uuid, PendingCommit>,
    /// Per aggregate its pending commits, oldest first.
    by_aggregate: HashMap<Uuid, VecDeque<Uuid>>,
    pushed: u64,
}

impl Pending {
    pub fn len(&self) -> usize {
        self.commits.len()
    }

    pub fn push(&mut self, commit: Uuid, mut pending: PendingCommit) {
        pending.place = self.pushed;
        self.pushed += 1;
        self.by_aggregate.entry(pending.hoped.aggregate_id).or_default().push_back(commit);
        self.commits.insert(commit, pending);
    }

    pub fn take(&mut self, commit: Uuid) -> Option<PendingCommit> {
        let pending = self.commits.remove(&commit)?;
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

    /// The last pending commit of any of the aggregates. It is released after all others of theirs.
    pub fn last_of(&mut self, aggregates: [Uuid; 2]) -> Option<&mut PendingCommit> {
        let last = aggregates.iter().filter_map(|aggregate| self.by_aggregate.get(aggregate)?.back());
        let commit = *last.max_by_key(|commit| self.commits.get(*commit).map(|pending| pending.place))?;
        self.commits.get_mut(&commit)
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
