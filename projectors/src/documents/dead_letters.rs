//! Dead letters as MongoDB has them.

use chrono::Utc;
use futures::TryStreamExt;
use mongodb::bson::{Document, doc};
use mongodb::error::Error;
use mongodb::{ClientSession, Collection, Database};
use read_model::{DeadLetterDoc, Projection, Standing};

use crate::dead_letter::{ByKey, DeadLetter, Parked, document, letter};
use crate::projection::Cleared;

/// The dead letters of one projection. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    collection: Collection<DeadLetterDoc>,
}

impl DeadLetters {
    pub fn new(database: &Database, names: Projection) -> Self {
        Self { collection: database.collection(&names.dead_letters()) }
    }

    /// The keys whose records are parked, of one partition or of all, by the place of their first.
    pub async fn parked(&self, partition: Option<u32>) -> Result<Vec<Parked>, Error> {
        let of = partition.map_or_else(Document::new, |partition| doc! { "partition": partition });
        let some = doc! { "partition": 1, "key": 1, "offset": 1, "standing": 1, "reason": 1 };
        let collection = self.collection.clone_with_type::<Brief>();
        let mut found =
            collection.find(of).projection(some).sort(doc! { "partition": 1, "key": 1, "offset": 1 }).await?;
        let mut parked = ByKey::default();
        while let Some(Brief { partition, key, offset, standing, reason }) = found.try_next().await? {
            parked.add(partition, key, u64::try_from(offset).unwrap_or_default(), standing, reason);
        }
        Ok(parked.in_order())
    }

    /// The first letters of a key in their order.
    pub async fn of_key(&self, partition: Option<u32>, key: &str, limit: u32) -> Result<Vec<DeadLetter>, Error> {
        let mut of = doc! { "key": key };
        of.extend(partition.map(|partition| ("partition".to_owned(), partition.into())));
        let found = self.collection.find(of).sort(doc! { "offset": 1 }).limit(limit.into());
        let letters: Vec<DeadLetterDoc> = found.await?.try_collect().await?;
        Ok(letters.into_iter().map(letter).collect())
    }

    /// The first key of a partition of which an operator wants something, and what.
    pub async fn first_order(&self, partition: u32) -> Result<Option<(String, Standing)>, Error> {
        let orders = [Standing::Drop.as_str(), Standing::Retry.as_str()];
        let of = doc! { "partition": partition, "standing": { "$in": orders.as_slice() } };
        let found = self.collection.find_one(of).sort(doc! { "offset": 1 }).await?;
        Ok(found.map(|letter| (letter.key, letter.standing)))
    }

    /// Says what is to become of a key's records; the projector that has the partition does it. False when none is parked, or
    /// they were given up.
    pub async fn order(&self, key: &str, standing: Standing) -> Result<bool, Error> {
        let waiting = doc! { "key": key, "standing": { "$ne": Standing::Dropped.as_str() } };
        let set = doc! { "$set": { "standing": standing.as_str() } };
        Ok(self.collection.update_many(waiting, set).await?.matched_count > 0)
    }

    /// Takes letters away and puts letters in.
    pub(crate) async fn change(
        &self,
        session: &mut ClientSession,
        partition: u32,
        cleared: Option<&Cleared>,
        letters: &[DeadLetter],
    ) -> Result<(), Error> {
        if let Some(Cleared { key, through, rest_waits }) = cleared {
            let through = i64::try_from(*through).unwrap_or(i64::MAX);
            let of = doc! { "partition": partition, "key": key, "offset": { "$lte": through } };
            self.collection.delete_many(of).session(&mut *session).await?;
            if *rest_waits {
                let rest = doc! { "partition": partition, "key": key };
                let wait = doc! { "$set": { "standing": Standing::Waiting.as_str() } };
                self.collection.update_many(rest, wait).session(&mut *session).await?;
            }
        }
        if !letters.is_empty() {
            let now = Utc::now();
            let letters: Vec<_> = letters.iter().map(|letter| document(letter, now)).collect();
            // They may be there, when a checkpoint was taken away to read the log again.
            let ids: Vec<&str> = letters.iter().map(|letter| letter.id.as_str()).collect();
            self.collection.delete_many(doc! { "_id": { "$in": ids } }).session(&mut *session).await?;
            self.collection.insert_many(&letters).session(&mut *session).await?;
        }
        Ok(())
    }
}

/// What the list of parked keys is made of.
#[derive(serde::Deserialize)]
struct Brief {
    partition: u32,
    key: String,
    offset: i64,
    standing: Standing,
    reason: String,
}
