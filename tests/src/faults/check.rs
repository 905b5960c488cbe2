//! Holds what clients were told against what the log says. Pure: a run is checked by its history and its log alone.

mod posts;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use event_schema::id::PersonId;
use uuid::Uuid;

use self::posts::Status;
pub use self::posts::scheduled;
use super::history::{Attempt, History, Kind, Told};
use super::log::{What, Written};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// What was acknowledged is in the log, at the position told, with the version told; or everything was there as it asks
    /// for.
    Acknowledged,
    /// No version of an aggregate is acknowledged to two operations.
    OneForEachVersion,
    /// The versions of an aggregate are 1 to n.
    Versions,
    /// No operation is in the log twice, whatever was told about it, but for steps to a slug.
    Once,
    /// All attempts at one operation that were acknowledged got the same answer.
    SameAnswer,
    /// An operation that was refused or not made at each attempt is not in the log.
    RefusedWroteNothing,
    /// What asked for a version followed that version.
    ExpectedVersion,
    /// What was begun after another was acknowledged has a later version.
    RealTime,
    /// A person likes a post once, and takes back what is liked.
    OneLike,
    /// Comments and likes are in the log only while their post is published there.
    Published,
    /// What was done to a post could be done to it as it was.
    Status,
    /// What is scheduled is published when it is due, unless that was called off.
    Due,
    /// No slug is that of two posts, a post keeps the one that it has, and gets the one that was chosen.
    OneSlug,
    /// Nothing is in the log that nobody asked for, of that aggregate.
    AskedFor,
    /// No client was told what no client may be told.
    Answers,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub rule: Rule,
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.what)
    }
}

/// Everything in which the history and the log contradict each other. `log` is by partition in the order of offsets.
pub fn violations(history: &History, log: &[Written]) -> Vec<Violation> {
    let view = View::of(history, log);
    let mut found = Findings::default();
    view.versions(&mut found);
    view.once(&mut found);
    view.asked_for(&mut found);
    view.one_like(&mut found);
    view.published(&mut found);
    view.status(&mut found);
    view.due(&mut found);
    view.one_slug(&mut found);
    view.one_for_each_version(&mut found);
    for operation in history.operations.keys() {
        view.acknowledged(*operation, &mut found);
        view.refused_wrote_nothing(*operation, &mut found);
    }
    view.real_time(&mut found);
    found.0
}

#[derive(Default)]
struct Findings(Vec<Violation>);

impl Findings {
    fn add(&mut self, rule: Rule, what: String) {
        self.0.push(Violation { rule, what });
    }
}

struct View<'a> {
    history: &'a History,
    log: &'a [Written],
    /// Places in `log`, but those of steps on the way to a slug.
    by_operation: BTreeMap<u64, Vec<usize>>,
    by_aggregate: BTreeMap<Uuid, Vec<usize>>,
    by_position: BTreeMap<(u32, u64), usize>,
    attempts: BTreeMap<u64, Vec<&'a Attempt>>,
}

impl<'a> View<'a> {
    fn of(history: &'a History, log: &'a [Written]) -> Self {
        let mut view = Self {
            history,
            log,
            by_operation: BTreeMap::new(),
            by_aggregate: BTreeMap::new(),
            by_position: BTreeMap::new(),
            attempts: BTreeMap::new(),
        };
        for (place, written) in log.iter().enumerate() {
            if !written.is_slug_step() {
                view.by_operation.entry(written.operation).or_default().push(place);
            }
            view.by_aggregate.entry(written.aggregate).or_default().push(place);
            view.by_position.insert((written.position.partition, written.position.offset), place);
        }
        for attempt in &history.attempts {
            view.attempts.entry(attempt.operation).or_default().push(attempt);
        }
        view
    }

    fn attempts(&self, operation: u64) -> &[&'a Attempt] {
        self.attempts.get(&operation).map_or(&[], Vec::as_slice)
    }

    /// The first of the operation's commits; that there is no other is a rule of its own.
    fn written(&self, operation: u64) -> Option<&'a Written> {
        self.by_operation.get(&operation).and_then(|places| places.first()).map(|place| &self.log[*place])
    }

    fn versions(&self, found: &mut Findings) {
        let mut last = BTreeMap::<Uuid, u64>::new();
        for written in self.log {
            let version = last.entry(written.aggregate).or_default();
            for (event, _) in &written.events {
                if *event != *version + 1 {
                    let Written { operation, aggregate, position, .. } = written;
                    let what = format!("{aggregate} has {event} after {version}, operation {operation}, {position:?}");
                    found.add(Rule::Versions, what);
                }
                *version = *event;
            }
        }
    }

    fn once(&self, found: &mut Findings) {
        for (operation, places) in &self.by_operation {
            if *operation != 0 && places.len() > 1 {
                let positions: Vec<_> = places.iter().map(|place| self.log[*place].position).collect();
                found.add(Rule::Once, format!("operation {operation} stands at {positions:?}"));
            }
        }
        let mut commands = BTreeMap::<Uuid, u64>::new();
        for written in self.log {
            if let Some(other) = commands.insert(written.command, written.operation) {
                let Written { command, operation, .. } = written;
                found.add(Rule::Once, format!("command {command} stands for operations {other} and {operation}"));
            }
        }
    }

    fn asked_for(&self, found: &mut Findings) {
        for written in self.log.iter().filter(|written| !self.is_asked_for(written)) {
            found.add(Rule::AskedFor, format!("{written:?}"));
        }
    }

    fn is_asked_for(&self, written: &Written) -> bool {
        let Some(operation) = self.history.operations.get(&written.operation) else { return written.is_when_due() };
        let is_of_it = match operation.kind {
            Kind::Create => true,
            kind if kind.is_of_post() => Some(written.aggregate) == operation.post || written.is_slug_step(),
            _ => Some(written.post) == operation.post,
        };
        is_of_it && written.events.iter().all(|(_, what)| operation.kind.asks_for(*what))
    }

    fn one_for_each_version(&self, found: &mut Findings) {
        let mut told = BTreeMap::<(Uuid, u64), u64>::new();
        for attempt in &self.history.attempts {
            if let Told::Done { aggregate, version, .. } = attempt.told
                && !self.changed_nothing(attempt)
                && let Some(other) = told.insert((aggregate, version), attempt.operation)
                && other != attempt.operation
            {
                let what = format!("{aggregate} version {version}: operations {other} and {}", attempt.operation);
                found.add(Rule::OneForEachVersion, what);
            }
        }
    }

    /// The commits of an aggregate up to an offset.
    fn written_until(&self, aggregate: Uuid, offset: u64) -> impl Iterator<Item = &Written> {
        let places = self.by_aggregate.get(&aggregate).map_or(&[][..], Vec::as_slice);
        let written = places.iter().map(|place| &self.log[*place]);
        written.take_while(move |written| written.position.offset <= offset)
    }

    /// Their events.
    fn until(&self, aggregate: Uuid, offset: u64) -> impl Iterator<Item = (u64, What)> {
        self.written_until(aggregate, offset).flat_map(|written| written.events.clone())
    }

    /// Publishing what is published, and the like, is acknowledged with the position of whoever changed the aggregate or its
    /// post last. Everything must have been there as it asks for.
    fn changed_nothing(&self, attempt: &Attempt) -> bool {
        let Some(operation) = self.history.operations.get(&attempt.operation) else { return false };
        let Told::Done { aggregate, version, position, .. } = &attempt.told else { return false };
        let there = self.by_position.get(&(position.partition, position.offset)).map(|place| &self.log[*place]);
        let rests_on = |there: &&Written| {
            there.operation != attempt.operation
                && (there.aggregate == *aggregate || Some(there.aggregate) == operation.post)
        };
        if !operation.kind.may_change_nothing() || !there.is_some_and(|there| rests_on(&there)) {
            return false;
        }
        let last = self.until(*aggregate, position.offset).last();
        let liked = matches!(last, Some((_, What::Liked(_))));
        let status = operation
            .post
            .map_or(Status::Draft, |post| Status::after(self.until(post, position.offset).map(|(_, what)| what)));
        let published = status == Status::Published;
        let as_asked = match operation.kind {
            Kind::Like => liked && published,
            Kind::Unlike => !liked && published,
            Kind::Publish => published,
            Kind::PublishAs(_) => {
                published && self.slug(*aggregate, position.offset) == operation.kind.slug().as_deref()
            }
            Kind::Restore => !matches!(status, Status::Deleted { .. }),
            _ => status == Status::Draft,
        };
        let is_of_it = !operation.kind.is_of_post() || Some(*aggregate) == operation.post;
        let expected = operation.expected.is_none_or(|expected| expected == *version);
        as_asked && is_of_it && expected && last.map_or(0, |(version, _)| version) == *version
    }

    fn one_like(&self, found: &mut Findings) {
        let mut likes = BTreeMap::<(Uuid, PersonId), (Uuid, bool)>::new();
        for written in self.log {
            for (_, what) in &written.events {
                let (What::Liked(person) | What::Unliked(person)) = what else { continue };
                let liked = matches!(what, What::Liked(_));
                let before = likes.insert((written.post, *person), (written.aggregate, liked));
                let (aggregate, was_liked) = before.unwrap_or((written.aggregate, false));
                if aggregate != written.aggregate || liked == was_liked {
                    found.add(
                        Rule::OneLike,
                        format!("{person} liked it before: {was_liked}, as {aggregate}: {written:?}"),
                    );
                }
            }
        }
    }

    fn acknowledged(&self, operation: u64, found: &mut Findings) {
        let mut first: Option<&Told> = None;
        let written = self.written(operation);
        for attempt in self.attempts(operation) {
            if let Told::Broken { .. } = &attempt.told {
                found.add(Rule::Answers, format!("operation {operation} was told {:?}", attempt.told));
            }
            let Told::Done { aggregate, version, position, .. } = &attempt.told else { continue };
            if self.changed_nothing(attempt) {
                continue;
            }
            let stands = written.is_some_and(|written| {
                written.aggregate == *aggregate && written.version() == *version && written.position == *position
            });
            if !stands {
                let what = format!("operation {operation} was told {:?}, and the log has {written:?}", attempt.told);
                found.add(Rule::Acknowledged, what);
            }
            let first = *first.get_or_insert(&attempt.told);
            if *first != attempt.told {
                let what = format!("operation {operation} was told {first:?}, then {:?}", attempt.told);
                found.add(Rule::SameAnswer, what);
            }
        }
        let expected = self.history.operations[&operation].expected;
        if let (Some(expected), Some(written)) = (expected, written)
            && written.events.first().map(|(version, _)| *version) != Some(expected + 1)
        {
            let what = format!("operation {operation} asked for version {expected} and is {:?}", written.events);
            found.add(Rule::ExpectedVersion, what);
        }
    }

    fn refused_wrote_nothing(&self, operation: u64, found: &mut Findings) {
        let wrote_nothing = |attempt: &&Attempt| matches!(attempt.told, Told::Refused { .. } | Told::NotMade { .. });
        let attempts = self.attempts(operation);
        if !attempts.is_empty()
            && attempts.iter().all(wrote_nothing)
            && let Some(written) = self.written(operation)
        {
            let told: Vec<_> = attempts.iter().map(|attempt| attempt.told.label()).collect();
            found.add(Rule::RefusedWroteNothing, format!("operation {operation} was told {told:?}: {written:?}"));
        }
    }

    /// For each aggregate: whatever was begun after an acknowledgement stands after what was acknowledged.
    fn real_time(&self, found: &mut Findings) {
        let mut aggregates = BTreeMap::<Uuid, Vec<Span>>::new();
        for written in self.log {
            let attempts = self.attempts(written.operation);
            let Some(began) = attempts.iter().map(|attempt| attempt.began).min() else { continue };
            let done = |attempt: &&&Attempt| matches!(&attempt.told, Told::Done { position, .. } if *position == written.position);
            let acknowledged = attempts.iter().filter(done).map(|attempt| attempt.ended).min();
            let span = Span { operation: written.operation, version: written.version(), began, acknowledged };
            aggregates.entry(written.aggregate).or_default().push(span);
        }
        for (aggregate, spans) in aggregates {
            let mut acknowledged: Vec<_> =
                spans.iter().filter_map(|span| Some((span.acknowledged?, span.version, span.operation))).collect();
            acknowledged.sort_unstable();
            let mut begun: Vec<_> = spans.iter().collect();
            begun.sort_unstable_by_key(|span| span.began);
            let mut earlier = acknowledged.into_iter().peekable();
            let mut latest = (0, 0);
            for span in begun {
                while let Some((_, version, operation)) = earlier.next_if(|(ended, ..)| *ended < span.began) {
                    latest = latest.max((version, operation));
                }
                if latest.0 > span.version {
                    let Span { operation, version, .. } = span;
                    let what = format!(
                        "{aggregate}: operation {operation} is version {version}, and was begun after operation {} was \
                         acknowledged as version {}",
                        latest.1, latest.0
                    );
                    found.add(Rule::RealTime, what);
                }
            }
        }
    }
}

struct Span {
    operation: u64,
    version: u64,
    began: Duration,
    acknowledged: Option<Duration>,
}
