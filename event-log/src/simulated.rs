//! A log in memory which loses, delays, repeats and misreports appends as no real broker can be made to.
//!
//! Nothing happens by itself: a scheduler decides which append lands when and with which fate, and which record is
//! delivered next. Everything is in the order of that scheduler's calls, so that a seed replays a run exactly.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use crate::log::{AppendId, Lane, Log, LogEvent};
use crate::reader::Halt;
use crate::record::{LogRecord, RecordDraft};

/// Names a process that writes and reads; a restarted process is another instance.
pub type Instance = u32;

/// What becomes of one append when its turn comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Appended and reported.
    Lands,
    /// Appended, and no report ever comes.
    LandsUnreported,
    /// Appended, and reported as failed.
    LandsReportedFailed,
    /// Appended twice: a retry whose first attempt had landed, after the broker forgot the producer.
    LandsTwice,
    /// Not appended, and reported as failed.
    Fails,
    /// Not appended, and no report ever comes.
    Vanishes,
    /// Not appended, and reported as done all the same.
    VanishesReportedDone,
}

impl Fate {
    fn copies(self) -> usize {
        match self {
            Self::Lands | Self::LandsUnreported | Self::LandsReportedFailed => 1,
            Self::LandsTwice => 2,
            Self::Fails | Self::Vanishes | Self::VanishesReportedDone => 0,
        }
    }

    fn report(self) -> Option<bool> {
        match self {
            Self::Lands | Self::LandsTwice | Self::VanishesReportedDone => Some(true),
            Self::LandsReportedFailed | Self::Fails => Some(false),
            Self::LandsUnreported | Self::Vanishes => None,
        }
    }
}

/// One queue of appends whose order is kept: an instance's lane to a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    pub instance: Instance,
    pub partition: u32,
    pub lane: Lane,
}

/// The log that all instances share.
#[derive(Clone, Debug, Default)]
pub struct SimulatedCluster(Rc<RefCell<State>>);

#[derive(Debug, Default)]
struct State {
    partitions: BTreeMap<u32, Vec<LogRecord>>,
    /// Log time in milliseconds, set by the scheduler.
    clock: i64,
    flights: BTreeMap<Route, VecDeque<Flight>>,
    /// Where each open reader stands.
    readers: BTreeMap<(Instance, u32), u64>,
    reports: BTreeMap<(Instance, u32), VecDeque<LogEvent>>,
    dead: BTreeSet<Instance>,
}

#[derive(Debug)]
struct Flight {
    id: AppendId,
    records: Vec<RecordDraft>,
}

impl SimulatedCluster {
    /// The log as `instance` meets it.
    pub fn log(&self, instance: Instance) -> SimulatedLog {
        SimulatedLog { cluster: self.clone(), instance }
    }

    pub fn set_clock(&self, millis: i64) {
        self.0.borrow_mut().clock = millis;
    }

    /// Everything that a partition holds.
    pub fn records(&self, partition: u32) -> Vec<LogRecord> {
        self.0.borrow().partitions.get(&partition).cloned().unwrap_or_default()
    }

    /// The routes on which an append waits for its fate.
    pub fn in_flight(&self) -> Vec<Route> {
        self.0.borrow().flights.iter().filter(|(_, queue)| !queue.is_empty()).map(|(route, _)| *route).collect()
    }

    /// The readers for whom a record or a report is ready.
    pub fn deliverable(&self) -> Vec<(Instance, u32)> {
        let state = self.0.borrow();
        let records = state
            .readers
            .iter()
            .filter(|((_, partition), next)| **next < state.end(*partition))
            .map(|(reader, _)| *reader);
        let reports = state.reports.iter().filter(|(_, queue)| !queue.is_empty()).map(|(reader, _)| *reader);
        records.chain(reports).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Decides over the oldest append on `route`.
    pub fn land(&self, route: Route, fate: Fate) {
        let mut state = self.0.borrow_mut();
        let Some(flight) = state.flights.get_mut(&route).and_then(VecDeque::pop_front) else {
            return;
        };
        for _ in 0..fate.copies() {
            state.append(route.partition, &flight.records);
        }
        state.report(route, flight.id, fate.report());
    }

    /// Of the oldest append on `route` only the first `count` records land, and no report ever comes.
    pub fn land_partly(&self, route: Route, count: usize) {
        let mut state = self.0.borrow_mut();
        let Some(flight) = state.flights.get_mut(&route).and_then(VecDeque::pop_front) else {
            return;
        };
        let landed = &flight.records[..count.min(flight.records.len())];
        state.append(route.partition, landed);
    }

    /// The next thing that an instance hears of a partition: a report before a record, if `report_first`.
    pub fn deliver(&self, instance: Instance, partition: u32, report_first: bool) -> Option<LogEvent> {
        let mut state = self.0.borrow_mut();
        let record = |state: &mut State| {
            let next = *state.readers.get(&(instance, partition))?;
            let record = state.partitions.get(&partition)?.get(next as usize)?.clone();
            state.readers.insert((instance, partition), next + 1);
            Some(LogEvent::Record(record))
        };
        let report = |state: &mut State| state.reports.get_mut(&(instance, partition))?.pop_front();
        if report_first {
            report(&mut state).or_else(|| record(&mut state))
        } else {
            record(&mut state).or_else(|| report(&mut state))
        }
    }

    /// The instance is gone. What it had handed to its producers is on the wire and may still land.
    pub fn crash(&self, instance: Instance) {
        let mut state = self.0.borrow_mut();
        state.dead.insert(instance);
        state.readers.retain(|(reader, _), _| *reader != instance);
        state.reports.retain(|(reader, _), _| *reader != instance);
    }

    /// Every replica loses the last `count` records of a partition, as after a loss of power.
    pub fn cut(&self, partition: u32, count: usize) {
        let mut state = self.0.borrow_mut();
        if let Some(records) = state.partitions.get_mut(&partition) {
            records.truncate(records.len().saturating_sub(count));
        }
        let end = state.end(partition);
        let beyond: Vec<_> = state
            .readers
            .iter()
            .filter(|((_, p), next)| *p == partition && **next > end)
            .map(|(r, next)| (*r, *next))
            .collect();
        for (reader, offset) in beyond {
            let halt = Halt::OutOfRange { partition, offset, reason: format!("the log ends at {end}") };
            state.reports.entry(reader).or_default().push_back(LogEvent::ReadFailed { partition, halt });
            state.readers.remove(&reader);
        }
    }
}

impl State {
    fn end(&self, partition: u32) -> u64 {
        self.partitions.get(&partition).map_or(0, |records| records.len() as u64)
    }

    fn append(&mut self, partition: u32, drafts: &[RecordDraft]) {
        let timestamp = self.clock;
        let records = self.partitions.entry(partition).or_default();
        for draft in drafts {
            let RecordDraft { key, value, headers } = draft.clone();
            let offset = records.len() as u64;
            records.push(LogRecord { partition, offset, timestamp, key, value, headers });
        }
    }

    fn report(&mut self, route: Route, id: AppendId, done: Option<bool>) {
        let Route { instance, partition, .. } = route;
        if self.dead.contains(&instance) {
            return;
        }
        let event = match done {
            None => return,
            Some(true) => LogEvent::Appended { partition, id },
            Some(false) => LogEvent::AppendFailed { partition, id, reason: "the simulation says so".to_owned() },
        };
        self.reports.entry((instance, partition)).or_default().push_back(event);
    }
}

/// The simulated log as one instance meets it.
#[derive(Clone, Debug)]
pub struct SimulatedLog {
    cluster: SimulatedCluster,
    instance: Instance,
}

impl Log for SimulatedLog {
    fn open(&mut self, partition: u32, offset: u64) {
        let mut state = self.cluster.0.borrow_mut();
        let end = state.end(partition);
        if offset > end {
            let halt = Halt::OutOfRange { partition, offset, reason: format!("the log ends at {end}") };
            state
                .reports
                .entry((self.instance, partition))
                .or_default()
                .push_back(LogEvent::ReadFailed { partition, halt });
            return;
        }
        state.readers.insert((self.instance, partition), offset);
    }

    fn close(&mut self, partition: u32) {
        let mut state = self.cluster.0.borrow_mut();
        state.readers.remove(&(self.instance, partition));
        state.reports.remove(&(self.instance, partition));
    }

    fn append(&mut self, partition: u32, lane: Lane, id: AppendId, records: Vec<RecordDraft>) {
        let route = Route { instance: self.instance, partition, lane };
        self.cluster.0.borrow_mut().flights.entry(route).or_default().push_back(Flight { id, records });
    }

    /// Nothing is purged here: what was handed to a producer may always be on the wire already.
    fn leave(&mut self, _partition: u32, _lane: Lane) {}
}
