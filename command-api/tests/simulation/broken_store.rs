//! A store that fails while its partition is served.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use command_api::domain::post::PostCommand;
use command_api::domain::{Actor, Command, Rights};
use command_api::partition::aggregates::Aggregates;
use command_api::partition::runtime::{Runtime, RuntimeConfig};
use command_api::partition::submission::{Answer, Halted, Output, Submission};
use event_log::owner::{Owner, OwnerConfig};
use event_log::simulated::{Fate, SimulatedCluster, SimulatedLog};
use event_log::state::{Checkpoint, CommandKey, Due, MemoryState, StateBatch, StateError, StateStore};
use event_schema::hash::CommandHash;
use event_schema::id::{PersonId, PostId};
use uuid::Uuid;

use crate::commands::{clock_at, codec, contents};
use crate::schedule::PARTITION;

#[derive(Clone, Debug, Default)]
struct Fragile {
    inner: MemoryState,
    broken: Rc<Cell<bool>>,
}

impl Fragile {
    fn whole(&self) -> Result<(), StateError> {
        if self.broken.get() { Err(StateError::Damaged("it broke".to_owned())) } else { Ok(()) }
    }
}

impl StateStore for Fragile {
    fn checkpoint(&self) -> Checkpoint {
        self.inner.checkpoint()
    }

    fn aggregate(&self, id: Uuid, expected: bool) -> Result<Option<Vec<u8>>, StateError> {
        self.whole()?;
        self.inner.aggregate(id, expected)
    }

    fn command(&self, key: CommandKey) -> Result<Option<Vec<u8>>, StateError> {
        self.whole()?;
        self.inner.command(key)
    }

    fn due(&self, after: Option<Due>, limit: usize) -> Result<Vec<Due>, StateError> {
        self.whole()?;
        self.inner.due(after, limit)
    }

    fn write(&mut self, batch: StateBatch) -> Result<(), StateError> {
        self.whole()?;
        self.inner.write(batch)
    }
}

struct World {
    cluster: SimulatedCluster,
    runtime: Runtime<SimulatedLog, Fragile>,
    store: Fragile,
    now: Duration,
}

impl World {
    /// A partition that is served, with one post in its store.
    fn new() -> Self {
        let cluster = SimulatedCluster::default();
        let store = Fragile::default();
        let owner = Owner::new(OwnerConfig::default(), PARTITION, store.checkpoint().position, 1);
        let config = RuntimeConfig {
            queue: 64,
            record_limit: 4 << 20,
            source: "/simulation".to_owned(),
            flush_entries: 100,
            flush_after: Duration::from_secs(1),
        };
        // Nothing stays in its cache.
        let aggregates = Aggregates::new(store.clone(), 1);
        let mut runtime = Runtime::new(config, cluster.log(0), owner, codec(), aggregates, 1);
        runtime.open();
        let mut world = Self { cluster, runtime, store, now: Duration::from_secs(1) };
        world.runtime.assign(world.now, 1);
        world.settle();
        world.submit(1, PostCommand::Create(contents()));
        assert!(world.settle().iter().any(|said| matches!(said, Output::Answer(1, Answer::Done(_)))));
        world.pass();
        world
    }

    fn submit(&mut self, ticket: u64, command: PostCommand) {
        let submission = Submission {
            command_id: Uuid::from_u128(ticket.into()),
            command_hash: CommandHash::of(ticket.to_be_bytes()),
            command: Command::Post { id: PostId::new(Uuid::from_u128(9)), command },
            expected_version: None,
            actor: Actor::Person { id: PersonId::new(Uuid::from_u128(0xAD)), rights: Rights::ADMIN },
            correlation_id: Uuid::nil(),
            traceparent: None,
        };
        self.runtime.submit(self.now, clock_at(self.now), ticket, submission);
        self.runtime.flush();
    }

    /// Whatever is under way lands and is read. Gives what the runtime said.
    fn settle(&mut self) -> Vec<Output> {
        for route in self.cluster.in_flight() {
            self.cluster.land(route, Fate::Lands);
        }
        while let Some(event) = self.cluster.deliver(0, PARTITION, true) {
            self.runtime.handle(self.now, clock_at(self.now), event);
            self.runtime.flush();
        }
        std::iter::from_fn(|| self.runtime.poll()).collect()
    }

    fn pass(&mut self) {
        self.now += Duration::from_secs(2);
        self.runtime.tick(self.now, clock_at(self.now));
        self.runtime.flush();
    }

    #[track_caller]
    fn assert_halted(&mut self, said: &[Output], stored: Checkpoint) {
        let halted = said.iter().filter(|said| matches!(said, Output::Halted(Halted::State { damaged: true, .. })));
        assert_eq!(halted.count(), 1, "{said:?}");
        assert!(said.iter().any(|said| matches!(said, Output::Stopped)), "{said:?}");
        assert!(!self.runtime.owner().will_serve());
        assert_eq!(self.store.checkpoint(), stored, "nothing is stored any more");
    }
}

#[test]
fn a_command_that_cannot_be_decided_for_want_of_state_is_sent_on_and_the_partition_given_up() {
    let mut world = World::new();
    let stored = world.store.checkpoint();
    assert_eq!(stored.aggregates, 1);
    world.store.broken.set(true);
    world.submit(2, PostCommand::Delete);
    let said = world.settle();
    assert!(said.iter().any(|said| matches!(said, Output::Answer(2, Answer::NotOwner))), "{said:?}");
    world.assert_halted(&said, stored);
    world.submit(3, PostCommand::Delete);
    assert!(matches!(world.settle()[..], [Output::Answer(3, Answer::NotOwner)]));
}

#[test]
fn a_partition_that_cannot_be_flushed_is_given_up_and_what_was_answered_is_in_the_log() {
    let mut world = World::new();
    let stored = world.store.checkpoint();
    world.submit(2, PostCommand::Delete);
    let said = world.settle();
    assert!(said.iter().any(|said| matches!(said, Output::Answer(2, Answer::Done(_)))), "{said:?}");
    world.store.broken.set(true);
    world.pass();
    let said = world.settle();
    world.assert_halted(&said, stored);
}
