//! The IO of the projection: a batch is recorded, its rows are inserted, and it is recorded as done.
//!
//! ClickHouse has no transactions and compares nothing before it writes. What it has is tokens: of inserts with one token the
//! first counts.
//!
//! - That a batch is begun, with its bounds, is an insert whose token is the revision that it leads to. So of two projectors
//!   that believe they own a partition one sets the bounds of its next batch; the other one finds them there and takes them over.
//! - Whoever starts where a batch was begun and not done redoes it with the same bounds, hence with the same rows and tokens.
//!   What is there already is not inserted again, in the tables and in those that views fill, and what is missing is: see
//!   [`super::redo`]. Facts are inserted again: the same ones change nothing.
//! - Letters that come with a batch are stored before its rows, letters that a retry has projected are taken away behind them: what a redone
//!   batch leaves out as parked is what it left out the first time, and no letter goes whose rows are not there.

use std::time::Duration;

use chrono::Utc;
use clickhouse::sql::Identifier;
use event_log::position::Position;
use read_model::Checkpoint;
use read_model::analytics::rows::{BEGUN, CheckpointRow, DONE, TAKEN_OVER};
use read_model::analytics::{AnalyticsNames, Clickhouse, ClickhouseError, tokens};
use uuid::Uuid;

use crate::analytics::batch::Batch;
use crate::analytics::dead_letters::DeadLetters;
use crate::analytics::inserts::{Insert, Rows, Span, inserts};
use crate::checkpoint;
use crate::detached::Detached;
use crate::projection::{Changes, Saved, StoreFailure};

/// A write that has not ended after this long counts as failed.
const WRITE_LIMIT: Duration = Duration::from_secs(120);

/// The tables of one log. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) clickhouse: Clickhouse,
    pub(crate) names: AnalyticsNames,
    /// Where what is counted comes from, if that is a topic of activity: each has positions of its own.
    activity: Option<String>,
    log_id: u64,
    dead_letters: DeadLetters,
    writes: Detached,
}

/// What is recorded of a partition.
#[derive(Clone, Debug)]
struct Recorded {
    done: Saved,
    begun: Option<Saved>,
    /// As it is stored.
    begun_text: String,
}

impl Recorded {
    /// Whether the batch from `from` to `to` is begun.
    fn is_begun(&self, from: Saved, to: Position) -> Result<bool, StoreFailure> {
        match self.begun {
            _ if self.done.revision != from.revision => Err(StoreFailure::Superseded),
            Some(begun) if begun.revision > from.revision => {
                let is_ours = begun.revision == from.revision + 1 && begun.position.next_offset == to.next_offset;
                if is_ours { Ok(true) } else { Err(StoreFailure::Superseded) }
            }
            _ => Ok(false),
        }
    }
}

impl From<ClickhouseError> for StoreFailure {
    fn from(error: ClickhouseError) -> Self {
        match error {
            ClickhouseError::Unavailable(_) => Self::Unavailable(error.to_string()),
            ClickhouseError::Refused { .. } if error.is_missing() => Self::Halt(format!(
                "{error}; start the projectors anew, which create what is missing, and rebuild the projection if rows are lost"
            )),
            ClickhouseError::Refused { .. } => Self::Halt(error.to_string()),
        }
    }
}

impl Store {
    /// The tables must be there: see [`read_model::analytics::ensure`].
    pub fn new(clickhouse: Clickhouse, names: AnalyticsNames, log_id: u64) -> Self {
        let dead_letters = DeadLetters::new(clickhouse.clone(), names.dead_letters());
        Self { clickhouse, names, log_id, dead_letters, writes: Detached::default(), activity: None }
    }

    /// The same tables, for what comes from this topic of activity: its positions are its own.
    #[must_use]
    pub fn of_activity(self, topic: &str) -> Self {
        Self { activity: Some(topic.to_owned()), ..self }
    }

    pub fn dead_letters(&self) -> &DeadLetters {
        &self.dead_letters
    }

    /// How far the store is in a partition, and the end of a batch that was begun there and not done.
    ///
    /// # Errors
    /// [`StoreFailure::Unavailable`], or [`StoreFailure::Halt`] for a checkpoint that is not of this log or lacks what must stand before it.
    pub async fn load(&self, partition: u32) -> Result<Saved, StoreFailure> {
        let Recorded { done, begun, .. } = self.recorded(partition).await?;
        if let Some(begun) = begun.filter(|begun| begun.revision > done.revision + 1) {
            return Err(StoreFailure::Halt(format!(
                "of partition {partition} the batch {} is recorded as begun and no more than {} as done; rebuild the projection",
                begun.revision, done.revision
            )));
        }
        let begun = begun.filter(|begun| begun.revision == done.revision + 1);
        Ok(Saved { begun: begun.map(|begun| begun.position.next_offset), ..done })
    }

    /// Writes all of a batch and moves the position from `from` to `to`. A task of its own does it.
    ///
    /// # Errors
    /// [`StoreFailure::Superseded`] if the position is no longer at `from`, or another batch was begun there;
    /// [`StoreFailure::Halt`] for what the tables do not take; else [`StoreFailure::Unavailable`].
    pub async fn write(
        &self,
        partition: u32,
        changes: impl Into<Changes<Batch>>,
        from: Saved,
        to: Position,
    ) -> Result<Saved, StoreFailure> {
        let (store, changes) = (self.clone(), changes.into());
        let write = async move { store.write_all(partition, &changes, from, to).await };
        self.writes.run("ClickHouse", WRITE_LIMIT, write).await
    }

    /// Waits until no write runs any more.
    pub async fn settled(&self) {
        self.writes.settled().await;
    }

    async fn write_all(
        &self,
        partition: u32,
        changes: &Changes<Batch>,
        from: Saved,
        to: Position,
    ) -> Result<Saved, StoreFailure> {
        let again = self.begin(partition, from, to).await?;
        let cleared = changes.cleared.as_ref();
        if cleared.is_none() {
            self.dead_letters.change(partition, None, &changes.letters).await?;
        }
        for insert in &self.inserts(partition, changes, from, to) {
            match &insert.rows {
                // Letters stand between rows of others, and each of theirs has a token of its own.
                Rows::Events(rows) if again && cleared.is_none() => match self.redo(insert, rows).await {
                    // Whoever else has it may be done, and have retried letters among its rows.
                    Err(StoreFailure::Halt(_)) if self.recorded(partition).await?.done.revision != from.revision => {
                        return Err(StoreFailure::Superseded);
                    }
                    redone => redone?,
                },
                _ => self.insert(insert).await?,
            }
        }
        if cleared.is_some() {
            self.dead_letters.change(partition, cleared, &changes.letters).await?;
        }
        self.finish(partition, from, to, again).await
    }

    /// Records that the batch from `from` to `to` may be there in part. Says whether it was begun before, by whomever: then it is this one's to
    /// be done, and nobody who has begun it before can record that it is.
    ///
    /// # Errors
    /// [`StoreFailure::Superseded`] when somebody else has begun another batch there, or finished one.
    pub async fn begin(&self, partition: u32, from: Saved, to: Position) -> Result<bool, StoreFailure> {
        if from.begun.is_some_and(|end| end != to.next_offset) {
            return Err(StoreFailure::Halt(format!(
                "a batch of partition {partition} was begun that ends at {}, and the log gives one that ends at {}; \
                 rebuild the projection",
                from.begun.unwrap_or_default(),
                to.next_offset
            )));
        }
        let table = self.names.checkpoints();
        let row = self.row(BEGUN, partition, from.revision + 1, to)?;
        let mut found = self.recorded(partition).await?;
        let token = self.token(BEGUN, partition, row.revision);
        let mut tokens = tokens(&token);
        while !found.is_begun(from, to)? {
            let token = tokens.next().ok_or_else(|| ClickhouseError::used_up(&table))?;
            self.clickhouse.insert(&table, &token, &[&row]).await?;
            found = self.recorded(partition).await?;
        }
        if found.begun_text == row.checkpoint {
            return Ok(false);
        }
        self.take_over(partition, from, to).await?;
        Ok(true)
    }

    /// Whoever has begun a batch trusts its tokens. Somebody who redoes it may use one up without its rows, so that from here on the first one's
    /// record that the batch is done must not count: its token is used for this row, and those who redo take further ones.
    async fn take_over(&self, partition: u32, from: Saved, to: Position) -> Result<(), StoreFailure> {
        let row = self.row(TAKEN_OVER, partition, from.revision + 1, to)?;
        let token = self.token(DONE, partition, row.revision);
        self.clickhouse.insert(&self.names.checkpoints(), &token, &[&row]).await?;
        self.recorded(partition).await?.is_begun(from, to).map(drop)
    }

    /// What is to be inserted between [`Store::begin`] and [`Store::finish`].
    pub fn inserts<'a>(
        &self,
        partition: u32,
        changes: &'a Changes<Batch>,
        from: Saved,
        to: Position,
    ) -> Vec<Insert<'a>> {
        let span = match changes.cleared {
            None => Span::Range { from: from.position.next_offset, to: to.next_offset },
            Some(_) => Span::Letters,
        };
        inserts(self.names, &self.place(partition), span, &changes.batch)
    }

    pub async fn insert(&self, insert: &Insert<'_>) -> Result<(), StoreFailure> {
        let Insert { table, token, rows } = insert;
        let token = &token.clone().unwrap_or_else(|| Uuid::now_v7().to_string());
        match rows {
            Rows::Events(rows) => self.clickhouse.insert(table, token, rows).await?,
            Rows::Posts(rows) => self.clickhouse.insert(table, token, &rows.iter().collect::<Vec<_>>()).await?,
            Rows::Authors(rows) => self.clickhouse.insert(table, token, &rows.iter().collect::<Vec<_>>()).await?,
            Rows::Responses(rows) => self.clickhouse.insert(table, token, &rows.iter().collect::<Vec<_>>()).await?,
        }
        Ok(())
    }

    /// Records that everything before `to` is there. If it was begun before, `again`, it is looked whether that is recorded.
    pub async fn finish(&self, partition: u32, from: Saved, to: Position, again: bool) -> Result<Saved, StoreFailure> {
        let done = from.moved_to(to);
        let row = self.row(DONE, partition, done.revision, to)?;
        // The first token is that of whoever has begun it.
        for token in tokens(&self.token(DONE, partition, row.revision)).skip(usize::from(again)) {
            self.clickhouse.insert(&self.names.checkpoints(), &token, &[&row]).await?;
            if !again || self.recorded(partition).await?.done.revision >= done.revision {
                return Ok(done);
            }
        }
        Err(ClickhouseError::used_up(&self.names.checkpoints()).into())
    }

    async fn recorded(&self, partition: u32) -> Result<Recorded, StoreFailure> {
        let query = self
            .clickhouse
            .query(
                "SELECT id, kind, revision, next_offset, checkpoint FROM ? \
                 WHERE id = ? ORDER BY revision DESC LIMIT 1 BY kind",
            )
            .bind(Identifier(&self.names.checkpoints()))
            .bind(self.checkpoint_id(partition));
        let rows: Vec<CheckpointRow> = self.clickhouse.rows(query).await.map_err(|error| match error.is_missing() {
            true => StoreFailure::Lost(error.to_string()),
            false => error.into(),
        })?;
        let of = |kind: &str| rows.iter().find(|row| row.kind == kind);
        let saved = |kind: &str| of(kind).map(|row| self.saved(partition, row)).transpose();
        let (done, begun) = (saved(DONE)?.unwrap_or(Saved::NOTHING), saved(BEGUN)?);
        let begun_before = |begun: Saved| {
            begun.revision > done.revision
                || (begun.revision == done.revision && begun.position.next_offset == done.position.next_offset)
        };
        // Somebody was held up in the middle of a batch while the tables were lost and made anew.
        if done.revision > 0 && !begun.is_some_and(begun_before) {
            return Err(StoreFailure::Halt(format!(
                "of partition {partition} the batch {} up to {} is recorded as done and was never begun; rebuild the projection",
                done.revision, done.position.next_offset
            )));
        }
        Ok(Recorded { done, begun, begun_text: of(BEGUN).map(|row| row.checkpoint.clone()).unwrap_or_default() })
    }

    fn saved(&self, partition: u32, row: &CheckpointRow) -> Result<Saved, StoreFailure> {
        let checkpoint: Checkpoint = serde_json::from_str(&row.checkpoint).map_err(|error| {
            StoreFailure::Halt(format!(
                "the checkpoint of partition {partition} cannot be read, rebuild the projection: {error}"
            ))
        })?;
        checkpoint::to_saved(&checkpoint, self.log_id)
    }

    fn row(&self, kind: &str, partition: u32, revision: i64, to: Position) -> Result<CheckpointRow, StoreFailure> {
        let id = self.checkpoint_id(partition);
        let checkpoint = checkpoint::to_document(id, self.log_id, partition, &to, revision, Utc::now());
        Ok(CheckpointRow {
            id: checkpoint.id.clone(),
            kind: kind.to_owned(),
            revision,
            next_offset: to.next_offset,
            checkpoint: serde_json::to_string(&checkpoint)
                .map_err(|error| StoreFailure::Halt(format!("the checkpoint cannot be stored: {error}")))?,
        })
    }

    /// A revision of a kind is written once.
    fn token(&self, kind: &str, partition: u32, revision: i64) -> String {
        format!("{}/{kind}/{revision}", self.place(partition))
    }

    fn checkpoint_id(&self, partition: u32) -> String {
        match &self.activity {
            None => self.names.projection().checkpoint_id(partition),
            Some(topic) => format!("{}{topic}:{partition}", self.names.activity().checkpoint_prefix()),
        }
    }

    fn place(&self, partition: u32) -> String {
        format!("{}/{}", self.log_id, self.checkpoint_id(partition))
    }
}
