//! What the index holds of a partition, beside what its events lead to.

use std::collections::BTreeMap;

use read_model::Post;
use read_model::search::SearchPost;
use uuid::Uuid;

use crate::projection::StoreFailure;
use crate::search::fold::expected;
use crate::search::read::{read_keys, read_partition};
use crate::search::write::Store;
use crate::verdict::{Keys, Only, Verdict};

impl Store {
    /// Reads a partition, whole or some posts of it, and compares it with the posts that its events before `end` lead to, which the store must
    /// have come to.
    ///
    /// # Errors
    /// [`StoreFailure::Unavailable`].
    pub async fn verify(
        &self,
        partition: u32,
        keys: Keys<'_>,
        folded: &BTreeMap<Uuid, Post>,
        end: u64,
        only: Only<'_>,
    ) -> Result<Verdict, StoreFailure> {
        let stored = match keys {
            None => read_partition(&self.elasticsearch, &self.names, partition).await?,
            Some(keys) => read_keys(&self.elasticsearch, &self.names, keys).await?,
        };
        Ok(judge(&stored, folded, end, only))
    }
}

fn judge(stored: &BTreeMap<Uuid, SearchPost>, folded: &BTreeMap<Uuid, Post>, end: u64, only: Only<'_>) -> Verdict {
    let wanted = folded.iter().map(|(id, post)| (*id, expected(post))).collect();
    let mut verdict = Verdict::default();
    verdict.compare("post", stored, &wanted, |_, post: &SearchPost| post.offset >= end, only);
    verdict
}
