//! One runtime on a cluster of its own, whose appends all land.

use std::time::Duration;

use command_api::domain::post::PostCommand;
use command_api::domain::{Actor, Command, Rights};
use command_api::partition::aggregates::Aggregates;
use command_api::partition::runtime::{Runtime, RuntimeConfig};
use command_api::partition::submission::{Output, Submission};
use event_log::owner::{Owner, OwnerConfig};
use event_log::simulated::{Fate, SimulatedCluster, SimulatedLog};
use event_log::state::StateStore;
use event_schema::hash::CommandHash;
use event_schema::id::{PersonId, PostId};
use uuid::Uuid;

use crate::commands::{clock_at, codec};
use crate::schedule::PARTITION;

pub struct OnePartition<S> {
    cluster: SimulatedCluster,
    pub runtime: Runtime<SimulatedLog, S>,
    pub now: Duration,
}

/// Commands that may be unsettled while more are added that are due.
pub const DUE_BELOW: usize = 4;

impl<S: StateStore> OnePartition<S> {
    /// A partition that is served.
    pub fn new(store: S) -> Self {
        let cluster = SimulatedCluster::default();
        let owner = Owner::new(OwnerConfig::default(), PARTITION, store.checkpoint().position, 1);
        let config = RuntimeConfig {
            due_below: DUE_BELOW,
            record_limit: 4 << 20,
            source: "/simulation".to_owned(),
            flush_entries: 100,
            flush_after: Duration::from_secs(1),
        };
        // Nothing stays in its cache.
        let mut runtime = Runtime::new(config, cluster.log(0), owner, codec(), Aggregates::new(store, 1), 1);
        runtime.open();
        let mut partition = Self { cluster, runtime, now: Duration::from_secs(1) };
        partition.runtime.assign(partition.now, 1);
        partition.settle();
        partition
    }

    pub fn submit(&mut self, ticket: u64, post: u128, command: PostCommand) {
        let submission = Submission {
            command_id: Uuid::from_u128(ticket.into()),
            command_hash: CommandHash::of(ticket.to_be_bytes()),
            command: Command::Post { id: PostId::new(Uuid::from_u128(post)), command },
            expected_version: None,
            actor: Actor::Person { id: PersonId::new(Uuid::from_u128(0xAD)), rights: Rights::ADMIN },
            correlation_id: Uuid::nil(),
            traceparent: None,
        };
        self.runtime.submit(self.now, clock_at(self.now), ticket, submission);
        self.runtime.flush();
    }

    /// Whatever is under way lands and is read, and what is appended then as well. Gives what the runtime said.
    pub fn settle(&mut self) -> Vec<Output> {
        loop {
            let in_flight = self.cluster.in_flight();
            if in_flight.is_empty() {
                break;
            }
            for route in in_flight {
                self.cluster.land(route, Fate::Lands);
            }
            while let Some(event) = self.cluster.deliver(0, PARTITION, true) {
                self.runtime.handle(self.now, clock_at(self.now), event);
                self.runtime.flush();
            }
        }
        std::iter::from_fn(|| self.runtime.poll()).collect()
    }

    pub fn pass(&mut self, time: Duration) {
        self.now += time;
        self.runtime.tick(self.now, clock_at(self.now));
        self.runtime.flush();
    }
}
