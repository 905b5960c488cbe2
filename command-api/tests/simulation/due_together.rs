//! Many posts whose time comes at once.

use std::time::Duration;

use command_api::domain::post::PostCommand;
use command_api::partition::submission::{Answer, Output};
use event_log::state::MemoryState;

use crate::commands::{clock_at, contents};
use crate::one_partition::{DUE_BELOW, OnePartition};

const POSTS: u64 = 10;

/// A post of its own, to be published at a time.
fn schedule(partition: &mut OnePartition<MemoryState>, post: u64, at: Duration) {
    partition.submit(2 * post, post.into(), PostCommand::Create(contents()));
    partition.submit(2 * post + 1, post.into(), PostCommand::Schedule { at: clock_at(at) });
    partition.settle();
}

/// How many are published each time, until nothing is due.
fn portions(partition: &mut OnePartition<MemoryState>) -> Vec<usize> {
    let mut portions = Vec::new();
    while partition.runtime.next_due().is_some() {
        partition.pass(Duration::ZERO);
        portions.push(released(&partition.settle()));
    }
    portions
}

fn released(said: &[Output]) -> usize {
    said.iter().filter(|said| matches!(said, Output::Released(_))).count()
}

#[test]
fn what_is_due_together_is_done_in_portions_and_whoever_comes_between_is_answered() {
    let mut partition = OnePartition::new(MemoryState::default());
    let at = partition.now + Duration::from_secs(60);
    for post in 1..=POSTS {
        schedule(&mut partition, post, at);
    }
    partition.pass(Duration::from_secs(61));
    partition.submit(100, 77, PostCommand::Create(contents()));
    let said = partition.settle();
    assert_eq!(released(&said), DUE_BELOW + 1);
    assert!(said.iter().any(|said| matches!(said, Output::Answer(100, Answer::Done(_)))), "{said:?}");
    assert_eq!(portions(&mut partition), [4, 2]);
}

/// After all that is done before.
const LATER: Duration = Duration::from_secs(60);
/// As many as are held in memory, once for those that were read and once for those that came.
const NEAR: u64 = 2 * 512;

#[test]
fn what_is_due_is_found_in_the_store_when_all_that_was_known_was_withdrawn() {
    let mut partition = OnePartition::new(MemoryState::default());
    let posts = NEAR + 6;
    for post in 1..=posts {
        schedule(&mut partition, post, LATER + Duration::from_millis(post));
    }
    for post in 1..=NEAR {
        partition.submit(10_000 + post, post.into(), PostCommand::Unpublish);
        partition.settle();
    }
    partition.pass(Duration::from_secs(120));
    assert_eq!(released(&partition.settle()) + portions(&mut partition).iter().sum::<usize>(), 6);
}
