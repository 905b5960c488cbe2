//! What must hold in every state.

use stateright::Property;

use crate::mutation::Mutation;
use crate::protocol::Protocol;
use crate::reader::Reader;
use crate::record::Entry;
use crate::set::Set;
use crate::state::State;

pub use crate::examples::examples;

pub const ACKNOWLEDGED: &str = "every acknowledged command is in the fold";
pub const VOIDED: &str = "no voided commit is in the fold";
pub const VERSIONS: &str = "versions are 1 to n";
pub const DECIDED: &str = "every event follows the one it was decided on";
pub const ONCE: &str = "no command is in the fold twice";
pub const READERS: &str = "every reader that resumes agrees with the fold";
pub const CUT: &str = "a reader of what was cut off halts, or agrees with the fold";

pub fn invariants() -> Vec<Property<Protocol>> {
    vec![
        Property::always(ACKNOWLEDGED, |model: &Protocol, state: &State| {
            let folded = fold(model, &state.log);
            let forgiven = state.cut.as_ref().map_or(Set::EMPTY, |cut| cut.forgiven);
            let is_kept = |command| forgiven.has(command) || folded.holds_command(command);
            state.acknowledged.iter().all(is_kept)
        }),
        Property::always(VOIDED, |model: &Protocol, state: &State| {
            let folded = fold(model, &state.log);
            !state.voided().any(|commit| folded.holds(commit))
        }),
        Property::always(VERSIONS, |model: &Protocol, state: &State| {
            let folded = fold(model, &state.log);
            folded.fold().zip(1..).all(|(event, version)| event.version == version)
        }),
        Property::always(DECIDED, |model: &Protocol, state: &State| {
            let folded = fold(model, &state.log);
            let before = std::iter::once(None).chain(folded.fold().map(|event| Some(event.id())));
            folded.fold().zip(before).all(|(event, before)| event.after == before)
        }),
        Property::always(ONCE, |model: &Protocol, state: &State| {
            let folded = fold(model, &state.log);
            let begun: Vec<_> = folded.fold().filter(|event| event.index == 0).collect();
            let commands: Set = begun.iter().map(|event| event.commit.command).collect();
            commands.iter().count() == begun.len()
        }),
        Property::always(READERS, every_reader_agrees),
        Property::always(CUT, every_reader_of_what_was_cut_off_halts_or_agrees),
    ]
}

pub fn fold(model: &Protocol, log: &[Entry]) -> Reader {
    Reader::of(model.mutation, log)
}

/// Resumes a reader from every position that one could have taken.
fn every_reader_agrees(model: &Protocol, state: &State) -> bool {
    let whole = fold(model, &state.log);
    let mut reader = Reader::new(model.mutation);
    state.log.iter().all(|entry| {
        reader.step(&entry.record);
        !has_position(&reader) || agrees_if_resumed(&reader, state, &whole)
    })
}

/// Resumes a reader, on the log as it has become, from every position that one could have taken in what was cut off.
fn every_reader_of_what_was_cut_off_halts_or_agrees(model: &Protocol, state: &State) -> bool {
    let Some(cut) = &state.cut else { return true };
    let whole = fold(model, &state.log);
    let mut reader = fold(model, &state.log[..cut.at as usize]);
    cut.lost.iter().all(|lost| {
        reader.step(&lost.record);
        let found = state.log.get(reader.next as usize - 1);
        let halts = !found.is_some_and(|found| is_taken_for(model, found, lost));
        halts || !has_position(&reader) || agrees_if_resumed(&reader, state, &whole)
    })
}

fn has_position(reader: &Reader) -> bool {
    reader.is_outside_commits() || reader.mutation == Mutation::ResumedInsideACommit
}

fn agrees_if_resumed(reader: &Reader, state: &State, whole: &Reader) -> bool {
    let mut resumed = reader.resumed();
    resumed.read(&state.log[reader.next as usize..]);
    resumed.fold().eq(whole.fold())
}

/// Whether a resume takes the record before its offset for the one it had read there.
fn is_taken_for(model: &Protocol, found: &Entry, expected: &Entry) -> bool {
    let same_time = found.after_cut == expected.after_cut;
    found.record == expected.record && (same_time || model.mutation == Mutation::AppendTimeNotCompared)
}
