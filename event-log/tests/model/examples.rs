//! What must happen in some state, lest the invariants hold for want of anything happening.

use stateright::Property;

use crate::properties::fold;
use crate::protocol::Protocol;
use crate::record::{Entry, Record};
use crate::state::{Phase, State};

/// Those that the bounds of the model allow.
pub fn examples(model: &Protocol) -> Vec<Property<Protocol>> {
    let mut examples = vec![
        Property::sometimes("all commands are acknowledged", all_are_acknowledged),
        Property::sometimes("both owners have commands acknowledged", both_owners_acknowledge),
        Property::sometimes("a voided command is tried again and acknowledged", voided_and_tried_again),
        Property::sometimes("a command of an owner that crashed is in the fold", counts_after_a_crash),
        Property::sometimes("a claim cuts off a commit that has begun", commit_is_cut_off),
        Property::sometimes("an event comes too late and does not count", ghost_does_not_count),
    ];
    if model.duplicates > 0 {
        examples.push(Property::sometimes("an event is in the log twice", duplicate_counts_once));
    }
    if model.cuts {
        examples.push(Property::sometimes("a command that was cut off is done anew", done_anew));
    }
    examples
}

fn all_are_acknowledged(model: &Protocol, state: &State) -> bool {
    state.acknowledged.iter().count() == model.commands.len()
}

fn both_owners_acknowledge(model: &Protocol, state: &State) -> bool {
    let folded = fold(model, &state.log);
    let by = |owner| folded.fold().any(|event| claimant(state, event.commit.nonce) == Some(owner));
    by(0) && by(1) && folded.fold().all(|event| state.acknowledged.has(event.commit.command))
}

fn voided_and_tried_again(_: &Protocol, state: &State) -> bool {
    state.voided().any(|commit| state.acknowledged.has(commit.command))
}

fn counts_after_a_crash(model: &Protocol, state: &State) -> bool {
    let folded = fold(model, &state.log);
    let is_unanswered = |command| !state.acknowledged.has(command);
    state.owners.iter().all(|owner| owner.phase == Phase::Idle)
        && folded.fold().any(|event| is_unanswered(event.commit.command))
}

fn commit_is_cut_off(model: &Protocol, state: &State) -> bool {
    let Some((last, before)) = state.log.split_last() else { return false };
    last.claim().is_some() && !fold(model, before).is_outside_commits()
}

fn ghost_does_not_count(model: &Protocol, state: &State) -> bool {
    let Some((last, before)) = state.log.split_last() else { return false };
    let epoch = fold(model, before).epoch;
    matches!(last.record, Record::Event(event) if epoch != Some(event.epoch))
}

fn duplicate_counts_once(model: &Protocol, state: &State) -> bool {
    let folded = fold(model, &state.log);
    let copies = |record: Record| state.log.iter().filter(|entry| entry.record == record).count();
    folded.fold().any(|event| copies(Record::Event(*event)) > 1)
}

fn done_anew(model: &Protocol, state: &State) -> bool {
    let folded = fold(model, &state.log);
    let is_done = |command| state.acknowledged.has(command) && folded.holds_command(command);
    state.cut.as_ref().is_some_and(|cut| cut.forgiven.iter().any(is_done))
}

fn claimant(state: &State, nonce: u8) -> Option<u8> {
    let owner = |entry: &Entry| match entry.record {
        Record::Claim { owner, nonce: found } => Some(owner).filter(|_| found == nonce),
        Record::Event(_) => None,
    };
    state.log.iter().find_map(owner)
}
