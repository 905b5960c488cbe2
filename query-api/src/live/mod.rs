//! What dashboards are told without asking: figures of this process each second ([`figures`], by WebSocket in [`socket`]), and what happens
//! to posts ([`happenings`], as server-sent events in [`stream`]).

pub mod figures;
pub mod happenings;
pub mod socket;
pub mod stream;

use std::sync::Arc;

use tokio::sync::broadcast;

use figures::Figures;
use happenings::Happening;

/// A client that is this many messages behind is dropped: it gets what comes when it connects anew, and nobody waits for it.
pub const MOST_BEHIND: usize = 64;

/// What is told, to as many as listen. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Live {
    pub figures: broadcast::Sender<Arc<Figures>>,
    pub happenings: broadcast::Sender<Arc<Happening>>,
}

impl Live {
    pub fn new() -> Self {
        Self { figures: broadcast::Sender::new(MOST_BEHIND), happenings: broadcast::Sender::new(MOST_BEHIND) }
    }
}

impl Default for Live {
    fn default() -> Self {
        Self::new()
    }
}
