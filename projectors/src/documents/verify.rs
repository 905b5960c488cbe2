//! What the collections hold of a partition, beside what its events lead to.

use read_model::Slug;

use crate::documents::fold::Documents;
use crate::documents::read::read_partition;
use crate::documents::write::{Store, unavailable};
use crate::projection::StoreFailure;
use crate::verdict::{Only, Verdict};

impl Store {
    /// Reads one of so many partitions whole and compares it with what its events before `end` lead to, which the store must have come to.
    ///
    /// # Errors
    /// [`StoreFailure::Unavailable`].
    pub async fn verify(
        &self,
        (partition, partitions): (u32, u32),
        expected: &Documents,
        end: u64,
        only: Only<'_>,
    ) -> Result<Verdict, StoreFailure> {
        let stored = read_partition(&self.database, self.names, partition, partitions).await;
        let stored = stored.map_err(|error| unavailable(&error))?;
        Ok(judge(&stored, expected, end, only))
    }
}

/// Compares what stands in a partition with what its events before `end` lead to.
fn judge(stored: &Documents, expected: &Documents, end: u64, only: Only<'_>) -> Verdict {
    let end = i64::try_from(end).unwrap_or(i64::MAX);
    let mut verdict = Verdict::default();
    verdict.compare("post", &stored.posts, &expected.posts, |_, post| post.last_offset() >= end, only);
    verdict.compare("comment", &stored.comments, &expected.comments, |_, comment| comment.offset >= end, only);
    verdict.compare("like", &stored.likes, &expected.likes, |_, like| like.offset >= end, only);
    verdict.compare("person", &stored.people, &expected.people, |_, person| person.offset >= end, only);
    verdict.compare("history", &stored.history, &expected.history, |_, event| event.offset >= end, only);
    let of_a_newer_post =
        |_: &String, slug: &Slug| stored.posts.get(&slug.post_id).is_some_and(|post| post.last_offset() >= end);
    verdict.compare("slug", &stored.slugs, &expected.slugs, of_a_newer_post, only);
    verdict
}
