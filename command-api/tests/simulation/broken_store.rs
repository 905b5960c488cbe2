//! A store that fails while its partition is served.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use command_api::domain::post::PostCommand;
use command_api::partition::submission::{Answer, Halted, Output};
use event_log::state::{Checkpoint, CommandKey, Due, MemoryState, StateBatch, StateError, StateStore};
use uuid::Uuid;

use crate::commands::contents;
use crate::one_partition::OnePartition;

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
    partition: OnePartition<Fragile>,
    store: Fragile,
}

/// The one post.
const POST: u128 = 9;

impl World {
    /// A partition that is served, with one post in its store.
    fn new() -> Self {
        let store = Fragile::default();
        let mut world = Self { partition: OnePartition::new(store.clone()), store };
        world.submit(1, PostCommand::Create(contents()));
        assert!(world.partition.settle().iter().any(|said| matches!(said, Output::Answer(1, Answer::Done(_)))));
        world.pass();
        world
    }

    fn submit(&mut self, ticket: u64, command: PostCommand) {
        self.partition.submit(ticket, POST, command);
    }

    fn pass(&mut self) {
        self.partition.pass(Duration::from_secs(2));
    }

    #[track_caller]
    fn assert_halted(&mut self, said: &[Output], stored: Checkpoint) {
        let halted = said.iter().filter(|said| matches!(said, Output::Halted(Halted::State { damaged: true, .. })));
        assert_eq!(halted.count(), 1, "{said:?}");
        assert!(said.iter().any(|said| matches!(said, Output::Stopped)), "{said:?}");
        assert!(!self.partition.runtime.owner().will_serve());
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
    let said = world.partition.settle();
    assert!(said.iter().any(|said| matches!(said, Output::Answer(2, Answer::NotOwner))), "{said:?}");
    world.assert_halted(&said, stored);
    world.submit(3, PostCommand::Delete);
    assert!(matches!(world.partition.settle()[..], [Output::Answer(3, Answer::NotOwner)]));
}

#[test]
fn a_partition_that_cannot_be_flushed_is_given_up_and_what_was_answered_is_in_the_log() {
    let mut world = World::new();
    let stored = world.store.checkpoint();
    world.submit(2, PostCommand::Delete);
    let said = world.partition.settle();
    assert!(said.iter().any(|said| matches!(said, Output::Answer(2, Answer::Done(_)))), "{said:?}");
    world.store.broken.set(true);
    world.pass();
    let said = world.partition.settle();
    world.assert_halted(&said, stored);
}
