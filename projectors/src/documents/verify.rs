//! What the collections hold of a partition, beside what its events lead to.

use crate::documents::fold::{Documents, compare};
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
        let mut verdict = Verdict::default();
        compare(&mut verdict, &stored, expected, i64::try_from(end).unwrap_or(i64::MAX), only);
        Ok(verdict)
    }
}
