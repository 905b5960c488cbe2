//! What becomes of posts: whether they are published, when they are due, and under which slug.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Findings, Rule, View};
use crate::faults::log::{What, Written};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Status {
    #[default]
    Draft,
    Scheduled {
        at_millis: i64,
    },
    Published,
    Deleted {
        was_published: bool,
    },
}

impl Status {
    /// Of a post of which all this was done.
    pub fn after(done: impl Iterator<Item = What>) -> Self {
        done.fold(Self::Draft, Self::then)
    }

    fn then(self, what: What) -> Self {
        match what {
            What::Created | What::Unpublished | What::Restored { published: false } => Self::Draft,
            What::Published | What::PublishedWhenDue { .. } | What::Restored { published: true } => Self::Published,
            What::Scheduled { at_millis } => Self::Scheduled { at_millis },
            What::Deleted => Self::Deleted { was_published: self == Self::Published },
            What::Edited | What::SlugStep | What::Commented | What::Liked(_) | What::Unliked(_) => self,
        }
    }

    /// Whether this may be done to a post as it is. What people say of it has a rule of its own, and so has what is due.
    fn allows(self, what: What) -> bool {
        match (self, what) {
            (_, What::SlugStep | What::Commented | What::Liked(_) | What::Unliked(_)) => true,
            (Self::Deleted { was_published }, what) => what == What::Restored { published: was_published },
            (_, What::Restored { .. }) => false,
            (Self::Published, what) => !matches!(what, What::Published | What::Scheduled { .. } | What::Created),
            (Self::Draft, what) => what != What::Unpublished,
            (Self::Scheduled { .. }, what) => what != What::Created,
        }
    }
}

/// Every event, and the status that its post had before it.
fn steps(log: &[Written]) -> impl Iterator<Item = (&Written, What, Status)> {
    let mut posts = BTreeMap::<Uuid, Status>::new();
    let events = log.iter().flat_map(|written| written.events.iter().map(move |(_, what)| (written, *what)));
    events.map(move |(written, what)| {
        let post = posts.entry(written.post).or_default();
        let before = std::mem::replace(post, post.then(what));
        (written, what, before)
    })
}

/// The posts that wait to be published at the end of a log.
pub fn scheduled(log: &[Written]) -> Vec<Uuid> {
    // The last of each post stays.
    let posts: BTreeMap<_, _> = steps(log).map(|(written, what, before)| (written.post, before.then(what))).collect();
    posts.into_iter().filter(|(_, status)| matches!(status, Status::Scheduled { .. })).map(|(post, _)| post).collect()
}

impl View<'_> {
    pub(super) fn published(&self, found: &mut Findings) {
        for (written, what, before) in steps(self.log) {
            let of_response = matches!(what, What::Commented | What::Liked(_) | What::Unliked(_));
            if of_response && before != Status::Published {
                found.add(Rule::Published, format!("its post is {before:?} there: {written:?}"));
            }
        }
    }

    pub(super) fn status(&self, found: &mut Findings) {
        for (written, what, before) in steps(self.log) {
            if !before.allows(what) {
                found.add(Rule::Status, format!("the post is {before:?} there: {written:?}"));
            }
        }
    }

    /// Nothing is published by itself that is not due, and nothing waits any more: the log is read when all were due.
    pub(super) fn due(&self, found: &mut Findings) {
        for (written, what, before) in steps(self.log) {
            let What::PublishedWhenDue { at_millis } = what else { continue };
            let is_due = matches!(before, Status::Scheduled { at_millis: due } if due <= at_millis);
            if !is_due || self.history.operations.contains_key(&written.operation) {
                found.add(Rule::Due, format!("is {before:?} there: {written:?}"));
            }
        }
        for post in scheduled(self.log) {
            found.add(Rule::Due, format!("{post} is scheduled and was never published"));
        }
    }

    /// Under which a post is published up to an offset.
    pub(super) fn slug(&self, post: Uuid, offset: u64) -> Option<&str> {
        self.written_until(post, offset).filter_map(|written| written.slug.as_deref()).last()
    }

    pub(super) fn one_slug(&self, found: &mut Findings) {
        let (mut posts, mut slugs) = (BTreeMap::<&str, Uuid>::new(), BTreeMap::<Uuid, &str>::new());
        for written in self.log {
            let Some(slug) = written.slug.as_deref() else { continue };
            let post = *posts.entry(slug).or_insert(written.post);
            let kept = *slugs.entry(written.post).or_insert(slug);
            let chosen = self.history.operations.get(&written.operation).and_then(|operation| operation.kind.slug());
            if post != written.post || kept != slug || chosen.as_deref().is_some_and(|chosen| chosen != slug) {
                let what = format!("chosen {chosen:?}, before {kept:?}, that of {post}: {written:?}");
                found.add(Rule::OneSlug, what);
            }
        }
    }
}
