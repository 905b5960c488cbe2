//! `GET /owners` on the admin address: who owns which partition, and how those owned here stand.

use std::collections::{BTreeMap, HashMap};

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use event_log::kafka::OwnerHint;
use serde::Serialize;
use tokio::sync::watch;

use crate::partition::seat::{Phase, Standing, Start};
use crate::routing::Seats;

/// What the page is made from.
#[derive(Clone, Debug)]
pub struct Owners {
    pub instance: String,
    pub address: String,
    pub partitions: u32,
    pub generation: watch::Receiver<Option<i32>>,
    pub seats: watch::Receiver<Seats>,
    pub hints: watch::Receiver<HashMap<u32, OwnerHint>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    instance: String,
    address: String,
    /// Absent while this instance is no member of the group.
    generation: Option<i32>,
    partitions: BTreeMap<u32, Partition>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Partition {
    /// Who last said that it owns the partition.
    owner: Option<String>,
    address: Option<String>,
    /// Offset and nonce of the owner's claim.
    epoch: Option<String>,
    /// How it stands here, where it is assigned to this instance.
    here: Option<Here>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Here {
    phase: &'static str,
    reason: Option<String>,
    epoch: Option<String>,
    pending: usize,
    position: u64,
    aggregates: u64,
    /// What the fold of the partition began with; absent until that is known.
    start: Option<FoldStart>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FoldStart {
    /// `local state`, `snapshot` or `nothing`.
    from: &'static str,
    /// The offset of the first record that was folded.
    offset: u64,
    /// How many records were folded until the partition was served; absent before.
    folded: Option<u64>,
}

pub fn routes(owners: Owners) -> Router {
    Router::new().route("/owners", get(page)).with_state(owners)
}

async fn page(State(owners): State<Owners>) -> Json<Page> {
    let (seats, hints) = (owners.seats.borrow().clone(), owners.hints.borrow().clone());
    let partitions = (0..owners.partitions).map(|partition| {
        let hint = hints.get(&partition);
        let described = Partition {
            owner: hint.map(|hint| hint.owner.clone()),
            address: hint.map(|hint| hint.address.clone()),
            epoch: hint.map(|hint| hint.epoch.to_string()),
            here: seats.get(&partition).map(|seat| seat.standing().into()),
        };
        (partition, described)
    });
    Json(Page {
        instance: owners.instance.clone(),
        address: owners.address.clone(),
        generation: *owners.generation.borrow(),
        partitions: partitions.collect(),
    })
}

impl From<Standing> for Here {
    fn from(standing: Standing) -> Self {
        Self {
            phase: standing.phase.label(),
            reason: match &standing.phase {
                Phase::Halted(why) => Some(why.clone()),
                _ => None,
            },
            epoch: standing.epoch.map(|epoch| epoch.to_string()),
            pending: standing.pending,
            position: standing.next_offset,
            aggregates: standing.aggregates,
            start: standing.start.map(|Start { origin, offset, folded }| FoldStart {
                from: origin.label(),
                offset,
                folded,
            }),
        }
    }
}
