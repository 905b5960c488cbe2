//! Everything that the store holds of the projection, for comparing it with an independent fold.

use std::collections::BTreeMap;

use event_log::kafka::partition_for;
use futures::TryStreamExt;
use mongodb::Database;
use mongodb::bson::{Document, doc};
use mongodb::error::Error;
use read_model::{Comment, Like, Person, Post, PostEventDoc, Projection, Slug};
use serde::de::DeserializeOwned;

use crate::documents::fold::Documents;

/// Reads all collections, whole, into memory.
pub async fn read_all(database: &Database, names: Projection) -> Result<Documents, Error> {
    let slugs = slugs(database, names).await?;
    Ok(Documents { slugs, ..read(database, names, doc! {}).await? })
}

/// Reads what stands in one of so many partitions, into memory; of the slugs it needs all.
pub async fn read_partition(
    database: &Database,
    names: Projection,
    partition: u32,
    partitions: u32,
) -> Result<Documents, Error> {
    // A slug is where its post is, whether there is such a post or not. They come first: a post that is read after its slug has it.
    let mut slugs = slugs(database, names).await?;
    slugs.retain(|_, slug| partition_for(slug.post_id.to_string().as_bytes(), partitions) == partition);
    let documents = read(database, names, doc! { "partition": i64::from(partition) }).await?;
    Ok(Documents { slugs, ..documents })
}

async fn slugs(database: &Database, names: Projection) -> Result<BTreeMap<String, Slug>, Error> {
    collect(database, &names.slugs(), doc! {}, |slug: &Slug| slug.slug.clone()).await
}

/// All but the slugs, which name no partition.
async fn read(database: &Database, names: Projection, of: Document) -> Result<Documents, Error> {
    Ok(Documents {
        posts: collect(database, &names.posts(), of.clone(), |post: &Post| post.id).await?,
        comments: collect(database, &names.comments(), of.clone(), |comment: &Comment| comment.id).await?,
        likes: collect(database, &names.likes(), of.clone(), |like: &Like| like.id).await?,
        people: collect(database, &names.people(), of.clone(), |person: &Person| person.id).await?,
        slugs: BTreeMap::new(),
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
