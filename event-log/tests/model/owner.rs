//! What an owner does: claims, decides, and reads back what became of it.

use crate::mutation::Mutation;
use crate::protocol::Protocol;
use crate::reader::{Reader, Step};
use crate::record::{Command, Commit, Epoch, Event, EventId, Owner, Record};
use crate::state::{OwnerState, Phase, State};

impl Protocol {
    /// What is pending stays so until a claim is read.
    pub fn claim(&self, state: &mut State, at: usize) {
        if self.mutation == Mutation::SettledBeforeTheClaimStands {
            state.settle_as_void(at);
        }
        state.claims += 1;
        state.owners[at].phase = Phase::Claiming(state.claims);
        forget_if_catching_up(&mut state.owners[at]);
        state.hand_over(Record::Claim { owner: at as Owner, nonce: state.claims });
    }

    /// Answers from the fold, or decides on the fold and on what is pending, and hands the events to the producer.
    pub fn decide(&self, state: &mut State, command: Command, at: usize) {
        let owner = state.owners[at];
        let Phase::Serving(epoch) = owner.phase else { return };
        if owner.pending.has(command) {
            return;
        }
        let folded = Reader::of(self.mutation, state.read_by(&owner));
        if folded.holds_command(command) && self.mutation != Mutation::DeduplicationLeftOut {
            return state.acknowledge(at, command);
        }
        let pending: u8 = owner.pending.iter().map(|pending| self.commands[pending as usize]).sum();
        let mut after = match pending {
            0 => folded.fold().next_back().map(Event::id),
            _ => Some(EventId { nonce: epoch.nonce, seq: owner.written - 1 }),
        };
        let commit = Commit { nonce: epoch.nonce, command };
        let count = self.commands[command as usize];
        for index in 0..count {
            let (seq, version) = (owner.written + index, folded.version() + pending + index + 1);
            let event = Event { epoch, seq, commit, index, count, version, after };
            after = Some(event.id());
            state.hand_over(Record::Event(event));
        }
        let owner = &mut state.owners[at];
        owner.pending = owner.pending.with(command);
        owner.pending_nonce = epoch.nonce;
        owner.written += count;
    }

    /// Reads one record, or with nothing pending, as far as its own claim.
    pub fn read(&self, state: &mut State, at: usize) {
        let owner = state.owners[at];
        if owner.is_ahead_of_cut {
            // Where the last record it has read was, there is another one or none. It halts and settles nothing.
            state.owners[at] = OwnerState::IDLE;
        } else if owner.is_catching_up() {
            catch_up(state, at);
        } else {
            self.read_one(state, at);
            forget_if_catching_up(&mut state.owners[at]);
        }
    }

    fn read_one(&self, state: &mut State, at: usize) {
        let owner = state.owners[at];
        let mut reader = Reader::of(self.mutation, state.read_by(&owner));
        let step = reader.step(&state.log[owner.read as usize].record);
        state.owners[at].read += 1;
        match step {
            Step::Released(commit) if owner.waits_for(commit) => state.acknowledge(at, commit.command),
            Step::Claimed(epoch) if owner.phase != Phase::Serving(epoch) => read_claim(state, at, epoch),
            _ => {}
        }
    }
}

impl State {
    pub fn has_more_for(&self, owner: &OwnerState) -> bool {
        match owner.phase {
            Phase::Claiming(nonce) if owner.is_catching_up() => self.find_claim(nonce).is_some(),
            _ => owner.is_ahead_of_cut || (owner.read as usize) < self.log.len(),
        }
    }

    pub fn acknowledge(&mut self, owner: usize, command: Command) {
        let pending = &mut self.owners[owner].pending;
        *pending = pending.without(command);
        self.acknowledged = self.acknowledged.with(command);
    }
}

/// Any claim ends the epochs before it: what they have not released by then they never will.
fn read_claim(state: &mut State, at: usize, epoch: Epoch) {
    state.settle_as_void(at);
    let owner = &mut state.owners[at];
    match owner.phase {
        Phase::Claiming(nonce) if nonce == epoch.nonce => serve(owner, epoch),
        // Its own claim is still to come, and will depose this one.
        Phase::Claiming(_) => {}
        Phase::Serving(_) | Phase::Idle => *owner = OwnerState::IDLE,
    }
}

fn serve(owner: &mut OwnerState, epoch: Epoch) {
    *owner = OwnerState { phase: Phase::Serving(epoch), read: epoch.offset + 1, ..OwnerState::IDLE };
}

fn catch_up(state: &mut State, at: usize) {
    let owner = &mut state.owners[at];
    if let Phase::Claiming(nonce) = owner.phase
        && let Some(offset) = state.find_claim(nonce)
    {
        serve(&mut state.owners[at], Epoch { offset, nonce });
    }
}

/// It can read again what it has read, so it makes no difference where it stands.
fn forget_if_catching_up(owner: &mut OwnerState) {
    if owner.is_catching_up() {
        *owner = OwnerState { phase: owner.phase, ..OwnerState::IDLE };
    }
}
