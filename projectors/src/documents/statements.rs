//! The writes of a batch as MongoDB documents and update statements.
//!
//! Each statement filters by `_id` alone and guards the version inside its update pipeline: a guard in the filter of an upsert would
//! make an update that is not due look like a document that is not there, and the insert that follows would meet the
//! duplicate key and abort the transaction. A statement that is not due leaves the document as it is.

use mongodb::bson::{self, Bson, RawDocumentBuf, doc, rawdoc};
use read_model::{Checkpoint, Like, Person, PostEventDoc, Slug, stored};
use serde::Serialize;
use serde::ser::Error as _;

use crate::documents::change::{BeforeDelete, PostChange, PostPatch, PostWrite};
use crate::documents::response::{CommentChange, CommentWrite, CountWrite};
use crate::projection::Saved;

type Statement = Result<RawDocumentBuf, bson::ser::Error>;

/// A document that is new to its collection.
pub fn document(document: &impl Serialize) -> Statement {
    bson::to_raw_document_buf(document)
}

/// Only from where it is taken to be.
pub fn checkpoint(from: Saved, next: &Checkpoint) -> Statement {
    let next_offset = i64::try_from(from.position.next_offset).unwrap_or(i64::MAX);
    let before = rawdoc! { "_id": next.id.as_str(), "rev": from.revision, "nextOffset": next_offset };
    Ok(rawdoc! { "q": before, "u": bson::to_raw_document_buf(next)? })
}

/// Due while the document has none of the versions, or only the first of them.
pub fn post(write: &PostWrite) -> Statement {
    match &write.change {
        PostChange::Whole(post) => whole(&bson::to_raw_document_buf(post)?, write.version),
        PostChange::Part(patch) => part(write, patch),
    }
}

/// Due while the document has the version before.
pub fn comment(write: &CommentWrite) -> Statement {
    let mut set = bson::Document::new();
    let mut literal = |name: &str, value: Bson| set.insert(name, doc! { "$literal": value });
    match &write.change {
        CommentChange::Whole(comment) => return whole(&bson::to_raw_document_buf(comment)?, write.version),
        CommentChange::Edited { content, at } => {
            literal("content", content.markdown.as_str().into());
            literal("html", content.html.as_str().into());
            literal("updatedAt", stored::time(*at));
        }
        CommentChange::Deleted { at } => {
            literal("content", "".into());
            literal("html", "".into());
            literal("updatedAt", stored::time(*at));
            literal("deletedAt", stored::time(*at));
        }
    }
    literal("version", number(write.version).into());
    literal("partition", i64::from(write.partition).into());
    literal("offset", write.offset.into());
    let due = doc! { "$eq": ["$version", number(write.version) - 1] };
    statement(stored::id(write.id), merged_if(due, set), false)
}

/// Due while the document is not there or older.
pub fn like(like: &Like) -> Statement {
    whole(&bson::to_raw_document_buf(like)?, like.version)
}

/// Adds the steps that the post has not counted yet.
pub fn count(write: &CountWrite) -> Statement {
    let steps: Vec<_> = write
        .steps
        .iter()
        .map(|step| doc! { "at": step.offset, "likes": step.likes, "comments": step.comments })
        .collect();
    let counted_to = doc! { "$ifNull": ["$countedTo", -1_i64] };
    let due = doc! { "$filter": {
        "input": { "$literal": steps }, "as": "step", "cond": { "$gt": ["$$step.at", counted_to.clone()] },
    } };
    let sum = |field: &str| {
        let steps = doc! { "$map": { "input": due.clone(), "as": "step", "in": format!("$$step.{field}") } };
        doc! { "$add": [{ "$ifNull": [format!("${field}"), 0_i64] }, { "$sum": steps }] }
    };
    let set = doc! {
        "likes": sum("likes"),
        "comments": sum("comments"),
        "countedTo": { "$max": [counted_to, write.offset()] },
    };
    statement(stored::id(write.post_id), doc! { "$set": set }, false)
}

/// Due while the document is not there or older.
pub fn person(person: &Person) -> Statement {
    whole(&bson::to_raw_document_buf(person)?, person.version)
}

/// Of two posts that would have the same slug the one with the smaller id keeps it. Ids begin with the time of creation, so
/// that is the older post, whatever the order in which their partitions are read.
pub fn slug(slug: &Slug) -> Statement {
    let post_id = stored::id(slug.post_id);
    statement(slug.slug.as_str().into(), doc! { "$set": { "postId": { "$min": ["$postId", post_id] } } }, true)
}

/// An event never changes: it is due while it is not there.
pub fn event(event: &PostEventDoc) -> Statement {
    let mut fields = bson::to_document(event)?;
    fields.remove("_id");
    RawDocumentBuf::try_from(&doc! {
        "q": { "_id": event.id.as_str() },
        "u": { "$setOnInsert": fields },
        "upsert": true,
    })
    .map_err(bson::ser::Error::custom)
}

fn whole(document: &RawDocumentBuf, version: u64) -> Statement {
    let id = document
        .get("_id")
        .ok()
        .flatten()
        .ok_or_else(|| bson::ser::Error::custom("a document without an _id"))?
        .to_raw_bson();
    let version = number(version);
    // A literal, since titles and texts may begin with a dollar.
    Ok(rawdoc! {
        "q": { "_id": id },
        "u": [{ "$replaceWith": { "$cond": [
            { "$lt": [{ "$ifNull": ["$version", 0] }, version] },
            { "$literal": document.clone() },
            "$$ROOT",
        ] } }],
        "upsert": true,
    })
}

fn part(write: &PostWrite, patch: &PostPatch) -> Statement {
    let mut set = bson::Document::new();
    let mut literal = |name: &str, value: Bson| set.insert(name, doc! { "$literal": value });
    if let Some(kind) = patch.post_type {
        literal("type", kind.as_str().into());
    }
    if let Some(title) = &patch.title {
        literal("title", title.as_str().into());
    }
    if let Some(content) = &patch.content {
        literal("content", content.markdown.as_str().into());
        literal("html", content.html.as_str().into());
    }
    if let Some(excerpt) = &patch.excerpt {
        literal("excerpt", excerpt.as_deref().into());
    }
    if let Some(tags) = &patch.tags {
        literal("tags", tags.clone().into());
    }
    if let Some(category) = &patch.category {
        literal("category", category.as_deref().into());
    }
    if let Some(media) = &patch.media {
        let ids: Vec<Bson> = media.iter().map(|id| stored::id(*id)).collect();
        literal("media", ids.into());
    }
    if let Some(author) = patch.author_id {
        literal("authorId", stored::id(author));
    }
    if let Some(slug) = &patch.slug {
        literal("slug", slug.as_str().into());
    }
    if let Some(time) = patch.published_at {
        literal("publishedAt", stored::time(time));
    }
    literal("updatedAt", stored::time(patch.updated_at));
    literal("version", number(write.version).into());
    literal("partition", i64::from(write.partition).into());
    literal("offset", write.offset.into());
    if let Some(standing) = &patch.standing {
        literal("status", standing.status.as_str().into());
        literal("scheduledAt", standing.scheduled_at.map(stored::time).into());
        literal("deletedAt", standing.deleted_at.map(stored::time).into());
        match standing.before_delete {
            BeforeDelete::None => {
                literal("statusBeforeDelete", Bson::Null);
            }
            BeforeDelete::Was(status) => {
                literal("statusBeforeDelete", status.as_str().into());
            }
            BeforeDelete::AsStored => {
                set.insert("statusBeforeDelete", status_to_restore());
            }
        }
    }
    let due = doc! { "$and": [
        { "$gte": ["$version", number(write.first_version) - 1] },
        { "$lt": ["$version", number(write.version)] },
    ] };
    statement(stored::id(write.id), merged_if(due, set), false)
}

fn merged_if(due: bson::Document, set: bson::Document) -> bson::Document {
    doc! { "$replaceWith": { "$cond": [due, { "$mergeObjects": ["$$ROOT", set] }, "$$ROOT"] } }
}

/// [`crate::documents::change::status_to_restore`] of the stored status, for a document that may have the deletion already.
fn status_to_restore() -> bson::Document {
    doc! { "$switch": {
        "branches": [
            { "case": { "$eq": ["$status", "deleted"] }, "then": "$statusBeforeDelete" },
            { "case": { "$eq": ["$status", "scheduled"] }, "then": "draft" },
        ],
        "default": "$status",
    } }
}

fn statement(id: Bson, stage: bson::Document, upsert: bool) -> Statement {
    RawDocumentBuf::try_from(&doc! { "q": { "_id": id }, "u": [stage], "upsert": upsert })
        .map_err(bson::ser::Error::custom)
}

/// A version counts events of one aggregate: far below what a signed number holds.
fn number(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}
