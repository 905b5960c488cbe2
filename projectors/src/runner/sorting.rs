//! What of a delivery is projected, and what is parked: a poison event parks the records of its key, and nothing else.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};

use event_log::record::LogRecord;

use crate::dead_letter::{DeadLetter, key_of};
use crate::event::LoggedEvent;
use crate::projection::{Projection, Unprojectable};
use crate::runner::parked::Held;

/// Records of one partition in the order of the log, and what each says. Events lie together as projecting wants them: there are thousands,
/// and they are large.
#[derive(Default)]
pub struct Reading {
    records: Vec<LogRecord>,
    events: Vec<LoggedEvent>,
    /// The records that have no event, by their places: unreadable ones with the reason, and events of an aggregate that is no projection's here.
    without: BTreeMap<usize, Option<String>>,
}

impl Reading {
    pub fn with_capacity(count: usize) -> Self {
        Self { records: Vec::with_capacity(count), events: Vec::with_capacity(count), without: BTreeMap::new() }
    }

    /// The next record, and what it says, if it can be told. None is an event of an aggregate that is no projection's here.
    pub fn push(&mut self, record: LogRecord, said: Result<Option<LoggedEvent>, String>) {
        let without = match said {
            Ok(Some(event)) => {
                self.events.push(event);
                None
            }
            Ok(None) => Some(None),
            Err(why) => Some(Some(why)),
        };
        if let Some(without) = without {
            self.without.insert(self.records.len(), without);
        }
        self.records.push(record);
    }

    /// Keys, values and headers, in bytes.
    pub fn size(&self) -> usize {
        self.records.iter().map(LogRecord::size).sum()
    }
}

/// A delivery sorted.
#[derive(Debug)]
pub struct Sorted<B> {
    pub batch: B,
    /// How many events are in the batch.
    pub events: u64,
    pub letters: Vec<DeadLetter>,
}

/// Sorts records of one partition, which stand in the order of the log. `parked` are the keys whose records wait already or were
/// given up.
///
/// # Errors
/// When events that can each be projected after those of their key cannot be projected together.
pub fn sort<P: Projection>(
    projection: &P,
    mut parked: BTreeMap<String, Held>,
    reading: Reading,
) -> Result<Sorted<P::Batch>, Unprojectable> {
    let (ours, mut letters) = divide(&mut parked, reading);
    match attempt(projection, &ours.events) {
        Ok(batch) => return Ok(Sorted { batch, events: ours.events.len() as u64, letters }),
        Err(_) => {
            for (place, why) in poison(projection, &ours) {
                let record = &ours.records[place];
                parked.insert(key_of(record), Held { first: record.offset, dropped: false });
                letters.push(DeadLetter::poison(record.clone(), why));
            }
        }
    }
    let mut rest = Ours::default();
    for (record, event) in ours.records.into_iter().zip(ours.events) {
        match parked.get(&key_of(&record)) {
            Some(Held { first, .. }) if record.offset > *first => letters.push(DeadLetter::behind(record, *first)),
            Some(Held { first, .. }) if record.offset == *first => {}
            _ => rest.push(record, event),
        }
    }
    letters.sort_by_key(|letter| letter.record.offset);
    let batch = attempt(projection, &rest.events)?;
    Ok(Sorted { batch, events: rest.events.len() as u64, letters })
}

/// Records that can be read and wait for nothing, each with its event.
#[derive(Default)]
struct Ours {
    records: Vec<LogRecord>,
    events: Vec<LoggedEvent>,
}

impl Ours {
    fn push(&mut self, record: LogRecord, event: LoggedEvent) {
        self.records.push(record);
        self.events.push(event);
    }
}

/// Parts those from what waits. Records of keys that were given up are neither.
fn divide(parked: &mut BTreeMap<String, Held>, reading: Reading) -> (Ours, Vec<DeadLetter>) {
    let Reading { records, events, mut without } = reading;
    // Nearly always nothing is parked and everything can be read.
    if parked.is_empty() && without.is_empty() {
        return (Ours { records, events }, Vec::new());
    }
    let (mut ours, mut letters, mut events) = (Ours::default(), Vec::new(), events.into_iter());
    for (place, record) in records.into_iter().enumerate() {
        let said = match without.remove(&place) {
            None => Ok(events.next()),
            Some(None) => Ok(None),
            Some(Some(why)) => Err(why),
        };
        let held = if parked.is_empty() { None } else { parked.get(&key_of(&record)).copied() };
        // What stands before the poison is projected as ever, when the log is read again.
        match (held.filter(|held| record.offset >= held.first), said) {
            (Some(Held { dropped: true, .. }), _) | (None, Ok(None)) => {}
            (Some(Held { first, .. }), _) => letters.push(DeadLetter::behind(record, first)),
            (None, Ok(Some(event))) => ours.push(record, event),
            (None, Err(why)) => {
                parked.insert(key_of(&record), Held { first: record.offset, dropped: false });
                letters.push(DeadLetter::poison(record, why));
            }
        }
    }
    (ours, letters)
}

/// The first event of each key that cannot be projected after those of its key before it: its place, and why.
fn poison<P: Projection>(projection: &P, ours: &Ours) -> Vec<(usize, String)> {
    let mut by_key = HashMap::<String, Vec<usize>>::new();
    for (place, record) in ours.records.iter().enumerate() {
        by_key.entry(key_of(record)).or_default().push(place);
    }
    let mut found = Vec::new();
    for places in by_key.into_values() {
        let events: Vec<_> = places.iter().map(|place| ours.events[*place].clone()).collect();
        let Err(mut why) = attempt(projection, &events) else { continue };
        // What cannot be projected does not become projectable by what follows, so the first of it is found by halving.
        let (mut well, mut ill) = (0, events.len());
        while ill - well > 1 {
            let middle = usize::midpoint(well, ill);
            match attempt(projection, &events[..middle]) {
                Ok(_) => well = middle,
                Err(error) => (ill, why) = (middle, error),
            }
        }
        found.push((places[well], why.0));
    }
    found
}

fn attempt<P: Projection>(projection: &P, events: &[LoggedEvent]) -> Result<P::Batch, Unprojectable> {
    // Projecting is pure: what a panic leaves half done is the batch alone, which goes with it.
    catch_unwind(AssertUnwindSafe(|| projection.project(events))).unwrap_or_else(|_| {
        Err(Unprojectable("projecting it panicked; the log of that time has the details".to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use event_log::position::Position;
    use event_log::record::Headers;
    use event_schema::event::DomainEvent;
    use event_schema::meta::EventMeta;
    use event_schema::person::PersonCreated;
    use uuid::Uuid;

    use super::*;
    use crate::dead_letter::{Parked, Standing};
    use crate::projection::{Changes, Saved, StoreFailure};

    /// Gives the offsets, and finds fault with people of these names.
    struct Names;

    impl Projection for Names {
        type Batch = Vec<u64>;

        fn names(&self) -> read_model::Projection {
            read_model::DOCUMENTS
        }

        fn project(&self, events: &[LoggedEvent]) -> Result<Vec<u64>, Unprojectable> {
            let offset = |event: &LoggedEvent| match &event.event {
                DomainEvent::Person(person) if format!("{person:?}").contains("bad") => {
                    Err(Unprojectable("a bad name".to_owned()))
                }
                DomainEvent::Person(person) if format!("{person:?}").contains("panic") => panic!("as it has to"),
                _ => Ok(event.offset),
            };
            events.iter().map(offset).collect()
        }

        async fn load(&self, _: u32) -> Result<Saved, StoreFailure> {
            Ok(Saved::NOTHING)
        }

        async fn parked(&self, _: u32) -> Result<Vec<Parked>, StoreFailure> {
            Ok(Vec::new())
        }

        async fn order(&self, _: u32) -> Result<Option<(String, Standing)>, StoreFailure> {
            Ok(None)
        }

        async fn letters(&self, _: u32, _: &str, _: u32) -> Result<Vec<DeadLetter>, StoreFailure> {
            Ok(Vec::new())
        }

        async fn write(&self, _: u32, _: Changes<Vec<u64>>, from: Saved, _: Position) -> Result<Saved, StoreFailure> {
            Ok(from)
        }

        async fn settled(&self) {}
    }

    /// Records in the order of the log: of whom, and a name, or what cannot be read. No name is an event that is no projection's.
    fn reading(told: &[(&'static str, Result<&str, &str>)]) -> Reading {
        let mut reading = Reading::default();
        for (offset, (key, told)) in (0..).zip(told) {
            let record = LogRecord {
                partition: 0,
                offset,
                timestamp: 0,
                key: Some((*key).into()),
                value: None,
                headers: Headers::default(),
            };
            let said = told.map(|name| {
                let event = DomainEvent::from(PersonCreated { name: name.to_owned() });
                Some(LoggedEvent::at(&record, meta(&event), event)).filter(|_| !name.is_empty())
            });
            reading.push(record, said.map_err(str::to_owned));
        }
        reading
    }

    fn meta(event: &DomainEvent) -> EventMeta {
        EventMeta {
            id: Uuid::nil(),
            event_type: event.event_type().to_owned(),
            source: String::new(),
            time: chrono::DateTime::UNIX_EPOCH,
            aggregate_id: Uuid::nil(),
            version: 1,
            command_id: Uuid::nil(),
            command_hash: event_schema::hash::CommandHash::of(b""),
            actor: event_schema::meta::ActorRef::System,
            correlation_id: Uuid::nil(),
            causation_id: Uuid::nil(),
            traceparent: None,
        }
    }

    fn sorted(parked: &[(&str, Held)], told: &[(&'static str, Result<&str, &str>)]) -> (Vec<u64>, Vec<u64>) {
        let parked = parked.iter().map(|(key, held)| ((*key).to_owned(), *held)).collect();
        let sorted = sort(&Names, parked, reading(told)).unwrap();
        assert_eq!(sorted.events, sorted.batch.len() as u64);
        (sorted.batch, sorted.letters.iter().map(|letter| letter.record.offset).collect())
    }

    #[test]
    fn what_cannot_be_read_parks_what_follows_of_its_key_and_nothing_else() {
        let told = [("a", Ok("1")), ("b", Ok("1")), ("a", Err("torn")), ("b", Ok("2")), ("a", Ok("3"))];
        assert_eq!(sorted(&[], &told), (vec![0, 1, 3], vec![2, 4]));
    }

    #[test]
    fn what_cannot_be_projected_or_panics_does_the_same() {
        for poison in ["bad", "panic"] {
            let told = [("a", Ok("1")), ("b", Ok("1")), ("a", Ok(poison)), ("b", Ok("2")), ("a", Ok("3"))];
            assert_eq!(sorted(&[], &told), (vec![0, 1, 3], vec![2, 4]), "{poison}");
        }
    }

    #[test]
    fn an_event_that_is_no_projections_here_is_passed_over_unless_its_key_is_parked() {
        let told = [("a", Ok("")), ("b", Ok("1")), ("a", Ok("2")), ("c", Ok("")), ("b", Ok("3"))];
        assert_eq!(sorted(&[], &told), (vec![1, 2, 4], vec![]));
        assert_eq!(sorted(&[("a", Held { first: 0, dropped: false })], &told), (vec![1, 4], vec![0, 2]));
    }

    #[test]
    fn several_kinds_of_poison_in_one_delivery_are_all_found() {
        let told = [("a", Err("torn")), ("b", Ok("bad")), ("c", Ok("1")), ("b", Ok("2")), ("a", Ok("2"))];
        assert_eq!(sorted(&[], &told), (vec![2], vec![0, 1, 3, 4]));
    }

    #[test]
    fn records_of_a_parked_key_wait_and_of_one_given_up_are_gone() {
        let told = [("a", Ok("1")), ("b", Ok("1")), ("c", Ok("1")), ("b", Err("torn"))];
        let held = |dropped| Held { first: 0, dropped };
        assert_eq!(sorted(&[("a", held(false)), ("b", held(true))], &told), (vec![2], vec![0]));
    }

    #[test]
    fn what_stands_before_the_poison_is_projected_when_the_log_is_read_again() {
        let told = [("a", Ok("1")), ("b", Ok("1")), ("a", Err("torn")), ("b", Ok("2")), ("b", Ok("3"))];
        let held = |first, dropped| Held { first, dropped };
        assert_eq!(sorted(&[("a", held(2, false)), ("b", held(3, true))], &told), (vec![0, 1], vec![2]));
    }

    #[test]
    fn the_poison_is_found_wherever_it_stands() {
        for at in 0..20 {
            let told: Vec<_> = (0..20).map(|n| ("a", Ok(if n == at { "bad" } else { "1" }))).collect();
            assert_eq!(sorted(&[], &told), ((0..at).collect(), (at..20).collect()), "{at}");
        }
    }

    #[test]
    fn a_letter_says_why_it_is_one() {
        let told = [("a", Err("torn")), ("a", Ok("1")), ("b", Ok("bad"))];
        let letters = sort(&Names, BTreeMap::new(), reading(&told)).unwrap().letters;
        let reasons: Vec<_> = letters.iter().map(|letter| letter.reason.as_str()).collect();
        assert_eq!(reasons, ["torn", "it follows the record at offset 0, which is parked", "a bad name"]);
    }
}
