//! The versions of the documents, in MongoDB.

use mongodb::Database;
use mongodb::bson::{Bson, doc};
use mongodb::error::{Error, ErrorKind, WriteFailure};
use serde::{Deserialize, Serialize};

use super::Versions;
use crate::DOCUMENTS;

/// The collection of what is known of projections.
pub const COLLECTION: &str = "projections";

const DUPLICATE_KEY: i32 = 11000;

#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    #[serde(rename = "_id")]
    id: String,
    rev: i64,
    versions: Bson,
}

/// What is stored, or what holds where nothing is.
pub async fn load(database: &Database) -> Result<Versions, Error> {
    let found = database.collection::<Stored>(COLLECTION).find_one(doc! { "_id": DOCUMENTS.name }).await?;
    let versions = found.map(|found| mongodb::bson::from_bson(found.versions)).transpose()?;
    Ok(versions.unwrap_or_default())
}

/// Replaces the revision before. False if that is not there any more: somebody else was faster.
pub async fn replace(database: &Database, versions: &Versions) -> Result<bool, Error> {
    let (id, rev) = (DOCUMENTS.name.to_owned(), versions.rev);
    let stored = Stored { id, rev, versions: mongodb::bson::to_bson(versions)? };
    let collection = database.collection::<Stored>(COLLECTION);
    if rev == 1 {
        return match collection.insert_one(stored).await {
            Err(error) if is_duplicate(&error) => Ok(false),
            other => other.map(|_| true),
        };
    }
    let before = doc! { "_id": DOCUMENTS.name, "rev": rev - 1 };
    Ok(collection.replace_one(before, stored).await?.matched_count == 1)
}

fn is_duplicate(error: &Error) -> bool {
    matches!(&*error.kind, ErrorKind::Write(WriteFailure::WriteError(error)) if error.code == DUPLICATE_KEY)
}
