//! The IO of the projection: a transaction that holds documents and checkpoints, of one batch or of those of several partitions; for a version
//! that is filled, [what is new goes ahead of it](super::ahead).

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use event_log::position::Position;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::{Error, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT};
use mongodb::options::ReadConcern;
use mongodb::{ClientSession, Collection, Database};
use read_model::{Checkpoint, Projection as Names, stored};
use tokio::time::Instant;
use uuid::Uuid;

use crate::checkpoint;
use crate::documents::batch::Batch;
use crate::documents::commands::{Check, Command, Kind, Novelty, changed, commands, count, pack};
use crate::documents::connect::durable;
use crate::documents::dead_letters::DeadLetters;
use crate::documents::response::CountWrite;
use crate::documents::statements;
use crate::projection::{Changes, Saved, StoreFailure};
use crate::runner::meters;
use crate::together::{Together, Write};

/// A write that the server has not answered for this long counts as failed. It is left to its task, not dropped: if it
/// still comes to pass, the checkpoint shows it.
pub(super) const ANSWER_LIMIT: Duration = Duration::from_secs(45);
/// For how long a transaction that met a passing conflict is begun anew, and a commit of unknown outcome repeated, before the
/// batch counts as failed.
const RETRY_FOR: Duration = Duration::from_secs(2);
/// Pauses between attempts: this, doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// Large transactions at a time. While one waits for the disk another may be filled.
const AT_ONCE: u32 = 2;

/// The collections of one projection of one log. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) database: Database,
    pub(super) names: Names,
    log_id: u64,
    dead_letters: DeadLetters,
    pub(super) writes: Together<Batch>,
    /// Whether what is new is written ahead of the transaction.
    ahead: bool,
}

impl Store {
    /// The indexes must be there: see [`read_model::ensure_indexes`].
    pub fn new(database: Database, names: Names, log_id: u64) -> Self {
        let dead_letters = DeadLetters::new(&database, names);
        Self { database, names, log_id, dead_letters, writes: Together::new(AT_ONCE), ahead: false }
    }

    /// The same store while nobody reads it: quicker, and what is new may be there before the checkpoint says so.
    #[must_use]
    pub fn filling(self) -> Self {
        Self { ahead: true, ..self }
    }

    /// How far the store is in a partition.
    ///
    /// # Errors
    /// [`StoreFailure::Unavailable`], or [`StoreFailure::Halt`] for a checkpoint that is not of this log.
    pub async fn load(&self, partition: u32) -> Result<Saved, StoreFailure> {
        let id = self.names.checkpoint_id(partition);
        let found = self.checkpoints().find_one(doc! { "_id": id }).await;
        match found.map_err(|error| unavailable(&error))? {
            Some(found) => checkpoint::to_saved(&found, self.log_id),
            None => Ok(Saved::NOTHING),
        }
    }

    pub fn dead_letters(&self) -> &DeadLetters {
        &self.dead_letters
    }

    /// Writes documents and dead letters and moves the checkpoint from `from` to `to`: all of it or nothing.
    ///
    /// A task of its own does it, so that dropping this future stops nothing, in one transaction with what other partitions want written at
    /// the time.
    ///
    /// # Errors
    /// [`StoreFailure::Superseded`] if the checkpoint is no longer at `from`, [`StoreFailure::Halt`] if a document lacks the
    /// events before the batch, else [`StoreFailure::Unavailable`]; then it may have been written all the same.
    pub async fn write(
        &self,
        partition: u32,
        changes: impl Into<Changes<Batch>>,
        from: Saved,
        to: Position,
    ) -> Result<Saved, StoreFailure> {
        let write = Write { partition, changes: changes.into(), from, to };
        let store = self.clone();
        let all = move |writes: Vec<Write<Batch>>| {
            let store = store.clone();
            async move { store.write_retrying(&writes).await }
        };
        self.writes.write("MongoDB", ANSWER_LIMIT, write, all).await
    }

    /// Waits until no write runs any more.
    pub async fn settled(&self) {
        self.writes.detached().settled().await;
    }

    async fn write_retrying(&self, writes: &[Write<Batch>]) -> Result<(), StoreFailure> {
        meters::together(self.names, writes.len());
        let now = Utc::now();
        let next = |write: &Write<Batch>| self.next_checkpoint(write.partition, write.from, write.to, now);
        let checkpoints: Vec<_> = writes.iter().map(|write| (write, next(write))).collect();
        let mut novelty = Novelty::Expected;
        let mut all = commands(self.names, writes, novelty)?;
        // What was parked may be dropped in the end: nothing of it stays behind.
        if self.ahead && writes.iter().all(|write| write.changes.cleared.is_none()) {
            let (inserts, rest) = all.into_iter().partition(|command| matches!(command.kind, Kind::Insert));
            all = rest;
            match self.insert_ahead(inserts).await {
                Ok(()) => {}
                Err(Failure::NotNew) => {
                    novelty = Novelty::Unknown;
                    meters::repeated(self.names);
                    all = commands(self.names, writes, novelty)?;
                }
                Err(Failure::Store(failure)) => return Err(failure),
                Err(Failure::Server(error)) => return Err(unavailable(&error)),
            }
        }
        let begin = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            match self.transact(&checkpoints, &all).await {
                Ok(()) => return Ok(()),
                Err(Failure::Store(failure)) => return Err(failure),
                Err(Failure::NotNew) if novelty == Novelty::Unknown => {
                    return Err(StoreFailure::Unavailable(
                        "MongoDB: a document was inserted twice at a time".to_owned(),
                    ));
                }
                Err(Failure::NotNew) => {
                    novelty = Novelty::Unknown;
                    meters::repeated(self.names);
                    all = commands(self.names, writes, novelty)?;
                }
                Err(Failure::Server(error))
                    if error.contains_label(TRANSIENT_TRANSACTION_ERROR) && begin.elapsed() < RETRY_FOR =>
                {
                    meters::transaction_retried(self.names);
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                Err(Failure::Server(error)) => return Err(unavailable(&error)),
            }
        }
    }

    async fn transact(&self, writes: &[(&Write<Batch>, Checkpoint)], commands: &[Command]) -> Result<(), Failure> {
        let mut session = self.begin().await?;
        let written = self.write_within(&mut session, writes, commands).await;
        end(session, written).await
    }

    /// Begins a transaction, for [`end`].
    pub(super) async fn begin(&self) -> Result<ClientSession, Failure> {
        let mut session = self.database.client().start_session().await?;
        session.start_transaction().read_concern(ReadConcern::snapshot()).write_concern(durable()).await?;
        Ok(session)
    }

    async fn write_within(
        &self,
        session: &mut ClientSession,
        writes: &[(&Write<Batch>, Checkpoint)],
        commands: &[Command],
    ) -> Result<(), Failure> {
        // First, so that of two writers of one partition the second learns of it before it has written anything else.
        let moves = writes.iter().map(|(write, next)| (write.from, next));
        self.move_checkpoints(session, moves).await?;
        for (Write { partition, changes, .. }, _) in writes {
            self.dead_letters.change(session, *partition, changes.cleared.as_ref(), &changes.letters).await?;
        }
        let mut short = Vec::new();
        for command in commands {
            let answer = self.database.run_raw_command(command.text.clone()).session(&mut *session).await?;
            let changed = changed(&answer)?;
            if let Kind::Update(check) = command.kind
                && changed < command.statements
                && !short.contains(&check)
            {
                short.push(check);
            }
        }
        // Only now: what a check looks for may stand in a later command than the one that fell short.
        for check in short {
            self.check(session, writes.iter().map(|(write, _)| &*write.changes.batch), check).await?;
        }
        Ok(())
    }

    /// Compare and set: each only from the revision that the batch was made for.
    pub(super) async fn move_checkpoints(
        &self,
        session: &mut ClientSession,
        moves: impl Iterator<Item = (Saved, &Checkpoint)>,
    ) -> Result<(), Failure> {
        let (first, later): (Vec<_>, Vec<_>) = moves.partition(|(from, _)| from.revision == 0);
        let (mut commands, checkpoints) = (Vec::new(), self.names.checkpoints());
        let first = first.into_iter().map(|(_, next)| statements::document(next));
        pack(&mut commands, checkpoints, Kind::Insert, first)?;
        let later = later.into_iter().map(|(from, next)| statements::checkpoint(from, next));
        pack(&mut commands, checkpoints, Kind::Update(Check::Nothing), later)?;
        for Command { text, statements, .. } in commands {
            let answer = self.database.run_raw_command(text).session(&mut *session).await?;
            match changed(&answer) {
                Ok(_) if count(&answer, "n") == statements => {}
                Ok(_) | Err(Failure::NotNew) => return Err(StoreFailure::Superseded.into()),
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    /// Some statement was not due. That is well if the document is as new as the batch or newer, as when a checkpoint was
    /// taken away to read the log again; a document that lacks events before the batch is not.
    async fn check(
        &self,
        session: &mut ClientSession,
        batches: impl Iterator<Item = &Batch> + Clone,
        check: Check,
    ) -> Result<(), Failure> {
        let names = self.names;
        let posts = || batches.clone().flat_map(|batch| &batch.posts);
        let comments = || batches.clone().flat_map(|batch| &batch.comments);
        match check {
            Check::Nothing => {}
            Check::Posts => {
                let wanted = posts().map(|write| (write.id, write.first_version, write.version));
                self.check_versions(session, &names.posts(), "post", wanted).await?;
            }
            Check::Comments => {
                let wanted = comments().map(|write| (write.id, write.version, write.version));
                self.check_versions(session, &names.comments(), "comment", wanted).await?;
            }
            Check::Counts => {
                let counts = || batches.clone().flat_map(|batch| &batch.counts);
                let ids = counts().map(|write| write.post_id);
                let counted = self.numbers(session, &names.posts(), ids, "countedTo").await?;
                let lacks = |write: &&CountWrite| counted.get(&write.post_id).is_none_or(|to| *to < write.offset());
                if let Some(write) = counts().find(lacks) {
                    let id = write.post_id;
                    let why = format!("post {id} has likes or comments and is not stored; rebuild the projection");
                    return Err(StoreFailure::Halt(why).into());
                }
            }
        }
        Ok(())
    }

    /// Of each id the first version that is written, and the last.
    async fn check_versions(
        &self,
        session: &mut ClientSession,
        collection: &str,
        what: &str,
        mut wanted: impl Iterator<Item = (Uuid, u64, u64)> + Clone,
    ) -> Result<(), Failure> {
        let versions = self.numbers(session, collection, wanted.clone().map(|(id, ..)| id), "version").await?;
        let stored = |id| versions.get(&id).map_or(0, |version| u64::try_from(*version).unwrap_or(0));
        match wanted.find(|(id, _, last)| stored(*id) < *last) {
            None => Ok(()),
            Some((id, first, _)) => Err(StoreFailure::Halt(format!(
                "{what} {id} is stored in version {}, and its next event has version {first}; rebuild the projection",
                stored(id)
            ))
            .into()),
        }
    }

    /// A field of stored documents, of those that are there and have it.
    async fn numbers(
        &self,
        session: &mut ClientSession,
        collection: &str,
        ids: impl Iterator<Item = Uuid>,
        field: &str,
    ) -> Result<HashMap<Uuid, i64>, Failure> {
        let ids: Vec<Bson> = ids.map(stored::id).collect();
        let documents = self.database.collection::<Document>(collection);
        let find = documents.find(doc! { "_id": { "$in": ids } }).projection(doc! { field: 1 });
        let mut found = find.session(&mut *session).await?;
        let mut numbers = HashMap::new();
        while let Some(document) = found.next(session).await.transpose()? {
            let id = document.get("_id").and_then(stored::to_id);
            numbers.extend(id.zip(document.get_i64(field).ok()));
        }
        Ok(numbers)
    }

    pub(super) fn next_checkpoint(&self, partition: u32, from: Saved, to: Position, now: DateTime<Utc>) -> Checkpoint {
        let revision = from.revision + 1;
        checkpoint::to_document(self.names.checkpoint_id(partition), self.log_id, partition, &to, revision, now)
    }

    fn checkpoints(&self) -> Collection<Checkpoint> {
        self.database.collection(self.names.checkpoints())
    }
}

pub(super) enum Failure {
    Store(StoreFailure),
    Server(Error),
    /// An insert met a document that is there.
    NotNew,
}

impl From<StoreFailure> for Failure {
    fn from(failure: StoreFailure) -> Self {
        Self::Store(failure)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Server(error)
    }
}

/// Commits what was written in a transaction, or takes it back.
pub(super) async fn end(mut session: ClientSession, written: Result<(), Failure>) -> Result<(), Failure> {
    if let Err(failure) = written {
        // The server forgets an unfinished transaction by itself; aborting only frees its locks at once.
        let _ = session.abort_transaction().await;
        return Err(failure);
    }
    commit(&mut session).await
}

/// Commits until the server says how it ended, as the label of the error asks for.
async fn commit(session: &mut ClientSession) -> Result<(), Failure> {
    let begin = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        match session.commit_transaction().await {
            Err(error) if error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT) && begin.elapsed() < RETRY_FOR => {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            result => return Ok(result?),
        }
    }
}

pub(super) fn unavailable(error: &Error) -> StoreFailure {
    StoreFailure::Unavailable(format!("MongoDB: {}", error.kind))
}
