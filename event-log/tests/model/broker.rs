//! What brokers and producers do to records: append, delay, repeat, lose.

use crate::mutation::Mutation;
use crate::protocol::{Order, Protocol};
use crate::reader::Reader;
use crate::record::{Entry, Epoch, Record};
use crate::set::Set;
use crate::state::{Cut, MOST_CLAIMS, OwnerState, Phase, State};

impl Protocol {
    pub fn append(&self, state: &mut State, at: usize) {
        let record = state.flight.remove(at);
        self.lose_what_is_overtaken(state, at, record);
        self.append_to_log(state, record);
    }

    pub fn append_and_repeat(&self, state: &mut State, at: usize) {
        let record = state.flight[at];
        state.duplicates_left -= 1;
        self.lose_what_is_overtaken(state, at, record);
        self.append_to_log(state, record);
    }

    /// Every broker has lost its power at once, before it had written the last records to disk.
    pub fn cut_back(&self, state: &mut State, at: u8) {
        if self.mutation != Mutation::ServedOnAnUnacknowledgedClaim {
            drop_repeats_of_acknowledged_claims(state);
        }
        let before = self.commands_in(&state.log);
        let lost = state.log.split_off(at as usize);
        let after = self.commands_in(&state.log);
        for owner in &mut state.owners {
            owner.is_ahead_of_cut = owner.read > at;
        }
        let forgiven = before.iter().filter(|command| !after.has(*command)).collect();
        state.cut = Some(Cut { at, lost, forgiven });
        // "Void" was said because of a claim, and that claim may be among what is lost.
        state.voided = [Set::EMPTY; MOST_CLAIMS + 1];
    }

    fn append_to_log(&self, state: &mut State, record: Record) {
        if state.is_late(&record) {
            state.late_left -= 1;
        }
        let offset = state.log.len() as u8;
        state.log.push(Entry { record, after_cut: state.cut.is_some() });
        match self.mutation {
            Mutation::ServedBeforeTheClaimIsRead => serve_already(state, record, offset),
            Mutation::ReportTrusted => trust_report(state, record),
            _ => {}
        }
    }

    fn lose_what_is_overtaken(&self, state: &mut State, at: usize, by: Record) {
        if self.order == Order::Kept {
            let mut places = 0..;
            let is_before = |place: Option<usize>| place.is_some_and(|place| place < at);
            state.flight.retain(|held| !is_before(places.next()) || held.nonce() != by.nonce());
        }
    }

    fn commands_in(&self, log: &[Entry]) -> Set {
        Reader::of(self.mutation, log).fold().map(|event| event.commit.command).collect()
    }
}

/// An owner serves when its claim is acknowledged, so its producer does not send that claim again. A repeat that was under
/// way before is lost with the connections.
fn drop_repeats_of_acknowledged_claims(state: &mut State) {
    let serves = |nonce| {
        let is_event = |record: &Record| matches!(record, Record::Event(_)) && record.nonce() == nonce;
        let by = |owner: &OwnerState| matches!(owner.phase, Phase::Serving(epoch) if epoch.nonce == nonce);
        state.owners.iter().any(by)
            || state.flight.iter().any(is_event)
            || state.log.iter().any(|entry| is_event(&entry.record))
    };
    let is_acknowledged = |record: &Record| matches!(record, Record::Claim { nonce, .. } if serves(*nonce));
    let kept = state.flight.iter().filter(|record| !is_acknowledged(record)).copied().collect();
    state.flight = kept;
}

fn serve_already(state: &mut State, record: Record, offset: u8) {
    if let Record::Claim { owner, nonce } = record {
        let owner = &mut state.owners[owner as usize];
        if owner.phase == Phase::Claiming(nonce) {
            *owner = OwnerState { phase: Phase::Serving(Epoch { offset, nonce }), ..*owner };
        }
    }
}

fn trust_report(state: &mut State, record: Record) {
    let Record::Event(event) = record else { return };
    let commit = event.commit;
    let is_whole = !state.flight.iter().any(|held| held.is_of(commit));
    let waiting = state.owners.iter().position(|owner| owner.waits_for(commit));
    if let Some(owner) = waiting.filter(|_| is_whole) {
        state.acknowledge(owner, commit.command);
    }
}
