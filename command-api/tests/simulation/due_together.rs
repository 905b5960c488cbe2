//! Many posts whose time comes at once.

use std::time::Duration;

use command_api::domain::post::PostCommand;
use command_api::partition::submission::{Answer, Output};
use event_log::state::MemoryState;

use crate::commands::{clock_at, contents};
use crate::one_partition::{DUE_BELOW, OnePartition};

const POSTS: u64 = 10;

fn released(said: &[Output]) -> usize {
    said.iter().filter(|said| matches!(said, Output::Released(_))).count()
}

#[test]
fn what_is_due_together_is_done_in_portions_and_whoever_comes_between_is_answered() {
    let mut partition = OnePartition::new(MemoryState::default());
    let at = clock_at(partition.now + Duration::from_secs(60));
    for post in 1..=POSTS {
        partition.submit(2 * post, post.into(), PostCommand::Create(contents()));
        partition.submit(2 * post + 1, post.into(), PostCommand::Schedule { at });
        partition.settle();
    }
    partition.pass(Duration::from_secs(61));
    partition.submit(100, 77, PostCommand::Create(contents()));
    let said = partition.settle();
    assert_eq!(released(&said), DUE_BELOW + 1);
    assert!(said.iter().any(|said| matches!(said, Output::Answer(100, Answer::Done(_)))), "{said:?}");
    let mut portions = Vec::new();
    while partition.runtime.next_due().is_some() {
        partition.pass(Duration::ZERO);
        portions.push(released(&partition.settle()));
    }
    assert_eq!(portions, [4, 2]);
}
