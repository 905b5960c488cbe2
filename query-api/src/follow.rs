//! Following what changes in MongoDB: posts that are kept in memory are dropped when they change, and whoever waits for a position hears of it
//! from the store itself, sooner than from a reading.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use service::problem::chain;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::posts::by_id::cache::PostCache;
use crate::progress::Progress;
use crate::store::{Changes, Followed, Store, StoreError, Told};

/// Tells what it hears to those who need it. Cheap to clone.
#[derive(Clone)]
pub struct Follower {
    pub store: Store,
    pub posts: PostCache,
    pub progress: Progress<Store>,
}

/// How often it is looked whether another version is live.
const GLANCE: Duration = Duration::from_secs(1);
/// After a failure.
const PAUSE: Duration = Duration::from_secs(1);
/// Between an answer of the store and the next question, while nobody waits for a position. Each question costs the store as much as a small
/// write, and there is something new to tell with every one.
const REST: Duration = Duration::from_millis(10);

impl Follower {
    /// Follows what changes, until cancelled.
    pub async fn keep_following(self, cancel: CancellationToken) {
        let forever = async {
            let mut is_known = false;
            loop {
                let ended = match self.store.changes().await {
                    Ok(followed) => {
                        is_known = false;
                        self.follow(followed).await
                    }
                    Err(error) => Err(error),
                };
                self.progress.set_told(false);
                self.posts.end();
                if let Err(error) = ended
                    && !std::mem::replace(&mut is_known, true)
                {
                    tracing::warn!(
                        error = chain(&error),
                        "posts are not kept in memory until their changes can be followed again"
                    );
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        cancel.run_until_cancelled(forever).await;
    }

    async fn follow(&self, Followed { mut changes, moment, names }: Followed) -> Result<(), StoreError> {
        self.posts.begin(names, moment);
        self.progress.set_told(true);
        let mut glanced = Instant::now();
        loop {
            let (told, was_asked) = next(&mut changes).await;
            match told? {
                Told::Change(change) => self.posts.changed(&change),
                Told::Checkpoint(checkpoint, time) => {
                    self.progress.tell(names.version, checkpoint, |moment| moment.advance(time));
                }
                Told::Nothing => {}
                Told::End => return Ok(()),
            }
            if glanced.elapsed() >= GLANCE {
                if self.store.names().await? != names {
                    return Ok(());
                }
                glanced = Instant::now();
            }
            if was_asked {
                let _ = timeout(REST, self.progress.awaited()).await;
            }
        }
    }
}

/// What comes next, and whether the store was asked for it: it tells several things in one answer.
async fn next(changes: &mut Changes) -> (Result<Told, StoreError>, bool) {
    let mut was_asked = false;
    let mut next = pin!(changes.next());
    let told = poll_fn(|context| {
        let told = next.as_mut().poll(context);
        was_asked |= told.is_pending();
        told
    });
    (told.await, was_asked)
}
