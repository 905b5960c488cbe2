//! A partition's seat in this process: how others reach the task that drives it.

use std::sync::Arc;

use event_log::record::Epoch;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::queue::{Queue, QueueLimits};
use super::recovery::Origin;
use super::request::{Entry, Reply, Request, Waiter};
use super::submission::{Answer, Submission};

/// What the group says of the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// It is still ours in this generation.
    Confirm { generation: i32 },
    /// It was to be handed over, and is ours again.
    Keep { generation: i32 },
    /// The group may give it to another: serve until that one has claimed it, then end.
    HandOver,
    /// Nobody else is going to claim it: settle, then end.
    Release,
}

/// How the partition stands here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub phase: Phase,
    pub epoch: Option<Epoch>,
    /// Commands entered and not answered.
    pub pending: usize,
    /// The offset of the next record to read.
    pub next_offset: u64,
    pub aggregates: u64,
    /// What the fold began with, once that is known.
    pub start: Option<Start>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    pub origin: Origin,
    /// The offset of the first record that was folded.
    pub offset: u64,
    /// How many records were folded until the partition was first served; not known before.
    pub folded: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reading the log up to its own claim.
    Folding,
    Serving,
    /// Serving until the next owner has claimed it.
    HandingOver,
    /// A schema has to be fetched, and the registry does not answer.
    WaitingForRegistry,
    Releasing,
    /// What was read cannot be gone on from; why.
    Halted(String),
}

impl Phase {
    fn serves(&self) -> bool {
        matches!(self, Phase::Serving | Phase::HandingOver)
    }

    pub fn label(&self) -> &'static str {
        match self {
            Phase::Folding => "folding",
            Phase::Serving => "serving",
            Phase::HandingOver => "handing-over",
            Phase::WaitingForRegistry => "waiting-for-registry",
            Phase::Releasing => "releasing",
            Phase::Halted(_) => "halted",
        }
    }
}

/// What became of a command that was handed to the seat.
#[derive(Debug)]
pub enum Attempt {
    Answered(Answer),
    /// It certainly did nothing here.
    NotMade,
    /// It may be in the log, or get there.
    InDoubt,
}

impl Attempt {
    pub fn label(&self) -> &'static str {
        match self {
            Attempt::Answered(_) => "answered",
            Attempt::NotMade => "not-made",
            Attempt::InDoubt => "in-doubt",
        }
    }
}

/// The outside of a partition's task.
#[derive(Debug)]
pub struct Seat {
    /// Each request in it has a place.
    requests: mpsc::UnboundedSender<Request>,
    orders: mpsc::UnboundedSender<Order>,
    standing: watch::Receiver<Standing>,
    queue: Arc<Queue>,
    ended: CancellationToken,
}

/// The inside. It outlives a failed run of the task, so that the next run finds who waits.
#[derive(Debug)]
pub struct Mailbox {
    pub requests: mpsc::UnboundedReceiver<Request>,
    pub orders: mpsc::UnboundedReceiver<Order>,
    pub standing: watch::Sender<Standing>,
    /// The latest generation in which the partition was given to us.
    pub generation: i32,
    /// Told to end: a further run has nothing to do.
    pub leaving: bool,
    _ended: DropGuard,
}

impl Seat {
    pub fn new(generation: i32, queue: QueueLimits) -> (Self, Arc<Mutex<Mailbox>>) {
        let (requests, requests_in) = mpsc::unbounded_channel();
        let (orders, orders_in) = mpsc::unbounded_channel();
        let standing = watch::Sender::new(Standing::folding(0));
        let ended = CancellationToken::new();
        let seat =
            Self { requests, orders, standing: standing.subscribe(), queue: Queue::new(queue), ended: ended.clone() };
        let mailbox = Mailbox {
            requests: requests_in,
            orders: orders_in,
            standing,
            generation,
            leaving: false,
            _ended: ended.drop_guard(),
        };
        (seat, Arc::new(Mutex::new(mailbox)))
    }

    /// Makes a command here, waiting for the answer until the deadline.
    pub async fn make(&self, submission: Submission, deadline: Instant) -> Attempt {
        // Nobody takes commands out of the mailbox of a halted partition any more.
        if matches!(self.standing.borrow().phase, Phase::Halted(_)) {
            return Attempt::NotMade;
        }
        let Ok(place) = self.queue.place(submission.command.content_bytes()) else {
            return Attempt::Answered(Answer::Overloaded);
        };
        let (reply, answer) = oneshot::channel();
        let entry = Entry::default();
        let request = Request { submission, waiter: Waiter { reply, place }, entry: entry.clone() };
        if self.requests.send(request).is_err() {
            return Attempt::NotMade;
        }
        let _withdrawn = Withdrawn(&entry);
        match timeout_at(deadline, answer).await {
            // Its partition went to another owner; some epoch of ours may have had it.
            Ok(Ok(Reply::Answered(Answer::NotOwner))) => Attempt::InDoubt,
            Ok(Ok(Reply::Answered(answer))) => Attempt::Answered(answer),
            Ok(Ok(Reply::NotServed)) => Attempt::NotMade,
            // Time is up, or the task failed: if the command had not been entered, it never will be.
            Ok(Err(_)) | Err(_) if entry.take() => Attempt::NotMade,
            Ok(Err(_)) | Err(_) => Attempt::InDoubt,
        }
    }

    /// Completes when commands are decided here.
    pub async fn begins_to_serve(&self) {
        let mut standing = self.standing.clone();
        if standing.wait_for(|standing| standing.phase.serves()).await.is_err() {
            // Its task has ended.
            std::future::pending::<()>().await;
        }
    }

    pub fn order(&self, order: Order) {
        // A task that has ended needs no orders.
        let _ = self.orders.send(order);
    }

    /// Whether commands are decided here now.
    pub fn serves(&self) -> bool {
        self.standing.borrow().phase.serves()
    }

    /// Whether what is new should go here: it is to stay here, and there is room.
    pub fn takes_what_is_new(&self) -> bool {
        self.standing.borrow().phase == Phase::Serving && self.queue.has_room() && !self.has_ended()
    }

    pub fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    /// Completes when the task has ended and let go of the log.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    pub fn has_ended(&self) -> bool {
        self.ended.is_cancelled()
    }
}

/// Whoever waits no longer has withdrawn: a command that lies in a mailbox must not be made after its client was told of its end elsewhere.
struct Withdrawn<'a>(&'a Entry);

impl Drop for Withdrawn<'_> {
    fn drop(&mut self) {
        self.0.take();
    }
}

impl Mailbox {
    /// Sends away whoever waits: nothing of what never entered was appended here.
    pub fn close(&mut self) {
        self.requests.close();
        while let Ok(request) = self.requests.try_recv() {
            // Nobody waits any more if this fails.
            let _ = request.waiter.reply.send(Reply::NotServed);
        }
    }
}

impl Standing {
    pub fn folding(next_offset: u64) -> Self {
        Self { phase: Phase::Folding, epoch: None, pending: 0, next_offset, aggregates: 0, start: None }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::comment::CommentCommand;
    use crate::domain::post::PostCommand;
    use crate::domain::{Actor, Command};
    use event_schema::hash::CommandHash;
    use event_schema::id::{CommentId, PostId};
    use uuid::Uuid;

    const LIMITS: QueueLimits = QueueLimits { commands: 3, bytes: 100 };

    fn submission() -> Submission {
        Submission {
            command_id: Uuid::nil(),
            command_hash: CommandHash::of("x"),
            command: Command::Post { id: PostId::new(Uuid::nil()), command: PostCommand::Delete },
            expected_version: None,
            actor: Actor::System,
            correlation_id: Uuid::nil(),
            traceparent: None,
        }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test]
    async fn a_command_that_nobody_entered_in_time_was_certainly_not_made() {
        let (seat, mailbox) = Seat::new(1, LIMITS);
        assert!(matches!(seat.make(submission(), Instant::now()).await, Attempt::NotMade));
        let request = mailbox.lock().await.requests.try_recv().unwrap();
        assert!(!request.entry.take(), "the task must not enter it any more");
    }

    #[tokio::test]
    async fn a_command_that_was_entered_and_got_no_answer_is_in_doubt() {
        let (seat, mailbox) = Seat::new(1, LIMITS);
        let enter_and_fail = async {
            let request = mailbox.lock().await.requests.recv().await.unwrap();
            assert!(request.entry.take());
        };
        let (attempt, ()) = tokio::join!(seat.make(submission(), soon()), enter_and_fail);
        assert!(matches!(attempt, Attempt::InDoubt));
    }

    #[tokio::test]
    async fn a_partition_that_moved_while_a_command_was_pending_leaves_it_in_doubt() {
        let (seat, mailbox) = Seat::new(1, LIMITS);
        let enter_and_move = async {
            let request = mailbox.lock().await.requests.recv().await.unwrap();
            assert!(request.entry.take());
            request.waiter.reply.send(Reply::Answered(Answer::NotOwner)).unwrap();
        };
        let (attempt, ()) = tokio::join!(seat.make(submission(), soon()), enter_and_move);
        assert!(matches!(attempt, Attempt::InDoubt));
    }

    #[tokio::test]
    async fn contents_that_wait_are_bounded_until_they_are_answered() {
        let (seat, mailbox) = Seat::new(1, LIMITS);
        let with = |bytes: usize| Submission {
            command: Command::Comment {
                post: PostId::new(Uuid::nil()),
                id: CommentId::new(Uuid::nil()),
                command: CommentCommand::Add { content: "x".repeat(bytes) },
            },
            ..submission()
        };
        let first = seat.make(with(60), soon());
        let others = async {
            let request = mailbox.lock().await.requests.recv().await.unwrap();
            let refused = seat.make(with(41), soon()).await;
            assert!(matches!(refused, Attempt::Answered(Answer::Overloaded)), "{refused:?}");
            // Whoever gave up waiting leaves the command where it is, with what it takes.
            assert!(request.entry.take());
            request.waiter.reply.send(Reply::NotServed).unwrap();
        };
        tokio::join!(first, others);
        assert!(matches!(seat.make(with(100), Instant::now()).await, Attempt::NotMade), "there is room again");
    }

    #[tokio::test]
    async fn of_commands_that_are_not_answered_there_are_only_so_many() {
        let (seat, mailbox) = Seat::new(1, LIMITS);
        let deadline = Instant::now();
        for _ in 0..LIMITS.commands {
            assert!(matches!(seat.make(submission(), deadline).await, Attempt::NotMade), "nobody takes them");
        }
        let is_full = async || {
            let attempt = seat.make(submission(), deadline).await;
            matches!(attempt, Attempt::Answered(Answer::Overloaded))
        };
        assert!(is_full().await);
        let taken = mailbox.lock().await.requests.try_recv().unwrap();
        assert!(is_full().await, "one that is taken and not answered still counts");
        drop(taken);
        assert!(matches!(seat.make(submission(), deadline).await, Attempt::NotMade), "there is room again");
    }

    #[tokio::test]
    async fn a_command_that_nobody_waits_for_any_more_is_not_entered() {
        let (seat, mailbox) = Seat::new(1, LIMITS);
        let dropped = tokio::time::timeout(Duration::from_millis(1), seat.make(submission(), soon())).await;
        assert!(dropped.is_err(), "nobody answers");
        assert!(!mailbox.lock().await.requests.try_recv().unwrap().entry.take());
    }

    #[tokio::test]
    async fn a_seat_whose_task_has_ended_makes_nothing() {
        let (seat, mailbox) = Seat::new(1, LIMITS);
        drop(mailbox);
        seat.ended().await;
        assert!(matches!(seat.make(submission(), soon()).await, Attempt::NotMade));
    }
}
