//! Everything that the store holds of the projection, for comparing it with an independent fold.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use mongodb::Database;
use mongodb::bson::{Document, doc};
use mongodb::error::Error;
use read_model::{Comment, Like, Person, Post, PostEventDoc, Projection, Slug};
use serde::de::DeserializeOwned;

use crate::documents::fold::Documents;

/// Reads all collections, whole, into memory.
pub async fn read_all(database: &Database, names: Projection) -> Result<Documents, Error> {
    read(database, names, doc! {}).await
}

/// Reads what stands in one partition, into memory.
pub async fn read_partition(database: &Database, names: Projection, partition: u32) -> Result<Documents, Error> {
    let mut documents = read(database, names, doc! { "partition": i64::from(partition) }).await?;
    // A slug is where its post is.
    documents.slugs = collect(database, &names.slugs(), doc! {}, |slug: &Slug| slug.slug.clone()).await?;
    documents.slugs.retain(|_, slug| documents.posts.contains_key(&slug.post_id));
    Ok(documents)
}

async fn read(database: &Database, names: Projection, of: Document) -> Result<Documents, Error> {
    Ok(Documents {
        posts: collect(database, &names.posts(), of.clone(), |post: &Post| post.id).await?,
        comments: collect(database, &names.comments(), of.clone(), |comment: &Comment| comment.id).await?,
        likes: collect(database, &names.likes(), of.clone(), |like: &Like| like.id).await?,
        people: collect(database, &names.people(), of.clone(), |person: &Person| person.id).await?,
        slugs: collect(database, &names.slugs(), of.clone(), |slug: &Slug| slug.slug.clone()).await?,
        history: collect(database, &names.post_events(), of, |event: &PostEventDoc| event.id.clone()).await?,
    })
}

async fn collect<K: Ord, V: DeserializeOwned + Send + Sync>(
    database: &Database,
    collection: &str,
    of: Document,
    key: impl Fn(&V) -> K,
) -> Result<BTreeMap<K, V>, Error> {
    let documents: Vec<V> = database.collection(collection).find(of).await?.try_collect().await?;
    Ok(documents.into_iter().map(|document| (key(&document), document)).collect())
}
