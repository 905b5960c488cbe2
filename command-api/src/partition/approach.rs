//! The way to the end of the log, before the partition is claimed.
//!
//! Its former owner may serve until it reads the claim. So what stands in the log already is folded first, and the claim comes when
//! next to nothing is left to fold: nobody waits for a fold. Nothing safe rests on this: a claim may come at any time.

use event_log::kafka::{KafkaError, KafkaLog};
use futures::future::BoxFuture;

/// So many records are folded within moments.
const NEAR: u64 = 256;

pub enum Approach {
    /// The cluster is asked where the log ends now.
    Asking(BoxFuture<'static, Result<u64, KafkaError>>),
    /// The log ended here when the cluster was asked.
    Folding(u64),
}

impl Approach {
    pub fn begin(log: &KafkaLog, partition: u32) -> Self {
        let log = log.clone();
        Self::Asking(Box::pin(async move { log.end_offset_now(partition).await }))
    }

    /// What to do when the cluster says where the log ends: nothing if it is time to claim.
    pub fn toward(end: u64, next_offset: u64) -> Option<Self> {
        (end > next_offset.saturating_add(NEAR)).then_some(Self::Folding(end))
    }

    /// Whether the fold has come to where the log ended; it may have grown since.
    pub fn is_there(&self, next_offset: u64) -> bool {
        matches!(self, Self::Folding(end) if next_offset >= *end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_the_end_is_claimed_at_once() {
        assert!(Approach::toward(0, 0).is_none());
        assert!(Approach::toward(NEAR, 0).is_none());
        // Told late: the fold went on meanwhile.
        assert!(Approach::toward(5, 10).is_none());
    }

    #[test]
    fn a_long_log_is_folded_to_where_it_ended_first() {
        let approach = Approach::toward(NEAR + 1, 0).expect("a long way");
        assert!(!approach.is_there(NEAR));
        assert!(approach.is_there(NEAR + 1));
    }
}
