//! What happens to posts, as the projection comes to know of it.
//!
//! It is read from MongoDB's change stream over what the projection inserts, and only while somebody listens: query-api knows no Kafka,
//! and shows nothing that it would not serve. A client that comes later, or is cut off, has missed what happened meanwhile.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use mongodb::bson::doc;
use read_model::{Comment, Like, Post, PostEventDoc, PostStatus, stored};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::broadcast;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::posts::list::query::without_texts;
use crate::store::{Moment, Store, StoreError};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Happening {
    /// The type of the event, such as `groot.post.PostPublished`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The post that it is about.
    pub aggregate_id: Uuid,
    pub time: DateTime<Utc>,
    /// Of the post, if it is published: drafts are nobody's business.
    pub title: Option<String>,
}

/// How long nobody may listen before the stream is let go.
const LINGER: Duration = Duration::from_secs(10);
/// How often it is looked whether anybody listens, and whether another version is live.
const GLANCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_secs(1);

/// Follows the store while somebody listens, until cancelled.
pub async fn keep_following(store: Store, told: broadcast::Sender<Arc<Happening>>, cancel: CancellationToken) {
    let forever = async {
        loop {
            if told.receiver_count() > 0
                && let Err(error) = follow(&store, &told).await
            {
                tracing::warn!(error = %error, "what happens cannot be followed just now");
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    cancel.run_until_cancelled(forever).await;
}

async fn follow(store: &Store, told: &broadcast::Sender<Arc<Happening>>) -> Result<(), StoreError> {
    let names = store.names().await?;
    let (events, comments, likes) = (names.post_events(), names.comments(), names.likes());
    let mut changes = store.inserts([events.as_str(), comments.as_str(), likes.as_str()]).await?;
    let mut quiet_since = Instant::now();
    loop {
        let next = match tokio::time::timeout(GLANCE, changes.next_insert()).await {
            Ok(next) => {
                quiet_since = Instant::now();
                next?
            }
            Err(_) if told.receiver_count() == 0 && quiet_since.elapsed() >= LINGER => return Ok(()),
            // What happens is told of the version that readers read.
            Err(_) if store.names().await? != names => return Ok(()),
            Err(_) => continue,
        };
        let Some((collection, document)) = next else { continue };
        let happening = if collection == events {
            read(document).map(|event: PostEventDoc| of_post(event.event_type, event.post_id, event.time))
        } else if collection == comments {
            read(document).map(|comment: Comment| {
                of_post("groot.comment.CommentAdded".into(), comment.post_id, comment.created_at)
            })
        } else {
            read(document).map(|like: Like| of_post("groot.like.PostLiked".into(), like.post_id, like.since))
        };
        if let Some(mut happening) = happening {
            happening.title = title(store, happening.aggregate_id).await?;
            // That nobody listens any more is no failure.
            let _ = told.send(Arc::new(happening));
        }
    }
}

fn of_post(event_type: String, aggregate_id: Uuid, time: DateTime<Utc>) -> Happening {
    Happening { event_type, aggregate_id, time, title: None }
}

fn read<T: DeserializeOwned>(document: mongodb::bson::Document) -> Option<T> {
    mongodb::bson::from_document(document).ok()
}

async fn title(store: &Store, post: Uuid) -> Result<Option<String>, StoreError> {
    let mut session = store.session(&Moment::default()).await?;
    let published = doc! { "_id": stored::id(post), "status": PostStatus::Published.as_str() };
    let found: Vec<Post> = session.find(&session.names().posts(), published, without_texts()).await?;
    Ok(found.into_iter().next().map(|post| post.title))
}
