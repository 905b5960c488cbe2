//! What the collections hold of a partition, beside what its events lead to.

use crate::documents::fold::{Documents, compare};
use crate::documents::read::{read_keys, read_partition};
use crate::documents::write::{Store, unavailable};
use crate::projection::StoreFailure;
use crate::verdict::{Keys, Only, Verdict};

impl Store {
    /// Reads one of so many partitions, whole or what there is of some keys of it, and compares it with what its events before `end` lead to,
    /// which the store must have come to.
    ///
    /// # Errors
    /// [`StoreFailure::Unavailable`].
    pub async fn verify(
        &self,
        (partition, partitions): (u32, u32),
        keys: Keys<'_>,
        expected: &Documents,
        end: u64,
        only: Only<'_>,
    ) -> Result<Verdict, StoreFailure> {
        let stored = match keys {
            None => read_partition(&self.database, self.names, partition, partitions).await,
            Some(keys) => read_keys(&self.database, self.names, keys).await,
        };
        let stored = stored.map_err(|error| unavailable(&error))?;
        let mut verdict = Verdict::default();
        compare(&mut verdict, &stored, expected, i64::try_from(end).unwrap_or(i64::MAX), only);
        Ok(verdict)
    }
}
