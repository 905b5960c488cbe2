//! What is asked of a store whose progress is waited for.

use std::fmt::Debug;
use std::time::Duration;

use read_model::Checkpoint;
use service::problem::Problem;

/// A store that says how far the projection in it has come.
pub trait Checkpoints: Clone + Send + Sync + 'static {
    /// What a read has to be told, to see all that was visible when the checkpoints were read.
    type Moment: Moment;
    type Error: Clone + Debug + Into<Problem> + Send + Sync;

    /// Between two readings while somebody waits. A reading costs the store something that it then lacks for getting there.
    const PAUSE: Duration;

    /// Which version of the projection readers read.
    fn live(&self) -> impl Future<Output = Result<u32, Self::Error>> + Send;

    /// Which version a read of a moment reads: that of the moment, or the live one where nothing was waited for.
    fn version_at(&self, moment: &Self::Moment) -> impl Future<Output = Result<u32, Self::Error>> + Send {
        async move {
            match moment.version() {
                Some(version) => Ok(version),
                None => self.live().await,
            }
        }
    }

    /// Of the version that is live. What the checkpoints cover is visible to reads from the moment on.
    fn checkpoints(&self) -> impl Future<Output = Result<(Vec<Checkpoint>, Self::Moment), Self::Error>> + Send;

    /// There is no answer.
    fn timed_out() -> Self::Error;
}

/// A point in a store's time, of the version that was live then.
pub trait Moment: Clone + Debug + Default + Send + Sync {
    /// None where nothing was read yet.
    fn version(&self) -> Option<u32>;

    /// This moment, or the other one of the same version if that is later.
    fn or_later(self, other: &Self) -> Self;
}

/// Of a store in which what is written is seen at once.
impl Moment for Option<u32> {
    fn version(&self) -> Option<u32> {
        *self
    }

    fn or_later(self, _: &Self) -> Self {
        self
    }
}
