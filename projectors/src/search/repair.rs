//! Putting right what is stored of one post.

use read_model::Post;
use read_model::search::{ElasticsearchError, SearchPost};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::projection::StoreFailure;
use crate::search::fold::expected;
use crate::search::write::{CONFLICT, Store};

impl Store {
    /// Puts what the events of a post lead to in the place of what is stored of it, unless that is newer.
    ///
    /// What somebody else than the projection has written has a version that no event gave, and so has for a minute what somebody has
    /// deleted. That is deleted, and the post can be written when Elasticsearch has forgotten it.
    ///
    /// # Errors
    /// [`StoreFailure::Superseded`] if what is stored shows a later event, [`StoreFailure::Unavailable`] if it is not to be written yet: either
    /// way it is to be tried again, with all events that there are then; else [`StoreFailure::Halt`].
    pub async fn repair(&self, id: Uuid, post: Option<&Post>) -> Result<(), StoreFailure> {
        let path = format!("{}/_doc/{id}", self.names.posts());
        let Some(post) = post.map(expected) else {
            return Ok(self.elasticsearch.delete_if_there(&path).await?);
        };
        let body = serde_json::to_value(&post)
            .map_err(|error| StoreFailure::Halt(format!("post {id} cannot be stored: {error}")))?;
        let version = post.offset + 1;
        match self.elasticsearch.put(&format!("{path}?version={version}&version_type=external_gte"), &body).await {
            Ok(_) => Ok(()),
            Err(ElasticsearchError::Refused { status: CONFLICT, .. }) => {
                let stored = self.elasticsearch.get(&path).await?.map(|mut found| found["_source"].take());
                match stored {
                    Some(stored) if is_newer(&stored, &post) => return Err(StoreFailure::Superseded),
                    Some(_) => self.elasticsearch.delete_if_there(&path).await?,
                    // Deleting it again would have to be forgotten anew.
                    None => {}
                }
                Err(StoreFailure::Unavailable(
                    "Elasticsearch has not yet forgotten what was written by somebody else".to_owned(),
                ))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether it shows an event after those that the post was folded of.
fn is_newer(stored: &Value, post: &SearchPost) -> bool {
    SearchPost::deserialize(stored).is_ok_and(|stored| stored.offset > post.offset)
}
