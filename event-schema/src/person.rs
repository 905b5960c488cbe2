//! The events of a person.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PersonCreated {
    /// Marked personal in the schema.
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PersonEvent {
    Created(PersonCreated),
}
