//! Everything that the store holds of the projection, for comparing it with an independent fold.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use mongodb::Database;
use mongodb::bson::doc;
use mongodb::error::Error;
use read_model::{Comment, Like, Person, Post, PostEventDoc, Projection, Slug};
use serde::de::DeserializeOwned;

use crate::documents::fold::Documents;

/// Reads all collections, whole, into memory.
pub async fn read_all(database: &Database, names: Projection) -> Result<Documents, Error> {
    Ok(Documents {
        posts: collect(database, &names.posts(), |post: &Post| post.id).await?,
        comments: collect(database, &names.comments(), |comment: &Comment| comment.id).await?,
        likes: collect(database, &names.likes(), |like: &Like| like.id).await?,
        people: collect(database, &names.people(), |person: &Person| person.id).await?,
        slugs: collect(database, &names.slugs(), |slug: &Slug| slug.slug.clone()).await?,
        history: collect(database, &names.post_events(), |event: &PostEventDoc| event.id.clone()).await?,
    })
}

async fn collect<K: Ord, V: DeserializeOwned + Send + Sync>(
    database: &Database,
    collection: &str,
    key: impl Fn(&V) -> K,
) -> Result<BTreeMap<K, V>, Error> {
    let documents: Vec<V> = database.collection(collection).find(doc! {}).await?.try_collect().await?;
    Ok(documents.into_iter().map(|document| (key(&document), document)).collect())
}
