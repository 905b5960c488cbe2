//! How far the index is, one document a partition.

use chrono::Utc;
use event_log::position::Position;
use read_model::Checkpoint;
use serde_json::{Value, json};

use crate::checkpoint;
use crate::projection::{Saved, StoreFailure};
use crate::search::batch::Batch;
use crate::search::write::{Store, Verdict, verdict};
use crate::together::Write;

/// Where a document stands in Elasticsearch's own count of writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    seq_no: u64,
    term: u64,
}

impl Place {
    /// None of what is not there.
    fn of(answered: &Value) -> Option<Self> {
        Some(Self { seq_no: answered["_seq_no"].as_u64()?, term: answered["_primary_term"].as_u64()? })
    }
}

impl Store {
    /// How far the store is in a partition.
    ///
    /// # Errors
    /// [`StoreFailure::Unavailable`], or [`StoreFailure::Halt`] for a checkpoint that is not of this log.
    pub async fn load(&self, partition: u32) -> Result<Saved, StoreFailure> {
        let path = format!("{}/_doc/{}", self.names.checkpoints(), self.checkpoint_id(partition));
        let Some(found) = self.elasticsearch.get(&path).await? else {
            return Ok(Saved::NOTHING);
        };
        let checkpoint: Checkpoint = serde_json::from_value(found["_source"].clone()).map_err(|error| {
            StoreFailure::Halt(format!(
                "the checkpoint of partition {partition} cannot be read, rebuild the projection: {error}"
            ))
        })?;
        checkpoint::to_saved(&checkpoint, self.log_id)
    }

    /// Where the checkpoints stand that [`Store::finish`] is to take the place of, which are those that the writes begin at. Of a partition that has
    /// none one is made: of what is not there nobody can tell whether it is the same.
    ///
    /// # Errors
    /// [`StoreFailure::Superseded`] if one is another.
    pub async fn begin(&self, writes: &[Write<Batch>]) -> Result<Vec<Place>, StoreFailure> {
        let ids: Vec<_> = writes.iter().map(|write| self.checkpoint_id(write.partition)).collect();
        let found = self.many(&self.names.checkpoints(), &json!({ "ids": ids })).await?;
        let are_at = found.iter().map(|found| {
            let (revision, offset) = (&found["_source"]["rev"], &found["_source"]["nextOffset"]);
            (revision.as_i64().unwrap_or_default(), offset.as_u64().unwrap_or_default())
        });
        if !are_at.eq(writes.iter().map(|Write { from, .. }| (from.revision, from.position.next_offset))) {
            return Err(StoreFailure::Superseded);
        }
        let mut lines = String::new();
        for (found, Write { partition, from, .. }) in found.iter().zip(writes) {
            if Place::of(found).is_none() {
                lines.push_str(&self.lines(None, *partition, from.revision, from.position)?);
            }
        }
        let made = if lines.is_empty() { Vec::new() } else { self.write_checkpoints(lines).await? };
        let mut made = made.into_iter();
        let places = found.iter().map(|found| Place::of(found).or_else(|| made.next()));
        let unclear = || StoreFailure::Unavailable("Elasticsearch has not answered for every checkpoint".to_owned());
        places.collect::<Option<_>>().ok_or_else(unclear)
    }

    /// Moves the checkpoints behind what was written. Compare and set by Elasticsearch's own count of writes: where the index was lost and
    /// made anew meanwhile, there is none at that place, unless just as many writes have led to one.
    ///
    /// # Errors
    /// [`StoreFailure::Superseded`] if one was moved since [`Store::begin`].
    pub async fn finish(&self, writes: &[Write<Batch>], begun: &[Place]) -> Result<(), StoreFailure> {
        let mut lines = String::new();
        for (Write { partition, from, to, .. }, place) in writes.iter().zip(begun) {
            lines.push_str(&self.lines(Some(place), *partition, from.revision + 1, *to)?);
        }
        self.write_checkpoints(lines).await.map(drop)
    }

    /// The lines of a bulk request for one checkpoint, in the place of another or where there is none.
    fn lines(
        &self,
        place: Option<&Place>,
        partition: u32,
        revision: i64,
        position: Position,
    ) -> Result<String, StoreFailure> {
        let id = self.checkpoint_id(partition);
        let action = match place {
            Some(Place { seq_no, term }) => {
                json!({ "index": { "_id": id, "if_seq_no": seq_no, "if_primary_term": term } })
            }
            None => json!({ "create": { "_id": id } }),
        };
        let document = checkpoint::to_document(id, self.log_id, partition, &position, revision, Utc::now());
        let document = serde_json::to_string(&document)
            .map_err(|error| StoreFailure::Halt(format!("the checkpoint cannot be stored: {error}")))?;
        Ok(format!("{action}\n{document}\n"))
    }

    /// All of them, or an error; gives where they stand then.
    async fn write_checkpoints(&self, lines: String) -> Result<Vec<Place>, StoreFailure> {
        let answer = self.elasticsearch.lines(&format!("{}/_bulk", self.names.checkpoints()), lines.into()).await?;
        let items = answer["items"].as_array().into_iter().flatten();
        let mut places = Vec::new();
        for item in items.filter_map(|item| item.as_object()?.values().next()) {
            match verdict(item) {
                Verdict::Stored => places.extend(Place::of(item)),
                Verdict::Newer => return Err(StoreFailure::Superseded),
                Verdict::Busy(why) => return Err(StoreFailure::Unavailable(why)),
                Verdict::Refused(why) | Verdict::Wrong(why) => return Err(StoreFailure::Halt(why)),
            }
        }
        Ok(places)
    }

    fn checkpoint_id(&self, partition: u32) -> String {
        self.names.projection().checkpoint_id(partition)
    }
}
