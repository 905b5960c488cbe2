//! An aggregate as the next command finds it: released, or as it will be once everything pending counts.

use chrono::{DateTime, Utc};

use super::aggregates::Aggregate;
use super::pending::Hoped;
use crate::domain::AggregateState;

#[derive(Clone, Copy, Debug)]
pub struct Latest<'a> {
    pub state: &'a AggregateState,
    pub version: u64,
    pub time: DateTime<Utc>,
}

impl<'a> Latest<'a> {
    pub fn of(pending: Option<&'a Hoped>, released: Option<&'a Aggregate>) -> Option<Self> {
        match (pending, released) {
            (Some(hoped), _) => Some(Self { state: &hoped.state, version: hoped.version, time: hoped.time }),
            (None, Some(known)) => Some(Self { state: &known.state, version: known.version, time: known.time }),
            (None, None) => None,
        }
    }
}
