//! What came of a run, for a person.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::check::Violation;
use super::history::{History, Told};
use super::log::Written;
use super::nemesis::Done;
use super::schedule::Schedule;

#[derive(Debug)]
pub struct Report {
    pub schedule: Schedule,
    pub history: History,
    pub log: Vec<Written>,
    pub faults: Vec<Done>,
    pub partitions: u32,
    pub violations: Vec<Violation>,
    /// What else went wrong: readers that disagree, programs that ended, writes that never came back.
    pub troubles: Vec<String>,
}

/// For each kind of fault: how many, how many of them were followed by a write in every partition, and the longest time
/// until then.
type Recoveries = BTreeMap<(bool, &'static str), (usize, usize, Duration)>;

impl Report {
    pub fn is_good(&self) -> bool {
        self.violations.is_empty() && self.troubles.is_empty()
    }

    /// Leaves the schedule, every request with its answer, what the log says and this report in a folder.
    pub fn leave(&self, folder: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("schedule.txt"), self.schedule.to_string())?;
        self.history.write(&folder.join("history.tsv"))?;
        let log: String = self.log.iter().map(|written| format!("{written:?}\n")).collect();
        std::fs::write(folder.join("log.txt"), log)?;
        std::fs::write(folder.join("report.txt"), self.to_string())
    }

    /// Where a run with this seed leaves its evidence.
    pub fn folder(seed: u64) -> PathBuf {
        xtask::paths::repository().join(".groot/faults").join(seed.to_string())
    }

    fn answers(&self) -> BTreeMap<String, usize> {
        let mut answers = BTreeMap::new();
        for attempt in &self.history.attempts {
            *answers.entry(attempt.told.label()).or_default() += 1;
        }
        answers
    }

    fn recoveries(&self) -> Recoveries {
        let mut done: Vec<_> = self
            .history
            .attempts
            .iter()
            .filter_map(|attempt| match &attempt.told {
                Told::Done { position, .. } => Some((attempt.began, attempt.ended, position.partition)),
                _ => None,
            })
            .collect();
        done.sort_unstable();
        let mut recoveries = Recoveries::new();
        for fault in &self.faults {
            let mut served = BTreeMap::new();
            for (began, ended, partition) in done.iter().skip_while(|(began, ..)| *began < fault.began) {
                let first = served.entry(*partition).or_insert(*ended);
                *first = (*first).min(*ended);
                // Requests take 10 s at most: whatever began later cannot have ended before these.
                let all = served.len() == self.partitions as usize;
                if all && served.values().max().is_some_and(|last| began > last) {
                    break;
                }
            }
            let key = (matches!(fault.fault.whom, super::schedule::Whom::Broker(_)), fault.fault.how.name());
            let (count, recovered, longest) = recoveries.entry(key).or_default();
            *count += 1;
            if served.len() == self.partitions as usize {
                *recovered += 1;
                let last = served.values().max().copied().unwrap_or_default();
                *longest = (*longest).max(last.saturating_sub(fault.began));
            }
        }
        recoveries
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { schedule, history, log, violations, troubles, .. } = self;
        let requests = history.attempts.len();
        writeln!(f, "seed {}, {:.0} s of faults", schedule.seed, schedule.lasts.as_secs_f64())?;
        let several = log.iter().filter(|written| written.events.len() > 1).count();
        writeln!(
            f,
            "{} operations, {requests} requests, {} commits in the log, {several} of them of several events",
            history.operations.len(),
            log.len()
        )?;
        for (label, count) in self.answers() {
            writeln!(f, "  {count:8}  {label}")?;
        }
        writeln!(
            f,
            "faults, and from their start the longest time until every partition had acknowledged a new write:"
        )?;
        for ((broker, how), (count, recovered, longest)) in self.recoveries() {
            let whom = if broker { "broker" } else { "owner" };
            write!(f, "  {count:8}  {whom}: {how}, {:.1} s", longest.as_secs_f64())?;
            writeln!(
                f,
                "{}",
                if recovered < count { format!(" ({recovered} of {count} were)") } else { String::new() }
            )?;
        }
        for violation in violations {
            writeln!(f, "VIOLATED {violation}")?;
        }
        for trouble in troubles {
            writeln!(f, "TROUBLE {trouble}")?;
        }
        if self.is_good() {
            writeln!(f, "good: every answer is true, and every reader's fold is the same")
        } else {
            writeln!(f, "NOT good: repeat the faults with --seed {}", schedule.seed)
        }
    }
}
