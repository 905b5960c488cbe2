//! Does the faults of a schedule to the programs and servers of a system.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, sleep_until};
use xtask::stack::Stack;

use super::history::Recorder;
use super::links::{Links, Stream};
use super::schedule::{Fault, How, Schedule, Whom};
use crate::program::Program;

/// A fault that was done; times as in the history.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    pub fault: Fault,
    pub began: Duration,
    pub ended: Duration,
}

/// Whom it can reach: owner 1 goes through the first way, and so on.
pub struct Nemesis<'a> {
    pub stack: &'static Stack,
    pub owners: &'a [&'a Program],
    pub recorder: &'a Recorder,
}

impl Nemesis<'_> {
    /// Does all faults, each at its time, or as soon as the one before it in its lane is over. Everything is back afterwards.
    pub async fn run(&self, schedule: &Schedule, told: impl Fn(&Fault)) -> Vec<Done> {
        let start = Instant::now();
        let lane = async |of_owners: bool| {
            let mut done = Vec::new();
            for fault in schedule.faults.iter().filter(|fault| matches!(fault.whom, Whom::Owner(_)) == of_owners) {
                sleep_until(start + fault.at).await;
                told(fault);
                let began = self.recorder.now();
                self.begin(fault).await;
                sleep(fault.lasts).await;
                self.end(fault).await;
                done.push(Done { fault: *fault, began, ended: self.recorder.now() });
            }
            done
        };
        let (mut done, brokers) = tokio::join!(lane(true), lane(false));
        done.extend(brokers);
        done.sort_by_key(|done| done.began);
        sleep_until(start + schedule.lasts).await;
        done
    }

    async fn begin(&self, fault: &Fault) {
        match (fault.how, fault.whom) {
            (How::Kill, Whom::Owner(owner)) => self.owners[owner].kill(),
            (How::Pause, Whom::Owner(owner)) => self.owners[owner].pause(),
            (How::Kill, Whom::Broker(broker)) => self.server(broker, Stack::kill).await,
            (How::Pause, Whom::Broker(broker)) => self.server(broker, Stack::pause).await,
            (How::Cut, whom) => self.links(whom).cut().await,
            (How::Slow(by), whom) => self.links(whom).slow(Stream::ToBrokers, by).await,
        }
    }

    async fn end(&self, fault: &Fault) {
        match (fault.how, fault.whom) {
            (How::Kill, Whom::Owner(owner)) => self.owners[owner].restart(),
            (How::Pause, Whom::Owner(owner)) => self.owners[owner].resume(),
            (How::Kill, Whom::Broker(broker)) => self.server(broker, Stack::restart).await,
            (How::Pause, Whom::Broker(broker)) => self.server(broker, Stack::resume).await,
            (How::Cut, whom) => self.links(whom).mend().await,
            (How::Slow(_), whom) => self.links(whom).let_go(Stream::ToBrokers).await,
        }
    }

    fn links(&self, whom: Whom) -> Links {
        match whom {
            Whom::Owner(owner) => Links::of_way(self.stack, owner),
            Whom::Broker(broker) => Links::to_broker(self.stack, broker),
        }
    }

    async fn server(&self, broker: usize, act: fn(&Stack, &str) -> xtask::failure::Result<()>) {
        let stack = self.stack;
        let name = format!("kafka-{}", broker + 1);
        let acted = spawn_blocking(move || act(stack, &name)).await.expect("the act does not panic");
        acted.expect("the broker obeys");
    }
}
