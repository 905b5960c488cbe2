//! What a version that is filled gets ahead of the transaction that moves its checkpoints: the documents that are new.
//!
//! A transaction keeps all that it changes in the server's cache until it ends, and its inserts go into the oplog a second time as one
//! entry. Most of what a rebuild writes is new, and a new document needs neither.
//!
//! Whoever is killed before the transaction leaves documents of which the checkpoint does not know. Each is whole, as the log leads to it at some
//! offset past the checkpoint, and a post has no numbers yet: those are added in the transaction. Whoever fills on from the checkpoint,
//! with whatever bounds, meets them, and from then on writes that batch the guarded way, in a transaction that compares the checkpoint first:
//! what a document has already it does not get again. One who was superseded can add nothing but documents that his successor lacks as yet,
//! which that one then meets.
//!
//! This is for versions that nobody reads: a reader would see documents whose numbers are missing.

use mongodb::bson::{Document, rawdoc};

use crate::documents::commands::{Command, changed};
use crate::documents::connect::WRITE_LIMIT;
use crate::documents::write::{Failure, Store};
use crate::projection::StoreFailure;

impl Store {
    /// Inserts, each command durable when it is answered. The first document that is there ends it.
    pub(super) async fn insert_ahead(&self, inserts: Vec<Command>) -> Result<(), Failure> {
        let limit = i64::try_from(WRITE_LIMIT.as_millis()).unwrap_or(i64::MAX);
        for Command { mut text, .. } in inserts {
            text.append("writeConcern", rawdoc! { "w": "majority", "j": true, "wtimeout": limit });
            let answer = self.database.run_raw_command(text).await?;
            changed(&answer)?;
            acknowledged(&answer)?;
        }
        Ok(())
    }
}

/// That a majority has it in time stands in an answer that is otherwise well, too.
fn acknowledged(answer: &Document) -> Result<(), StoreFailure> {
    match answer.get("writeConcernError") {
        None => Ok(()),
        Some(error) => Err(StoreFailure::Unavailable(format!("MongoDB did not acknowledge a write: {error}"))),
    }
}
