//! A store that may hold a projection in several versions, one of which readers read.

use std::future::Future;

use read_model::{Projection as Names, Versions};

use crate::projection::{Projection, StoreFailure};

/// The versions of one projection in one store. Cheap to clone.
pub trait Catalog: Clone + Send + Sync + 'static {
    type Projection: Projection;

    /// The projection in its first version.
    const FIRST: Names;

    /// Which versions there are.
    fn versions(&self) -> impl Future<Output = Result<Versions, StoreFailure>> + Send;

    /// Puts these in the place of the revision before them. False if that is not there any more: somebody else was faster.
    fn replace(&self, versions: &Versions) -> impl Future<Output = Result<bool, StoreFailure>> + Send;

    /// Creates what a version lacks to be written. May run at any time, also by several processes at once.
    fn prepare(&self, version: u32) -> impl Future<Output = Result<(), StoreFailure>> + Send;

    /// Removes all that there is of a version, its positions too. Nobody may be writing it.
    fn remove(&self, version: u32) -> impl Future<Output = Result<(), StoreFailure>> + Send;

    /// The projection into one version, of the log with this id.
    fn projection(&self, version: u32, log_id: u64) -> Self::Projection;
}
