//! How aggregates and remembered commands are encoded in the store, and the schema that says so.
//!
//! `command-api/golden/state.txt` holds samples: what aggregates become by a life of events, in JSON and encoded. The schema
//! is a hash of that file, so whatever changes the encoding, or what the samples' events lead to, changes the schema, and
//! state that was stored before is discarded and folded anew. A test compares the file with the code.

use event_log::state::{StateError, StateSchema};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

/// Raise it when `evolve` comes to mean something else and no sample shows it.
const MEANING: u32 = 1;

/// The schema of what this build stores.
pub fn schema() -> StateSchema {
    let mut hash = Sha256::new();
    hash.update(MEANING.to_be_bytes());
    hash.update(include_bytes!("../../golden/state.txt"));
    StateSchema(hash.finalize().into())
}

/// # Errors
/// When the value cannot be encoded.
pub fn write(value: &impl Serialize) -> Result<Vec<u8>, StateError> {
    postcard::to_stdvec(value).map_err(|error| StateError::Damaged(format!("a value cannot be encoded: {error}")))
}

/// # Errors
/// When the bytes are no such value.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StateError> {
    let (value, rest) = postcard::take_from_bytes(bytes)
        .map_err(|error| StateError::Damaged(format!("a value cannot be decoded: {error}")))?;
    if !rest.is_empty() {
        return Err(StateError::Damaged("a value is followed by something else".to_owned()));
    }
    Ok(value)
}

/// A digest as its bytes: half of what its text takes.
pub mod hash {
    use event_schema::hash::CommandHash;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(hash: &CommandHash, to: S) -> Result<S::Ok, S::Error> {
        hash.as_bytes().serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<CommandHash, D::Error> {
        <[u8; 32]>::deserialize(from).map(CommandHash::from_bytes)
    }
}

#[cfg(test)]
mod tests;
