//! What can happen: every interleaving of owners, clients, brokers and faults within the bounds.

use stateright::{Model, Property};

use crate::mutation::Mutation;
use crate::properties;
use crate::reader::{Reader, Step};
use crate::record::{Command, Commit, Entry, Epoch, Event, EventId, Owner, Record};
use crate::state::{Cut, OwnerState, Phase, Set, State};

#[derive(Clone, Debug)]
pub struct Protocol {
    pub mutation: Mutation,
    pub claims: u8,
    /// The number of events of each command. All commands are of one aggregate.
    pub commands: &'static [u8],
    /// How many records the brokers may append twice.
    pub duplicates: u8,
    /// Whether the log may be cut back, once.
    pub cuts: bool,
    pub asks: Asks,
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
    /// An owner writes a claim: it was assigned the partition, or has given up its epoch, or the claim before.
    Claim(Owner),
    /// A client sends a command to an owner that serves: for the first time, or again because it has no answer.
    Send(Command, Owner),
    /// The brokers append the record at this place of `flight`.
    Append(usize),
    /// The same, and the producer sends it again some time.
    AppendAndRepeat(usize),
    /// An owner reads one record.
    Read(Owner),
    Crash(Owner),
    /// The log loses the records from this offset on.
    CutBack(u8),
    /// A producer reports records as delivered that are not.
    ReportWrongly(Command, Owner),
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::start(self.duplicates)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for owner in 0..2 {
            // Owners differ in nothing but their number, so the first claim may as well be that of owner 0.
            if state.claims < self.claims && (owner == 0 || state.claims > 0) {
                actions.push(Action::Claim(owner));
            }
            let it = &state.owners[owner as usize];
            if it.phase == Phase::Idle {
                continue;
            }
            actions.push(Action::Crash(owner));
            if it.is_ahead_of_cut || (it.read as usize) < state.log.len() {
                actions.push(Action::Read(owner));
            }
            if let Phase::Serving(_) = it.phase {
                actions.extend(
                    (0..self.commands.len() as u8).map(|command| Action::Send(command, owner)),
                );
            }
            if self.mutation == Mutation::WrongReportTrusted {
                actions.extend(
                    it.pending
                        .iter()
                        .map(|command| Action::ReportWrongly(command, owner)),
                );
            }
        }
        for (at, record) in state.flight.iter().enumerate() {
            if at > 0 && state.flight[at - 1] == *record {
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
        let changed = match action {
            Action::Claim(owner) => self.claim(&mut state, owner as usize),
            Action::Send(command, owner) => self.decide(&mut state, command, owner as usize),
            Action::Append(at) => {
                let record = state.flight.remove(at);
                self.append(&mut state, record)
            }
            Action::AppendAndRepeat(at) => {
                state.duplicates_left -= 1;
                let record = state.flight[at];
                self.append(&mut state, record)
            }
            Action::Read(owner) => self.read(&mut state, owner as usize),
            Action::Crash(owner) => {
                state.owners[owner as usize] = OwnerState::IDLE;
                true
            }
            Action::CutBack(at) => self.cut_back(&mut state, at),
            Action::ReportWrongly(command, owner) => {
                acknowledge(&mut state, owner as usize, command)
            }
        };
        changed.then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        match self.asks {
            Asks::Invariants => properties::invariants(),
            Asks::Examples => properties::examples(self.cuts),
        }
    }

    /// A mutated protocol may write without end; what is wrong with it shows long before.
    fn within_boundary(&self, state: &State) -> bool {
        self.mutation == Mutation::None || state.log.len() < 16
    }
}

impl Protocol {
    fn claim(&self, state: &mut State, owner: usize) -> bool {
        if self.mutation == Mutation::SettledBeforeTheClaimStands {
            state.settle_as_void(owner);
        }
        state.claims += 1;
        state.owners[owner].phase = Phase::Claiming(state.claims);
        state.hand_over(Record::Claim {
            owner: owner as Owner,
            nonce: state.claims,
        });
        true
    }

    fn decide(&self, state: &mut State, command: Command, at: usize) -> bool {
        let owner = state.owners[at];
        let Phase::Serving(epoch) = owner.phase else {
            return false;
        };
        if owner.pending.has(command) {
            return false;
        }
        let folded = Reader::of(self.mutation, state.read_by(&owner));
        if self.mutation != Mutation::DeduplicationLeftOut && folded.holds_command(command) {
            return acknowledge(state, at, command);
        }
        let pending: u8 = owner
            .pending
            .iter()
            .map(|pending| self.commands[pending as usize])
            .sum();
        let mut version = folded.version() + pending;
        let mut after = match pending {
            0 => folded.fold().next_back().map(Event::id),
            _ => Some(EventId {
                nonce: epoch.nonce,
                seq: owner.written - 1,
            }),
        };
        let count = self.commands[command as usize];
        for index in 0..count {
            version += 1;
            let commit = Commit {
                nonce: epoch.nonce,
                command,
            };
            let event = Event {
                epoch,
                seq: owner.written + index,
                commit,
                index,
                count,
                version,
                after,
            };
            after = Some(event.id());
            state.hand_over(Record::Event(event));
        }
        let owner = &mut state.owners[at];
        owner.pending = owner.pending.with(command);
        owner.pending_nonce = epoch.nonce;
        owner.written += count;
        true
    }

    fn append(&self, state: &mut State, record: Record) -> bool {
        let offset = state.log.len() as u8;
        state.log.push(Entry {
            record,
            after_cut: state.cut.is_some(),
        });
        match (self.mutation, record) {
            (Mutation::ServedBeforeTheClaimIsRead, Record::Claim { owner, nonce }) => {
                let owner = &mut state.owners[owner as usize];
                if owner.phase == Phase::Claiming(nonce) {
                    owner.phase = Phase::Serving(Epoch { offset, nonce });
                    owner.written = 0;
                }
            }
            (Mutation::ReportTrusted, Record::Event(event))
                if !state.flight.iter().any(|held| is_of(held, event.commit)) =>
            {
                let reported = |owner: &OwnerState| owner.pending_nonce == event.commit.nonce;
                if let Some(owner) = state.owners.iter().position(reported) {
                    acknowledge(state, owner, event.commit.command);
                }
            }
            _ => {}
        }
        true
    }

    fn read(&self, state: &mut State, at: usize) -> bool {
        let mut owner = state.owners[at];
        if owner.is_ahead_of_cut {
            // What it read last is gone, so its next read finds another record there, or none. It halts and settles nothing.
            state.owners[at] = OwnerState::IDLE;
            return true;
        }
        let mut reader = Reader::of(self.mutation, state.read_by(&owner));
        let step = reader.step(&state.log[owner.read as usize].record);
        owner.read += 1;
        state.owners[at] = owner;
        match step {
            Step::Released(commit)
                if commit.nonce == owner.pending_nonce && owner.pending.has(commit.command) =>
            {
                acknowledge(state, at, commit.command);
            }
            Step::Claimed(epoch) => self.read_claim(state, at, epoch),
            _ => {}
        }
        true
    }

    /// Any claim ends the epochs before it: what they have not released by then never will be.
    fn read_claim(&self, state: &mut State, at: usize, epoch: Epoch) {
        if state.owners[at].phase == Phase::Serving(epoch) {
            return;
        }
        state.settle_as_void(at);
        match state.owners[at].phase {
            Phase::Claiming(nonce) if nonce == epoch.nonce => {
                let owner = &mut state.owners[at];
                owner.phase = Phase::Serving(epoch);
                owner.written = 0;
            }
            Phase::Claiming(_) => {}
            Phase::Serving(_) | Phase::Idle => state.owners[at] = OwnerState::IDLE,
        }
    }

    fn cut_back(&self, state: &mut State, at: u8) -> bool {
        let commands = |log: &[Entry]| {
            Reader::of(self.mutation, log)
                .fold()
                .map(|event| event.commit.command)
                .collect::<Set>()
        };
        let before = commands(&state.log);
        let lost = state.log.split_off(at as usize);
        let after = commands(&state.log);
        for owner in &mut state.owners {
            owner.is_ahead_of_cut = owner.read > at;
        }
        let forgiven = before
            .iter()
            .filter(|command| !after.has(*command))
            .collect();
        // An answer of "void" rested on a claim. That claim may be among what was lost.
        state.voided = State::start(0).voided;
        state.cut = Some(Cut { at, lost, forgiven });
        true
    }
}

fn acknowledge(state: &mut State, owner: usize, command: Command) -> bool {
    let pending = state.owners[owner].pending;
    let changed = pending.has(command) || !state.acknowledged.has(command);
    state.owners[owner].pending = pending.without(command);
    state.acknowledged = state.acknowledged.with(command);
    changed
}

fn is_of(record: &Record, commit: Commit) -> bool {
    matches!(record, Record::Event(event) if event.commit == commit)
}
