//! What must hold in every state, and what must happen in some.

use stateright::Property;

use crate::mutation::Mutation;
use crate::protocol::Protocol;
use crate::reader::Reader;
use crate::record::{Commit, Entry, Record};
use crate::state::{Phase, Set, State};

pub const ACKNOWLEDGED: &str = "every acknowledged command is in the fold";
pub const VOIDED: &str = "no voided commit is in the fold";
pub const VERSIONS: &str = "versions are 1 to n";
pub const DECIDED: &str = "every event follows the one it was decided on";
pub const ONCE: &str = "no command is in the fold twice";
pub const READERS: &str = "every reader that resumes agrees with the fold";
pub const CUT: &str = "a reader of what was cut off halts or agrees with the fold";

pub fn invariants() -> Vec<Property<Protocol>> {
    vec![
        Property::always(ACKNOWLEDGED, |model, state| {
            let folded = fold(model, state);
            let forgiven = state
                .cut
                .as_ref()
                .map_or(Set::default(), |cut| cut.forgiven);
            state
                .acknowledged
                .iter()
                .all(|command| forgiven.has(command) || folded.holds_command(command))
        }),
        Property::always(VOIDED, |model, state| {
            let folded = fold(model, state);
            !voided(state).any(|commit| folded.holds(commit))
        }),
        Property::always(VERSIONS, |model, state| {
            fold(model, state)
                .fold()
                .zip(1..)
                .all(|(event, version)| event.version == version)
        }),
        Property::always(DECIDED, |model, state| {
            let folded = fold(model, state);
            let befores = std::iter::once(None).chain(folded.fold().map(|event| Some(event.id())));
            folded
                .fold()
                .zip(befores)
                .all(|(event, before)| event.after == before)
        }),
        Property::always(ONCE, |model, state| {
            let mut seen = Set::default();
            fold(model, state)
                .fold()
                .filter(|event| event.index == 0)
                .all(|event| {
                    let is_new = !seen.has(event.commit.command);
                    seen = seen.with(event.commit.command);
                    is_new
                })
        }),
        Property::always(READERS, every_reader_agrees),
        Property::always(CUT, every_reader_of_what_was_cut_off_halts_or_agrees),
    ]
}

/// Things that make the invariants worth holding.
pub fn examples(cuts: bool) -> Vec<Property<Protocol>> {
    let mut examples = vec![
        Property::sometimes(
            "all commands are acknowledged",
            |model: &Protocol, state: &State| {
                (0..model.commands.len() as u8).all(|command| state.acknowledged.has(command))
            },
        ),
        Property::sometimes(
            "both owners have commands acknowledged",
            |model: &Protocol, state: &State| {
                let folded = fold(model, state);
                let by = |owner| {
                    folded
                        .fold()
                        .any(|event| writer(state, event.commit.nonce) == Some(owner))
                };
                by(0)
                    && by(1)
                    && folded
                        .fold()
                        .all(|event| state.acknowledged.has(event.commit.command))
            },
        ),
        Property::sometimes(
            "a voided command is tried again and acknowledged",
            |_, state: &State| voided(state).any(|commit| state.acknowledged.has(commit.command)),
        ),
        Property::sometimes(
            "a command of an owner that crashed is in the fold unacknowledged",
            |model: &Protocol, state: &State| {
                let idle = state.owners.iter().all(|owner| owner.phase == Phase::Idle);
                idle && fold(model, state)
                    .fold()
                    .any(|event| !state.acknowledged.has(event.commit.command))
            },
        ),
        Property::sometimes(
            "a claim cuts off a commit that has begun",
            |model: &Protocol, state: &State| {
                let is_cut_off = |at: usize| {
                    !fold_of(model, &state.log[..at]).is_outside_commits()
                        && is_claim(&state.log[at])
                };
                (0..state.log.len()).any(is_cut_off)
            },
        ),
        Property::sometimes(
            "a ghost's event stands in the log and does not count",
            |model: &Protocol, state: &State| {
                let last = state.log.len().saturating_sub(1);
                let before = fold_of(model, &state.log[..last]);
                let is_ghost = |entry: &Entry| matches!(entry.record, Record::Event(event) if before.epoch != Some(event.epoch));
                state.log.last().is_some_and(is_ghost)
            },
        ),
        Property::sometimes(
            "an event stands in the log twice and counts once",
            |model: &Protocol, state: &State| {
                let folded = fold(model, state);
                state.duplicates_left == 0
                    && folded.fold().any(|event| {
                        state
                            .log
                            .iter()
                            .filter(|entry| entry.record == Record::Event(*event))
                            .count()
                            == 2
                    })
            },
        ),
    ];
    if cuts {
        examples.push(Property::sometimes(
            "a log is cut back and a command of it is acknowledged anew",
            |model: &Protocol, state: &State| {
                let Some(cut) = &state.cut else { return false };
                let folded = fold(model, state);
                cut.forgiven
                    .iter()
                    .any(|command| state.acknowledged.has(command) && folded.holds_command(command))
            },
        ));
    }
    examples
}

/// Resumes a reader from every position that it could have taken.
fn every_reader_agrees(model: &Protocol, state: &State) -> bool {
    let whole = fold(model, state);
    let mut reader = Reader::new(model.mutation);
    for (at, entry) in state.log.iter().enumerate() {
        reader.step(&entry.record);
        if has_position(&reader) {
            let mut resumed = reader.resumed();
            resumed.read(&state.log[at + 1..]);
            if !resumed.fold().eq(whole.fold()) {
                return false;
            }
        }
    }
    true
}

/// Resumes a reader, on the log as it has become, from every position it could have taken in what was cut off.
fn every_reader_of_what_was_cut_off_halts_or_agrees(model: &Protocol, state: &State) -> bool {
    let Some(cut) = &state.cut else { return true };
    let whole = fold(model, state);
    let mut reader = Reader::of(model.mutation, &state.log[..cut.at as usize]);
    for lost in &cut.lost {
        reader.step(&lost.record);
        let at = reader.next as usize;
        let halts = match state.log.get(at - 1) {
            None => true,
            Some(found) => !is_taken_for(model, found, lost),
        };
        if has_position(&reader) && !halts {
            let mut resumed = reader.resumed();
            resumed.read(&state.log[at..]);
            if !resumed.fold().eq(whole.fold()) {
                return false;
            }
        }
    }
    true
}

fn is_taken_for(model: &Protocol, found: &Entry, expected: &Entry) -> bool {
    found.record == expected.record
        && (model.mutation == Mutation::AppendTimeNotCompared
            || found.after_cut == expected.after_cut)
}

fn has_position(reader: &Reader) -> bool {
    reader.is_outside_commits() || reader.mutation == Mutation::ResumedInsideACommit
}

fn fold(model: &Protocol, state: &State) -> Reader {
    fold_of(model, &state.log)
}

fn fold_of(model: &Protocol, log: &[Entry]) -> Reader {
    Reader::of(model.mutation, log)
}

fn voided(state: &State) -> impl Iterator<Item = Commit> {
    let by_nonce = |(nonce, commands): (usize, &Set)| {
        let commands = *commands;
        commands.iter().map(move |command| Commit {
            nonce: nonce as u8,
            command,
        })
    };
    state.voided.iter().enumerate().flat_map(by_nonce)
}

fn writer(state: &State, nonce: u8) -> Option<u8> {
    state.log.iter().find_map(|entry| match entry.record {
        Record::Claim {
            owner,
            nonce: found,
        } if found == nonce => Some(owner),
        _ => None,
    })
}

fn is_claim(entry: &Entry) -> bool {
    matches!(entry.record, Record::Claim { .. })
}
