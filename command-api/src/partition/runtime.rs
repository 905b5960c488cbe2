//! The runtime of one partition: decides commands, pipelined on what is appended but not yet released, and answers
//! each when the partition's own reader has released what it rests on. It has no IO and no clock of its own.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use event_log::log::{Log, LogEvent};
use event_log::owner::{Now, Owner, Told};
use event_log::position::Position;
use event_log::reader::Commit;
use event_log::state::{Due, StateError, StateStore};
use event_schema::codec::Codec;
use rand::SeedableRng;
use rand::rngs::StdRng;
use uuid::Uuid;

use super::aggregates::{Aggregate, Aggregates, Known, Recorded, Remembered};
use super::drafts::{self, Decided, Drafted};
use super::latest::Latest;
use super::pending::{Conclusion, Deferred, Pending, PendingCommit};
use super::recovery::chain;
use super::submission::{Answer, Halted, Output, Receipt, Submission, Ticket};
use crate::domain::{self, AggregateState, Command, Context, due_command};

#[derive(Clone, Debug)]
pub struct RuntimeConfig {
    /// While so many commands are pending or waiting, nothing is added that is due. It must be more than those who submit commands ever have
    /// there, or they could hold it up for ever.
    pub due_below: usize,
    /// The largest record there may be, in bytes of key, value and headers.
    pub record_limit: usize,
    /// `ce_source` of the events.
    pub source: String,
    /// Entries of state that may be unflushed; with one more all are.
    pub flush_entries: usize,
    /// How long anything may be unflushed.
    pub flush_after: Duration,
}

#[derive(Debug)]
pub struct Runtime<L, S> {
    config: RuntimeConfig,
    log: L,
    owner: Owner,
    codec: Arc<Codec>,
    rng: StdRng,
    released: Aggregates<S>,
    /// Since when something is unflushed.
    unflushed_since: Option<Now>,
    pending: Pending,
    /// Commands that came, or came back, while no commit can be proposed.
    waiting: VecDeque<Waiting>,
    output: VecDeque<Output>,
    /// What was folded is not what the log says: nothing may be decided on it any more.
    halted: bool,
}

#[derive(Debug)]
struct Waiting {
    submission: Submission,
    /// Empty for the system's own commands.
    tickets: Vec<Ticket>,
}

impl<L: Log, S: StateStore> Runtime<L, S> {
    /// A runtime that goes on from this state, where the owner's reader must stand as well; `seed` makes the ids of its
    /// events and must be random in production.
    pub fn new(
        config: RuntimeConfig,
        log: L,
        owner: Owner,
        codec: Arc<Codec>,
        released: Aggregates<S>,
        seed: u64,
    ) -> Self {
        Self {
            config,
            log,
            owner,
            codec,
            rng: StdRng::seed_from_u64(seed),
            released,
            unflushed_since: None,
            pending: Pending::default(),
            waiting: VecDeque::new(),
            output: VecDeque::new(),
            halted: false,
        }
    }

    pub fn poll(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    pub fn log(&mut self) -> &mut L {
        &mut self.log
    }

    pub fn position(&self) -> Position {
        self.owner.position()
    }

    pub fn aggregates(&self) -> &Aggregates<S> {
        &self.released
    }

    pub fn aggregates_mut(&mut self) -> &mut Aggregates<S> {
        &mut self.released
    }

    /// Commands pending or waiting.
    fn queued(&self) -> usize {
        self.pending.len() + self.waiting.len()
    }

    /// Starts to read where its owner's reader stands; call it before the first `assign`.
    pub fn open(&mut self) {
        self.log.open(self.owner.partition(), self.owner.next_offset());
    }

    pub fn close(&mut self) {
        self.log.close(self.owner.partition());
    }

    pub fn assign(&mut self, now: Now, generation: i32) {
        if self.halted {
            return;
        }
        self.owner.assign(&mut self.log, now, generation);
    }

    /// Serves on until another has claimed the partition; [`Output::Stopped`] follows then.
    pub fn hand_over(&mut self, clock: DateTime<Utc>, now: Now) {
        self.owner.hand_over(&mut self.log);
        self.listen(now, clock);
    }

    /// Takes no more commands and settles what is pending; [`Output::Stopped`] follows.
    pub fn release(&mut self, clock: DateTime<Utc>, now: Now) {
        self.owner.release(&mut self.log);
        self.listen(now, clock);
    }

    /// Stops now. Whoever still waits is sent to the next owner, whose claim settles what counts.
    pub fn abandon(&mut self, clock: DateTime<Utc>, now: Now) {
        self.owner.abandon(&mut self.log);
        self.listen(now, clock);
    }

    /// A command came. `clock` is the wall clock, for event times alone.
    pub fn submit(&mut self, now: Now, clock: DateTime<Utc>, ticket: Ticket, submission: Submission) {
        self.admit(now, clock, Waiting { submission, tickets: vec![ticket] });
    }

    pub fn handle(&mut self, now: Now, clock: DateTime<Utc>, event: LogEvent) {
        if self.halted {
            return;
        }
        match event {
            LogEvent::Record(record) => {
                self.released.advance_log_time(record.timestamp);
                self.owner.record(&mut self.log, now, record);
            }
            LogEvent::Appended { id, .. } => self.owner.appended(id),
            LogEvent::AppendFailed { id, .. } => self.owner.append_failed(&mut self.log, now, id),
            LogEvent::ReadFailed { halt, .. } => self.owner.halt(&mut self.log, halt),
        }
        self.listen(now, clock);
        if self.unflushed_since.is_none() && self.position() != self.released.store().checkpoint().position {
            self.unflushed_since = Some(now);
        }
        if self.released.unflushed() > self.config.flush_entries {
            self.save(now, clock);
        }
    }

    /// Appends what was decided. Call it when there is nothing more to take in at the moment.
    pub fn flush(&mut self) {
        self.owner.flush(&mut self.log);
    }

    /// Time has passed: deadlines of the owner, and what the aggregates want done by now.
    pub fn tick(&mut self, now: Now, clock: DateTime<Utc>) {
        self.owner.tick(&mut self.log, now);
        self.listen(now, clock);
        if self.flush_at().is_some_and(|at| at <= now) {
            self.save(now, clock);
        }
        loop {
            // The last one that was known may have been taken here, or moved or withdrawn by its author.
            if self.owner.serving().is_some() && self.released.due().is_exhausted() {
                self.save(now, clock);
                self.or_break_down(now, clock, Aggregates::find_more_due);
            }
            let Some(due) = self.next_due().filter(|(at, _)| *at <= clock.timestamp_millis()) else { break };
            self.released.due_mut().take(due);
            let (millis, id) = due;
            let Some(at) = DateTime::from_timestamp_millis(millis) else { continue };
            let submission = drafts::system_submission(due_command(id, at), at);
            self.admit(now, clock, Waiting { submission, tickets: Vec::new() });
        }
    }

    /// When an aggregate next wants something done, in milliseconds since the Unix epoch, while this runtime can do it.
    pub fn next_due(&self) -> Option<Due> {
        self.owner.serving().filter(|_| self.queued() < self.config.due_below).and_then(|_| self.released.due().first())
    }

    /// When [`Runtime::tick`] will flush, if nothing makes it flush before.
    pub fn flush_at(&self) -> Option<Now> {
        self.unflushed_since.filter(|_| !self.halted).map(|since| since + self.config.flush_after)
    }

    /// Stores what was released, with the position up to which it was.
    fn save(&mut self, now: Now, clock: DateTime<Utc>) {
        self.unflushed_since = None;
        let position = self.position();
        // After a record that could not be applied the position is ahead of the state.
        if !self.halted && self.released.store().checkpoint().position != position {
            self.or_break_down(now, clock, |released| released.flush(position));
        }
    }

    fn or_break_down<T>(
        &mut self,
        now: Now,
        clock: DateTime<Utc>,
        call: impl FnOnce(&mut Aggregates<S>) -> Result<T, StateError>,
    ) -> Option<T> {
        match call(&mut self.released) {
            Ok(value) => Some(value),
            Err(error) => {
                self.break_down(&error);
                self.listen(now, clock);
                None
            }
        }
    }

    /// Nothing can be decided without state: gives the partition up.
    fn break_down(&mut self, error: &StateError) {
        let reason = chain(error);
        let damaged = matches!(error, StateError::Damaged(_));
        self.halted = true;
        self.owner.abandon(&mut self.log);
        self.output.push_back(Output::Halted(Halted::State { partition: self.owner.partition(), reason, damaged }));
    }

    fn admit(&mut self, now: Now, clock: DateTime<Utc>, command: Waiting) {
        if self.owner.serving().is_some() {
            self.decide(now, clock, command);
        } else if self.owner.will_serve() {
            self.waiting.push_back(command);
        } else {
            self.answer_all(&command.tickets, &Answer::NotOwner);
        }
    }

    fn decide(&mut self, now: Now, clock: DateTime<Utc>, command: Waiting) {
        let Waiting { submission, tickets } = command;
        let id = submission.command.aggregate_id();
        if let Some(first) = self.pending.find(id, submission.command_id) {
            return if first.submission.command_hash == submission.command_hash {
                first.tickets.extend(tickets);
            } else {
                first.defer(&tickets, &submission, &Conclusion::Refused(Answer::KeyReused));
            };
        }
        let expected = !submission.command.is_create();
        let known = self.or_break_down(now, clock, |released| look_up(released, id, submission.command_id, expected));
        let Some((aggregate, known)) = known else { return self.answer_all(&tickets, &Answer::NotOwner) };
        if let Some(known) = known {
            let answer = if known.command_hash == submission.command_hash {
                Answer::Done(self.receipt(id, known.version, known.offset, true))
            } else {
                Answer::KeyReused
            };
            return self.answer_all(&tickets, &answer);
        }
        if drafts::is_older_than(submission.command_id, self.released.forgotten_before()) {
            return self.answer_all(&tickets, &Answer::TooOld);
        }
        let root_id = submission.command.root_id();
        // The root is in this partition too, so that nobody else can change it between this decision and its commit.
        let root = self.or_break_down(
            now,
            clock,
            |released| {
                if root_id == id { Ok(None) } else { released.get(root_id, true) }
            },
        );
        let Some(root) = root else { return self.answer_all(&tickets, &Answer::NotOwner) };
        // Of what was released: the last record that this rests on.
        let offset = aggregate.iter().chain(&root).map(|known| known.offset).max().unwrap_or_default();
        let own = Latest::of(self.pending.latest(id), aggregate.as_deref());
        let root = Latest::of(self.pending.latest(root_id), root.as_deref()).filter(|_| root_id != id);
        let clock = drafts::event_time(clock, own.iter().chain(&root).map(|latest| latest.time).max());
        let (state, version) = own.map_or((None, 0), |own| (Some(own.state), own.version));
        let context = Context {
            actor: submission.actor.clone(),
            now: clock,
            version,
            expected_version: submission.expected_version,
        };
        match domain::decide(state, root.map(|root| root.state), &submission.command, &context) {
            Err(rejection) => {
                let refused = Conclusion::Refused(Answer::Rejected(rejection));
                self.answer_when_settled(&submission, &tickets, refused, offset);
            }
            Ok(events) if events.is_empty() => {
                self.answer_when_settled(&submission, &tickets, Conclusion::Unchanged { version }, offset);
            }
            Ok(events) => {
                let state = state.cloned();
                let decided = Decided { submission: &submission, state, version, time: clock, events };
                match drafts::draft(&self.codec, &self.config, &mut self.rng, decided) {
                    Err(answer) => self.answer_all(&tickets, &answer),
                    Ok(drafted) => self.propose(now, Waiting { submission, tickets }, drafted),
                }
            }
        }
    }

    fn propose(&mut self, now: Now, command: Waiting, drafted: Drafted) {
        let Waiting { submission, tickets } = command;
        let Drafted { commit, records, hoped } = drafted;
        if self.owner.propose(now, commit, records).is_err() {
            return self.answer_all(&tickets, &Answer::NotOwner);
        }
        self.pending.push(commit, PendingCommit::new(submission, tickets, hoped));
    }

    /// Answers what appended nothing: at once if it was decided on released state, else when that is released.
    fn answer_when_settled(
        &mut self,
        submission: &Submission,
        tickets: &[Ticket],
        conclusion: Conclusion,
        offset: u64,
    ) {
        let command = &submission.command;
        if let Some(last) = self.pending.last_of([command.aggregate_id(), command.root_id()]) {
            return last.defer(tickets, submission, &conclusion);
        }
        let answer = self.concluded(command, conclusion, offset);
        self.answer_all(tickets, &answer);
    }

    /// `offset` is that of the last record that the conclusion rests on.
    fn concluded(&self, command: &Command, conclusion: Conclusion, offset: u64) -> Answer {
        match conclusion {
            Conclusion::Refused(answer) => answer,
            Conclusion::Unchanged { version } => {
                Answer::Done(self.receipt(command.aggregate_id(), version, offset, false))
            }
        }
    }

    fn listen(&mut self, now: Now, clock: DateTime<Utc>) {
        while let Some(told) = self.owner.poll() {
            match told {
                Told::Serving(epoch) => {
                    // What was due in an earlier reign and came to nothing is due again.
                    self.save(now, clock);
                    self.or_break_down(now, clock, Aggregates::find_due);
                    self.output.push_back(Output::Serving(epoch));
                    for command in std::mem::take(&mut self.waiting) {
                        self.admit(now, clock, command);
                    }
                }
                // What is told after the halt rests on what could not be applied.
                Told::Released(_) if self.halted => {}
                Told::Released(commit) => self.release_commit(commit),
                Told::InDoubt => self.output.push_back(Output::InDoubt),
                Told::Void(commits) => self.retry(now, clock, &commits),
                Told::Deposed(claim) => {
                    self.output.push_back(Output::Deposed(claim));
                    self.send_on_if_not_serving();
                }
                Told::Stopped { unsettled } => {
                    self.retry(now, clock, &unsettled);
                    self.send_on_if_not_serving();
                    self.save(now, clock);
                    self.output.push_back(Output::Stopped);
                }
                Told::Skipped(skip) => self.output.push_back(Output::Skipped(skip)),
                Told::Halted(halt) => {
                    self.halted = true;
                    self.send_on_if_not_serving();
                    self.output.push_back(Output::Halted(halt.into()));
                }
            }
        }
    }

    fn release_commit(&mut self, commit: Commit) {
        match self.pending.take(commit.id) {
            Some(mine) => self.release_mine(&commit, mine),
            None => self.fold(&commit),
        }
        if !self.halted {
            self.output.push_back(Output::Released(commit));
        }
    }

    /// A commit that was decided here leads to the state that was decided on: its events need not be read to know it.
    fn release_mine(&mut self, commit: &Commit, mine: PendingCommit) {
        let PendingCommit { submission, tickets, hoped, deferred, .. } = mine;
        let Some(last) = commit.records.last() else { return };
        let known = Known {
            id: hoped.aggregate_id,
            version: hoped.version,
            events: commit.records.len() as u64,
            time: hoped.time,
            command_id: submission.command_id,
            command_hash: submission.command_hash,
            offset: last.offset,
            timestamp: last.timestamp,
        };
        let (codec, state) = (&self.codec, hoped.state);
        let applied = self.released.apply_known(&known, |former| {
            debug_assert_eq!(Some(&state), folded(codec, former, commit).as_ref(), "all readers come to the same");
            state
        });
        if let Err(error) = applied {
            return self.break_down(&error);
        }
        let receipt = self.receipt(known.id, known.version, known.offset, true);
        self.answer_all(&tickets, &Answer::Done(receipt));
        for Deferred { ticket, conclusion, submission } in deferred {
            let answer = self.concluded(&submission.command, conclusion, known.offset);
            self.answer(ticket, answer);
        }
    }

    fn fold(&mut self, commit: &Commit) {
        for record in &commit.records {
            match drafts::read(&self.codec, record) {
                Ok((meta, event)) => {
                    let (offset, timestamp) = (record.offset, record.timestamp);
                    let recorded = Recorded { event: &event, meta: &meta, offset, timestamp };
                    if let Err(error) = self.released.apply(&recorded) {
                        return self.break_down(&error);
                    }
                }
                Err(reason) => {
                    let halted = Halted::Unreadable { partition: record.partition, offset: record.offset, reason };
                    self.halted = true;
                    self.owner.abandon(&mut self.log);
                    return self.output.push_back(Output::Halted(halted));
                }
            }
        }
    }

    /// Commands whose commits will never count are decided again, in their order, with all that was decided on them.
    fn retry(&mut self, now: Now, clock: DateTime<Utc>, commits: &[Uuid]) {
        let lost: Vec<_> = commits.iter().filter_map(|commit| self.pending.take(*commit)).collect();
        for PendingCommit { submission, tickets, deferred, .. } in lost {
            self.admit(now, clock, Waiting { submission, tickets });
            for Deferred { ticket, submission, .. } in deferred {
                self.admit(now, clock, Waiting { submission, tickets: vec![ticket] });
            }
        }
    }

    fn send_on_if_not_serving(&mut self) {
        if self.owner.will_serve() {
            return;
        }
        for command in std::mem::take(&mut self.waiting) {
            self.answer_all(&command.tickets, &Answer::NotOwner);
        }
    }

    fn receipt(&self, aggregate_id: Uuid, version: u64, offset: u64, changed: bool) -> Receipt {
        Receipt { aggregate_id, version, partition: self.owner.partition(), offset, changed }
    }

    fn answer_all(&mut self, tickets: &[Ticket], answer: &Answer) {
        for ticket in tickets {
            self.answer(*ticket, answer.clone());
        }
    }

    fn answer(&mut self, ticket: Ticket, answer: Answer) {
        self.output.push_back(Output::Answer(ticket, answer));
    }
}

/// What any other reader makes of a commit.
fn folded(codec: &Codec, former: Option<AggregateState>, commit: &Commit) -> Option<AggregateState> {
    commit.records.iter().try_fold(former, |state, record| {
        let (meta, event) = drafts::read(codec, record).ok()?;
        Some(Some(domain::evolve(state, &event, meta.time)))
    })?
}

/// The aggregate and, if it was made before, the command.
fn look_up<S: StateStore>(
    released: &mut Aggregates<S>,
    id: Uuid,
    command_id: Uuid,
    expected: bool,
) -> Result<(Option<Arc<Aggregate>>, Option<Remembered>), StateError> {
    let Some(aggregate) = released.get(id, expected)? else { return Ok((None, None)) };
    let known = released.remembered(id, &aggregate, command_id)?;
    Ok((Some(aggregate), known))
}
