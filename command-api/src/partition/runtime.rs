//! The runtime of one partition: decides commands, pipelined on what is appended but not yet released, and answers
//! each when the partition's own reader has released what it rests on. It has no IO and no clock of its own.

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use event_log::log::{Log, LogEvent};
use event_log::owner::{Now, Owner, Told};
use event_log::position::Position;
use event_log::reader::Commit;
use event_log::record::RecordDraft;
use event_schema::codec::Codec;
use rand::SeedableRng;
use rand::rngs::StdRng;
use uuid::Uuid;

use super::aggregates::{Aggregates, Recorded};
use super::drafts::{self, Decided, Drafted};
use super::pending::{Deferred, Pending, PendingCommit};
use super::submission::{Answer, Halted, Output, Receipt, Submission, Ticket};
use crate::domain::{self, Context, due_command};

#[derive(Clone, Debug)]
pub struct RuntimeConfig {
    /// Commands that may be pending or waiting at once; one more is answered [`Answer::Overloaded`].
    pub queue: usize,
    /// Bytes of records that may be pending at once; a command that would exceed it is answered [`Answer::Overloaded`].
    pub queue_bytes: usize,
    /// The largest record there may be, in bytes of key, value and headers.
    pub record_limit: usize,
    /// `ce_source` of the events.
    pub source: String,
}

#[derive(Debug)]
pub struct Runtime<L> {
    config: RuntimeConfig,
    log: L,
    owner: Owner,
    codec: Arc<Codec>,
    rng: StdRng,
    released: Aggregates,
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

impl<L: Log> Runtime<L> {
    /// A runtime that has folded nothing yet; `seed` makes the ids of its events and must be random in production.
    pub fn new(config: RuntimeConfig, log: L, owner: Owner, codec: Arc<Codec>, seed: u64) -> Self {
        Self {
            config,
            log,
            owner,
            codec,
            rng: StdRng::seed_from_u64(seed),
            released: Aggregates::default(),
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

    pub fn aggregates(&self) -> &Aggregates {
        &self.released
    }

    /// Commands pending or waiting.
    pub fn queued(&self) -> usize {
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
        if self.queued() >= self.config.queue {
            return self.answer(ticket, Answer::Overloaded);
        }
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
    }

    /// Appends what was decided. Call it when there is nothing more to take in at the moment.
    pub fn flush(&mut self) {
        self.owner.flush(&mut self.log);
    }

    /// Time has passed: deadlines of the owner, and what the aggregates want done by now.
    pub fn tick(&mut self, now: Now, clock: DateTime<Utc>) {
        self.owner.tick(&mut self.log, now);
        self.listen(now, clock);
        while let Some(due) = self.next_due().filter(|(at, _)| *at <= clock) {
            self.released.take_due(due);
            let (at, id) = due;
            let submission = drafts::system_submission(due_command(id, at), at);
            self.admit(now, clock, Waiting { submission, tickets: Vec::new() });
        }
    }

    /// When an aggregate next wants something done, while this runtime can do it.
    pub fn next_due(&self) -> Option<(DateTime<Utc>, Uuid)> {
        self.owner.serving().and_then(|_| self.released.next_due())
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
                first.defer(&tickets, &submission, Some(&Answer::KeyReused));
            };
        }
        let aggregate = self.released.get(id);
        if let Some(known) = aggregate.and_then(|aggregate| aggregate.remembered(submission.command_id)) {
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
        let (state, version, time) = match (self.pending.latest(id), aggregate) {
            (Some(hoped), _) => (Some(&hoped.state), hoped.version, Some(hoped.time)),
            (None, Some(aggregate)) => (Some(&aggregate.state), aggregate.version, Some(aggregate.time)),
            (None, None) => (None, 0, None),
        };
        let clock = drafts::event_time(clock, time);
        let context = Context {
            actor: submission.actor.clone(),
            now: clock,
            version,
            expected_version: submission.expected_version,
        };
        match domain::decide(state, &submission.command, &context) {
            Err(rejection) => self.answer_when_settled(id, &submission, &tickets, Some(Answer::Rejected(rejection))),
            Ok(events) if events.is_empty() => self.answer_when_settled(id, &submission, &tickets, None),
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
        let bytes = records.iter().map(RecordDraft::size).sum();
        // The system's own commands are small, and nobody would send them again.
        if !tickets.is_empty() && self.pending.bytes() + bytes > self.config.queue_bytes {
            return self.answer_all(&tickets, &Answer::Overloaded);
        }
        if self.owner.propose(now, commit, records).is_err() {
            return self.answer_all(&tickets, &Answer::NotOwner);
        }
        self.pending.push(commit, PendingCommit::new(submission, tickets, hoped, bytes));
    }

    /// Answers what appended nothing: at once if it was decided on released state, else when that is released.
    /// `None` stands for "nothing to change", whose answer is where the aggregate stands then.
    fn answer_when_settled(&mut self, id: Uuid, submission: &Submission, tickets: &[Ticket], answer: Option<Answer>) {
        if let Some(last) = self.pending.last_of(id) {
            return last.defer(tickets, submission, answer.as_ref());
        }
        let answer = answer.unwrap_or_else(|| self.unchanged(id));
        self.answer_all(tickets, &answer);
    }

    fn unchanged(&self, id: Uuid) -> Answer {
        let (version, offset) = self.released.get(id).map_or((0, 0), |aggregate| (aggregate.version, aggregate.offset));
        Answer::Done(self.receipt(id, version, offset, false))
    }

    fn listen(&mut self, now: Now, clock: DateTime<Utc>) {
        while let Some(told) = self.owner.poll() {
            match told {
                Told::Serving(epoch) => {
                    // What was due in an earlier reign and came to nothing is due again.
                    self.released.find_due();
                    self.output.push_back(Output::Serving(epoch));
                    for command in std::mem::take(&mut self.waiting) {
                        self.admit(now, clock, command);
                    }
                }
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
        for record in &commit.records {
            match drafts::read(&self.codec, record) {
                Ok((meta, event)) => {
                    self.released.apply(&Recorded {
                        event: &event,
                        meta: &meta,
                        offset: record.offset,
                        timestamp: record.timestamp,
                    });
                }
                Err(reason) => {
                    let halted = Halted::Unreadable { partition: record.partition, offset: record.offset, reason };
                    self.halted = true;
                    self.owner.abandon(&mut self.log);
                    return self.output.push_back(Output::Halted(halted));
                }
            }
        }
        if let Some(mine) = self.pending.take(commit.id) {
            let receipt = self.receipt(mine.hoped.aggregate_id, mine.hoped.version, commit.last_offset(), true);
            self.answer_all(&mine.tickets, &Answer::Done(receipt));
            for Deferred { ticket, answer, .. } in mine.deferred {
                let answer = answer.unwrap_or_else(|| self.unchanged(mine.hoped.aggregate_id));
                self.answer(ticket, answer);
            }
        }
        self.output.push_back(Output::Released(commit));
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
