//! What can happen: every interleaving of owners, clients, brokers and faults within the bounds.

use stateright::{Model, Property};

use crate::mutation::Mutation;
use crate::properties;
use crate::record::{Command, Owner};
use crate::state::{OwnerState, Phase, State};

/// The protocol, and the bounds within which everything that can happen is tried.
#[derive(Clone, Debug)]
pub struct Protocol {
    pub mutation: Mutation,
    /// How many claims both owners make in all.
    pub claims: u8,
    /// The number of events of each command. All commands are of one aggregate.
    pub commands: &'static [u8],
    /// How many records the brokers may append twice.
    pub duplicates: u8,
    /// How many events may come to the log after their epoch has ended there.
    pub late: u8,
    pub order: Order,
    /// Whether the log may be cut back, once.
    pub cuts: bool,
    pub asks: Asks,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// A producer's records may be lost, but do not overtake each other.
    Kept,
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// What must hold in every state.
    Invariants,
    /// What must happen in some state, lest the invariants hold for want of anything happening.
    Examples,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// An owner writes a claim: it was assigned the partition, or gives up its epoch, or the claim before.
    Claim(Owner),
    /// A client sends a command to an owner that serves: for the first time, or because it has no answer yet.
    Send(Command, Owner),
    /// The brokers append the record at this place of `flight`.
    Append(usize),
    /// The same, and the producer sends it again some time.
    AppendAndRepeat(usize),
    Read(Owner),
    Crash(Owner),
    /// The log loses the records from this offset on.
    CutBack(u8),
    /// A producer reports a commit as delivered, whether it is or not.
    ReportWrongly(Command, Owner),
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::start(self.duplicates, self.late)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (owner, it) in (0..).zip(&state.owners) {
            self.owner_actions(state, owner, it, actions);
        }
        for (at, record) in state.flight.iter().enumerate() {
            let is_copy = at > 0 && state.flight[at - 1] == *record;
            if is_copy || state.late_left == 0 && state.is_late(record) {
                continue;
            }
            actions.push(Action::Append(at));
            if state.duplicates_left > 0 {
                actions.push(Action::AppendAndRepeat(at));
            }
        }
        if self.cuts && state.cut.is_none() {
            actions.extend((0..state.log.len() as u8).map(Action::CutBack));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Claim(owner) => self.claim(&mut state, owner as usize),
            Action::Send(command, owner) => self.decide(&mut state, command, owner as usize),
            Action::Append(at) => self.append(&mut state, at),
            Action::AppendAndRepeat(at) => self.append_and_repeat(&mut state, at),
            Action::Read(owner) => self.read(&mut state, owner as usize),
            Action::Crash(owner) => state.owners[owner as usize] = OwnerState::IDLE,
            Action::CutBack(at) => self.cut_back(&mut state, at),
            Action::ReportWrongly(command, owner) => state.acknowledge(owner as usize, command),
        }
        if !self.cuts {
            state.forget_what_cannot_matter(self.mutation);
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        match self.asks {
            Asks::Invariants => properties::invariants(),
            Asks::Examples => properties::examples(self),
        }
    }

    /// A mutated protocol may write without end; what is wrong with it shows long before.
    fn within_boundary(&self, state: &State) -> bool {
        self.mutation == Mutation::None || state.log.len() < 16
    }
}

impl Protocol {
    fn owner_actions(&self, state: &State, owner: Owner, it: &OwnerState, actions: &mut Vec<Action>) {
        // Owners differ in nothing but their number, so the first claim may as well be that of owner 0.
        if state.claims < self.claims && (owner == 0 || state.claims > 0) {
            actions.push(Action::Claim(owner));
        }
        if it.phase == Phase::Idle {
            return;
        }
        actions.push(Action::Crash(owner));
        if state.has_more_for(it) {
            actions.push(Action::Read(owner));
        }
        if let Phase::Serving(_) = it.phase {
            let commands = 0..self.commands.len() as Command;
            actions.extend(commands.map(|command| Action::Send(command, owner)));
        }
        if self.mutation == Mutation::WrongReportTrusted {
            actions.extend(it.pending.iter().map(|command| Action::ReportWrongly(command, owner)));
        }
    }
}
