//! What becomes of posts: whether they are published, when they are due, and under which slug.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Findings, Rule, View};
use crate::faults::log::{What, Written};

const WHEN_DUE: What = What::Published { when_due: true };

/// The posts that wait to be published at the end of a log.
pub fn scheduled(log: &[Written]) -> Vec<Uuid> {
    let mut posts = BTreeMap::<Uuid, Status>::new();
    for written in log {
        let post = posts.entry(written.post).or_default();
        *post = written.events.iter().fold(*post, |post, (_, what)| post.then(*what));
    }
    posts.into_iter().filter(|(_, status)| *status == Status::Scheduled).map(|(post, _)| post).collect()
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Status {
    #[default]
    Draft,
    Scheduled,
    Published,
    Deleted,
}

impl Status {
    /// Of a post of which all this was done.
    pub fn after(done: impl Iterator<Item = What>) -> Self {
        done.fold(Self::Draft, Self::then)
    }

    fn then(self, what: What) -> Self {
        match what {
            What::Created | What::Unpublished | What::Restored { published: false } => Self::Draft,
            What::Published { .. } | What::Restored { published: true } => Self::Published,
            What::Scheduled => Self::Scheduled,
            What::Deleted => Self::Deleted,
            What::Edited | What::SlugStep | What::Commented | What::Liked(_) | What::Unliked(_) => self,
        }
    }
}

impl Written {
    /// Whether it was made by an owner because a post was due.
    pub(super) fn is_when_due(&self) -> bool {
        self.events.iter().all(|(_, what)| *what == WHEN_DUE)
    }
}

impl View<'_> {
    pub(super) fn published(&self, found: &mut Findings) {
        let mut posts = BTreeMap::<Uuid, Status>::new();
        for written in self.log {
            let post = posts.entry(written.post).or_default();
            for (_, what) in &written.events {
                let of_response = matches!(what, What::Commented | What::Liked(_) | What::Unliked(_));
                if of_response && *post != Status::Published {
                    found.add(Rule::Published, format!("its post is not published there: {written:?}"));
                }
                *post = post.then(*what);
            }
        }
    }

    /// Nothing is published by itself that was not scheduled, and nothing waits any more: the log is read when all were due.
    pub(super) fn due(&self, found: &mut Findings) {
        let mut posts = BTreeMap::<Uuid, Status>::new();
        for written in self.log {
            let post = posts.entry(written.post).or_default();
            for (_, what) in &written.events {
                let by_nobody = !self.history.operations.contains_key(&written.operation);
                if *what == WHEN_DUE && (*post != Status::Scheduled || !by_nobody) {
                    found.add(Rule::Due, format!("was not scheduled there: {written:?}"));
                }
                *post = post.then(*what);
            }
        }
        for post in scheduled(self.log) {
            found.add(Rule::Due, format!("{post} is scheduled and was never published"));
        }
    }

    pub(super) fn one_slug(&self, found: &mut Findings) {
        let (mut posts, mut slugs) = (BTreeMap::<&str, Uuid>::new(), BTreeMap::<Uuid, &str>::new());
        for written in self.log {
            let Some(slug) = written.slug.as_deref() else { continue };
            let post = *posts.entry(slug).or_insert(written.post);
            let kept = *slugs.entry(written.post).or_insert(slug);
            let operation = self.history.operations.get(&written.operation);
            let chosen = operation.and_then(|operation| operation.kind.slug()).unwrap_or_else(|| kept.to_owned());
            if post != written.post || kept != slug || chosen != slug {
                let what = format!("chosen {chosen:?}, before {kept:?}, that of {post}: {written:?}");
                found.add(Rule::OneSlug, what);
            }
        }
    }
}
