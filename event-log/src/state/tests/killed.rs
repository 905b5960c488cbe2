//! A process that is killed while it flushes. The test binary runs itself as that process.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::*;

/// Names the directory that the killed process writes to. Without it, the test that is its body does nothing.
const DIRECTORY: &str = "GROOT_TEST_KILLED_STATE";
const KILLS: u64 = 5;

/// Flushes for ever: aggregates, commands and due times that say at which flush they were written.
#[test]
fn body_of_the_killed_process() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let states = open(Path::new(&directory));
    let mut state = runtime.block_on(partition(&states, 0));
    let begun = state.checkpoint().position.next_offset;
    for flush in begun + 1.. {
        state.write(flushed(flush)).unwrap();
        if flush == begun + 50 {
            println!("flushed");
        }
    }
}

fn flushed(flush: u64) -> StateBatch {
    let (n, at) = (u128::from(flush), flush.cast_signed());
    let value = flush.to_be_bytes().repeat(20);
    let mut aggregates: Vec<_> = (0..50).map(|id| (Uuid::from_u128(id), value.clone())).collect();
    aggregates.push((Uuid::from_u128(1_000 + n), value));
    let due = vec![((at, Uuid::from_u128(n)), true), ((at - 1, Uuid::from_u128(n - 1)), false)];
    StateBatch { aggregates, commands: vec![command(n, n, at)], due, ..batch(flush) }
}

#[tokio::test]
async fn what_a_killed_process_leaves_is_some_flush_whole_and_none_after_it() {
    let directory = TempDir::new().unwrap();
    let mut before = 0;
    for _ in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "state::tests::killed::body_of_the_killed_process", "--nocapture"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.map_while(Result::ok).any(|line| line.contains("flushed")), "it ended by itself");
        // SIGKILL, in the midst of whatever it does.
        child.kill().unwrap();
        child.wait().unwrap();

        let states = open(directory.path());
        let state = partition(&states, 0).await;
        let last = state.checkpoint().position.next_offset;
        assert!(last >= before + 50, "a flush that was done is lost: {last} after {before}");
        assert_eq!(state.checkpoint(), flushed(last).checkpoint);
        for (id, value) in flushed(last).aggregates {
            assert_eq!(state.aggregate(id, true).unwrap(), Some(value), "{id} at flush {last}");
        }
        for flush in 1..=last {
            let n = u128::from(flush);
            assert!(state.aggregate(Uuid::from_u128(1_000 + n), true).unwrap().is_some(), "flush {flush} of {last}");
            assert!(state.command(command(n, n, 0).key).unwrap().is_some(), "flush {flush} of {last}");
        }
        assert_eq!(state.aggregate(Uuid::from_u128(1_001 + u128::from(last)), true).unwrap(), None);
        assert_eq!(state.due(None, 10).unwrap(), [(last.cast_signed(), Uuid::from_u128(last.into()))]);
        before = last;
    }
}
