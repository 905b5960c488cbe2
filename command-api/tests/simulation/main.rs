//! The simulation: the product's own reader, owner and partition runtime under seeded schedules that no real cluster can
//! be made to take. Appends are delayed, lost, repeated and misreported; owners crash and restart from what they had flushed, or from
//! nothing, pause and come back deposed;
//! clients retry everything everywhere. Afterwards everything heals, and what is in the log is held against every answer
//! that was ever given.
//!
//! `GROOT_SIMULATION_SEEDS=100000 cargo test -p command-api --test simulation` runs more schedules than CI does;
//! `GROOT_SIMULATION_SEED=42` replays a single one, which a failure names.

mod broken_store;
mod commands;
mod commits;
mod due_together;
mod fold;
mod group;
mod one_partition;
mod schedule;

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Schedules of each kind in CI.
const SEEDS: u64 = 1_000;

fn seeds() -> Vec<u64> {
    let number =
        |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a seed is a whole number"));
    match number("GROOT_SIMULATION_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("GROOT_SIMULATION_SEEDS").unwrap_or(SEEDS)).collect(),
    }
}

fn for_each_seed(run: impl Fn(u64)) {
    for seed in seeds() {
        if let Err(failure) = panic::catch_unwind(AssertUnwindSafe(|| run(seed))) {
            eprintln!("the schedule of seed {seed} fails; GROOT_SIMULATION_SEED={seed} replays it");
            panic::resume_unwind(failure);
        }
    }
}

#[test]
fn every_answer_to_a_command_is_true_of_the_log() {
    let several = AtomicUsize::new(0);
    for_each_seed(|seed| {
        several.fetch_add(commands::run(seed), Ordering::Relaxed);
    });
    let several = several.into_inner();
    assert!(several > 0 || seeds().len() < 10, "no schedule had a commit of several events");
    println!("{several} commits of several events");
}

#[test]
fn an_owner_whose_state_is_ahead_of_a_cut_log_halts() {
    for_each_seed(commands::run_with_cut);
}

#[test]
fn commits_of_several_records_count_whole_or_not_at_all() {
    for_each_seed(commits::run);
}

#[test]
fn readers_halt_on_a_log_that_was_cut_back() {
    for_each_seed(commits::run_with_cut);
}
