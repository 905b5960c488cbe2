//! A list of faults, made from a seed: the same seed gives the same list.

use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Whom a fault befalls; both count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// An instance of command-api.
    Owner(usize),
    Broker(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// SIGKILL, and started again at the end of the fault.
    Kill,
    /// SIGSTOP, and SIGCONT at the end of the fault.
    Pause,
    /// Its connections are closed and no new ones come about.
    Cut,
    /// Everything that is sent to brokers takes this much longer.
    Slow(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Since the start of the schedule.
    pub at: Duration,
    pub lasts: Duration,
    pub how: How,
    pub whom: Whom,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    pub seed: u64,
    /// When it is over, and with it every fault.
    pub lasts: Duration,
    /// In order of their starts. One owner and one broker at a time, so that progress stays possible.
    pub faults: Vec<Fault>,
}

impl Schedule {
    pub fn seeded(seed: u64, lasts: Duration, owners: usize, brokers: usize) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut faults = lane(&mut rng, lasts, [1.0, 4.0], |rng| Whom::Owner(rng.random_range(0..owners)));
        faults.extend(lane(&mut rng, lasts, [3.0, 8.0], |rng| Whom::Broker(rng.random_range(0..brokers))));
        faults.sort_by_key(|fault| fault.at);
        Self { seed, lasts, faults }
    }
}

/// Faults of one kind of part, one after the other, with pauses between them.
fn lane(rng: &mut StdRng, end: Duration, pauses: [f64; 2], whom: impl Fn(&mut StdRng) -> Whom) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut now = Duration::ZERO;
    loop {
        let at = now + seconds(rng, pauses);
        let whom = whom(rng);
        // A stop of 12 s outlasts the sessions of owners (6 s) and of brokers (9 s) and the deadline of a command (8 s).
        let (how, lasts) = match rng.random_range(0..10) {
            0..3 => (How::Kill, seconds(rng, [0.0, 5.0])),
            3..6 => (How::Pause, seconds(rng, [0.5, 12.0])),
            6..8 => (How::Cut, seconds(rng, [0.5, 10.0])),
            _ => (How::Slow(seconds(rng, [0.1, 3.0])), seconds(rng, [2.0, 10.0])),
        };
        if at + lasts > end {
            return faults;
        }
        faults.push(Fault { at, lasts, how, whom });
        now = at + lasts;
    }
}

/// In whole milliseconds, so that what is printed is all there is.
fn seconds(rng: &mut StdRng, [from, to]: [f64; 2]) -> Duration {
    Duration::from_millis((rng.random_range(from..to) * 1000.0) as u64)
}

impl How {
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill -9",
            Self::Pause => "SIGSTOP",
            Self::Cut => "cut connections",
            Self::Slow(_) => "slow connections",
        }
    }
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner(number) => write!(f, "owner {}", number + 1),
            Self::Broker(number) => write!(f, "broker {}", number + 1),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, lasts, how, whom } = self;
        write!(f, "{:8.3} s  {whom}: {}", at.as_secs_f64(), how.name())?;
        if let How::Slow(by) = how {
            write!(f, " by {:.3} s", by.as_secs_f64())?;
        }
        write!(f, " for {:.3} s", lasts.as_secs_f64())
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, {:.1} s", self.seed, self.lasts.as_secs_f64())?;
        self.faults.iter().try_for_each(|fault| writeln!(f, "{fault}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn the_same_seed_gives_the_same_faults_and_another_seed_others() {
        let one = Schedule::seeded(1, MINUTE, 3, 3);
        assert_eq!(one, Schedule::seeded(1, MINUTE, 3, 3));
        assert_ne!(one.faults, Schedule::seeded(2, MINUTE, 3, 3).faults);
    }

    #[test]
    fn one_owner_and_one_broker_are_away_at_a_time_and_all_are_back_at_the_end() {
        for seed in 0..100 {
            let schedule = Schedule::seeded(seed, MINUTE, 3, 3);
            for is_owner in [true, false] {
                let lane: Vec<_> =
                    schedule.faults.iter().filter(|fault| matches!(fault.whom, Whom::Owner(_)) == is_owner).collect();
                assert!(!lane.is_empty());
                assert!(lane.windows(2).all(|pair| pair[0].at + pair[0].lasts < pair[1].at), "{schedule}");
                assert!(lane.iter().all(|fault| fault.at + fault.lasts <= MINUTE), "{schedule}");
            }
        }
    }

    #[test]
    fn an_hour_has_every_fault_of_everybody() {
        let schedule = Schedule::seeded(7, 60 * MINUTE, 3, 3);
        for whom in (0..3).flat_map(|number| [Whom::Owner(number), Whom::Broker(number)]) {
            for how in ["kill -9", "SIGSTOP", "cut connections", "slow connections"] {
                assert!(
                    schedule.faults.iter().any(|fault| fault.whom == whom && fault.how.name() == how),
                    "{whom}: {how}"
                );
            }
        }
    }
}
