//! The indexes that the lists and the history need.

use futures::future::try_join_all;
use mongodb::{
    Database, IndexModel,
    bson::{Document, doc},
    error::Error,
    options::IndexOptions,
};

use crate::Projection;

/// Creates what is missing of the collections' indexes and changes nothing else. May run at every start and by several
/// processes at once.
pub async fn ensure_indexes(database: &Database, projection: Projection) -> Result<(), Error> {
    try_join_all([
        create(database, projection.posts(), of_posts()),
        create(database, projection.post_events(), of_post_events()),
        create(database, projection.comments(), of_comments()),
        create(database, projection.likes(), Vec::new()),
        create(database, projection.people(), Vec::new()),
        create(database, projection.slugs(), Vec::new()),
        create(database, projection.dead_letters(), of_dead_letters()),
        create(database, projection.checkpoints().to_owned(), Vec::new()),
    ])
    .await?;
    Ok(())
}

/// Lists always name the status, so it comes first, then the sort key and the id that breaks ties: a page is a walk
/// along the index in either direction, and a cursor a seek into it. Type and author stand behind so that those filters
/// are decided in the index.
///
/// Author and tag have an index of their own for the default sort only. For another sort MongoDB chooses between two
/// cheap plans: a rare value's few posts are sorted in memory, a frequent value is met soon on the walk along the sort.
/// Each further index would slow every write down.
fn of_posts() -> Vec<IndexModel> {
    vec![
        index("by_published", doc! { "status": 1, "publishedAt": -1, "_id": -1, "type": 1, "authorId": 1 }),
        index("by_created", doc! { "status": 1, "createdAt": -1, "_id": -1, "type": 1, "authorId": 1 }),
        index("by_updated", doc! { "status": 1, "updatedAt": -1, "_id": -1, "type": 1, "authorId": 1 }),
        index("by_title", doc! { "status": 1, "title": 1, "_id": 1, "type": 1, "authorId": 1 }),
        index("by_author", doc! { "authorId": 1, "status": 1, "publishedAt": -1, "_id": -1, "type": 1 }),
        index("by_tag", doc! { "tags": 1, "status": 1, "publishedAt": -1, "_id": -1, "type": 1 }),
    ]
}

/// The keys are texts, in which version 10 comes before version 2: the walk through a history needs numbers.
fn of_post_events() -> Vec<IndexModel> {
    vec![index("by_post", doc! { "postId": 1, "version": 1 })]
}

/// A post's comments in the order of their creation, without the deleted ones: a page or a cursor is a walk along it in
/// either direction.
fn of_comments() -> Vec<IndexModel> {
    vec![index("by_post", doc! { "postId": 1, "deletedAt": 1, "createdAt": 1, "_id": 1 })]
}

/// The letters of a key are read in their order, the first of each key tells how it stands, and orders are looked for each second.
fn of_dead_letters() -> Vec<IndexModel> {
    vec![
        index("by_key", doc! { "partition": 1, "key": 1, "offset": 1 }),
        index("by_standing", doc! { "partition": 1, "standing": 1, "offset": 1 }),
    ]
}

fn index(name: &str, keys: Document) -> IndexModel {
    IndexModel::builder().keys(keys).options(IndexOptions::builder().name(name.to_owned()).build()).build()
}

/// A transaction should find its collections there, so one without indexes is created here too.
async fn create(database: &Database, collection: String, indexes: Vec<IndexModel>) -> Result<(), Error> {
    const NAMESPACE_EXISTS: i32 = 48;
    match database.create_collection(&collection).await {
        Err(error) if code(&error) != Some(NAMESPACE_EXISTS) => return Err(error),
        _ => {}
    }
    if !indexes.is_empty() {
        database.collection::<Document>(&collection).create_indexes(indexes).await?;
    }
    Ok(())
}

fn code(error: &Error) -> Option<i32> {
    match error.kind.as_ref() {
        mongodb::error::ErrorKind::Command(command) => Some(command.code),
        _ => None,
    }
}
