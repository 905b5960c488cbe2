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
    /// # Errors
    /// [`StoreFailure::Superseded`] if what is stored shows a later event, or was written meanwhile; [`StoreFailure::Unavailable`] if somebody has
    /// deleted it, which Elasticsearch forgets after a minute: either way it is to be tried again, with all events that there are then; else
    /// [`StoreFailure::Halt`].
    pub async fn repair(&self, id: Uuid, post: Option<&Post>) -> Result<(), StoreFailure> {
        let path = self.path(id);
        let Some(post) = post.map(expected) else {
            return Ok(self.elasticsearch.delete_if_there(&path).await?);
        };
        if self.put(&path, &post, post.offset + 1).await? {
            return Ok(());
        }
        let Some(found) = self.elasticsearch.get(&path).await? else {
            return Err(StoreFailure::Unavailable(
                "Elasticsearch has not yet forgotten that it was deleted".to_owned(),
            ));
        };
        let version = found["_version"].as_u64().filter(|_| !is_newer(&found["_source"], &post));
        // Under the version that somebody else's writing has led to: whoever projects looks at what keeps him out.
        match version {
            Some(version) if self.put(&path, &post, version).await? => Ok(()),
            _ => Err(StoreFailure::Superseded),
        }
    }

    /// Whether what is stored of a post is what its events lead to.
    ///
    /// # Errors
    /// [`StoreFailure::Unavailable`].
    pub async fn is_right(&self, id: Uuid, post: Option<&Post>) -> Result<bool, StoreFailure> {
        let found = self.elasticsearch.get(&self.path(id)).await?;
        let stored = found.map(|found| SearchPost::deserialize(&found["_source"]).ok());
        Ok(stored == post.map(|post| Some(expected(post))))
    }

    fn path(&self, id: Uuid) -> String {
        format!("{}/_doc/{id}", self.names.posts())
    }

    /// False if there is a higher version.
    async fn put(&self, path: &str, post: &SearchPost, version: u64) -> Result<bool, StoreFailure> {
        let body = serde_json::to_value(post)
            .map_err(|error| StoreFailure::Halt(format!("post {} cannot be stored: {error}", post.id)))?;
        match self.elasticsearch.put(&format!("{path}?version={version}&version_type=external_gte"), &body).await {
            Ok(_) => Ok(true),
            Err(ElasticsearchError::Refused { status: CONFLICT, .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether it shows an event after those that the post was folded of.
fn is_newer(stored: &Value, post: &SearchPost) -> bool {
    SearchPost::deserialize(stored).is_ok_and(|stored| stored.offset > post.offset)
}
