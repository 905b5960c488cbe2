//! Everything that the store holds of the projection, for comparing it with an independent fold.

use std::collections::{BTreeMap, BTreeSet};

use event_log::kafka::partition_for;
use futures::TryStreamExt;
use mongodb::Database;
use mongodb::bson::{Document, doc};
use mongodb::error::Error;
use read_model::{Comment, Like, Person, Post, PostEventDoc, Projection, Slug, stored};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::documents::fold::Documents;
use crate::verdict::some_at_a_time;

/// Reads all collections, whole, into memory.
pub async fn read_all(database: &Database, names: Projection) -> Result<Documents, Error> {
    let slugs = slugs(database, names, doc! {}).await?;
    let all = doc! {};
    Ok(Documents { slugs, ..read(database, names, &all, &all).await? })
}

/// Reads what there is of some keys, in whatever partition it says that it stands, into memory.
pub async fn read_keys(database: &Database, names: Projection, keys: &BTreeSet<Uuid>) -> Result<Documents, Error> {
    let mut all = Documents::default();
    for keys in some_at_a_time(keys) {
        let keys: Vec<_> = keys.into_iter().map(stored::id).collect();
        let (own, under) = (doc! { "_id": { "$in": &keys } }, doc! { "postId": { "$in": keys } });
        // As above, they come first. There is no index for it: the store looks at all of them and gives these.
        all.slugs.extend(slugs(database, names, under.clone()).await?);
        let Documents { posts, comments, likes, people, history, .. } = read(database, names, &own, &under).await?;
        all.posts.extend(posts);
        all.comments.extend(comments);
        all.likes.extend(likes);
        all.people.extend(people);
        all.history.extend(history);
    }
    Ok(all)
}

/// Reads what stands in one of so many partitions, into memory; of the slugs it needs all.
pub async fn read_partition(
    database: &Database,
    names: Projection,
    partition: u32,
    partitions: u32,
) -> Result<Documents, Error> {
    // A slug is where its post is, whether there is such a post or not. They come first: a post that is read after its slug has it.
    let mut slugs = slugs(database, names, doc! {}).await?;
    slugs.retain(|_, slug| partition_for(slug.post_id.to_string().as_bytes(), partitions) == partition);
    let of = doc! { "partition": i64::from(partition) };
    let documents = read(database, names, &of, &of).await?;
    Ok(Documents { slugs, ..documents })
}

async fn slugs(database: &Database, names: Projection, of: Document) -> Result<BTreeMap<String, Slug>, Error> {
    collect(database, &names.slugs(), &of, |slug: &Slug| slug.slug.clone()).await
}

/// All but the slugs, which name no partition: posts and people, and what is under posts.
async fn read(database: &Database, names: Projection, own: &Document, under: &Document) -> Result<Documents, Error> {
    Ok(Documents {
        posts: collect(database, &names.posts(), own, |post: &Post| post.id).await?,
        comments: collect(database, &names.comments(), under, |comment: &Comment| comment.id).await?,
        likes: collect(database, &names.likes(), under, |like: &Like| like.id).await?,
        people: collect(database, &names.people(), own, |person: &Person| person.id).await?,
        slugs: BTreeMap::new(),
        history: collect(database, &names.post_events(), under, |event: &PostEventDoc| event.id.clone()).await?,
    })
}

async fn collect<K: Ord, V: DeserializeOwned + Send + Sync>(
    database: &Database,
    collection: &str,
    of: &Document,
    key: impl Fn(&V) -> K,
) -> Result<BTreeMap<K, V>, Error> {
    let documents: Vec<V> = database.collection(collection).find(of.clone()).await?.try_collect().await?;
    Ok(documents.into_iter().map(|document| (key(&document), document)).collect())
}
