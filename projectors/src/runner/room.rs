//! How much the partitions of a projection have on its way to the store at a time.
//!
//! Small batches go beside each other, as many as there are partitions. Large ones, which come when there is much to catch up with, wait for
//! one another, where the store has little room: a dozen transactions of 16 MiB each do not fit into the cache of a small MongoDB, which then rolls them back for one
//! another (as write conflicts, though no two write the same) and gets nowhere.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::runner::patience::End;

/// How often who waits for room looks whether the partition was revoked.
const GLANCE: Duration = Duration::from_millis(200);

#[derive(Clone, Debug)]
pub struct Room {
    kib: u32,
    free: Arc<Semaphore>,
}

impl Room {
    /// For so many bytes.
    pub fn new(bytes: usize) -> Self {
        let kib = u32::try_from(bytes / 1024).unwrap_or(u32::MAX).max(1);
        Self { kib, free: Arc::new(Semaphore::new(kib as usize)) }
    }

    /// Waits until there is room for so many bytes, or all of it for more, in the order of those who ask. It is given back when what this answers is dropped.
    ///
    /// # Errors
    /// When the partition is revoked before.
    pub async fn take(&self, bytes: u64, is_revoked: impl Fn() -> bool) -> Result<OwnedSemaphorePermit, End> {
        let kib = u32::try_from(bytes / 1024).unwrap_or(self.kib).clamp(1, self.kib);
        let room = self.free.clone().acquire_many_owned(kib);
        tokio::pin!(room);
        loop {
            tokio::select! {
                // It is never closed.
                room = &mut room => return room.map_err(|_| End::Revoked),
                () = tokio::time::sleep(GLANCE) => if is_revoked() {
                    return Err(End::Revoked);
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    const MIB: u64 = 1024 * 1024;

    #[tokio::test]
    async fn small_batches_go_beside_each_other_and_a_large_one_waits_for_them() {
        let room = Room::new(16 << 20);
        let take = |bytes| room.take(bytes, || false);
        let small = [take(10).await.unwrap(), take(MIB).await.unwrap(), take(0).await.unwrap()];
        let mut large = Box::pin(take(100 * MIB));
        assert!(large.as_mut().now_or_never().is_none());
        // Nobody overtakes it.
        let mut later = Box::pin(take(1));
        assert!(later.as_mut().now_or_never().is_none());
        drop(small);
        let large = large.await.unwrap();
        assert!(later.as_mut().now_or_never().is_none());
        drop(large);
        drop(later.await.unwrap());
    }

    #[tokio::test]
    async fn who_waits_for_room_stops_when_the_partition_is_revoked() {
        let room = Room::new(16 << 20);
        let _all = room.take(100 * MIB, || false).await.unwrap();
        assert_eq!(room.take(1, || true).await.err(), Some(End::Revoked));
    }
}
