//! The IO of the projection: documents first, the checkpoint after them, those of several partitions in the same requests.
//!
//! A crash in between leaves documents that are ahead of the checkpoint. Their events come again, and each document says which of
//! them it has. Of two projectors that believe they own the same partition the checkpoint lets one go on, and what the other one has
//! written meanwhile is refused or right: a document's version in Elasticsearch is the offset of its last event plus one, and what
//! it holds at that offset is the same whoever folds it. What somebody else has written raises that version by one each time; so a document
//! that is refused is looked at, and written over whatever does not have its last event.

use std::collections::HashMap;
use std::time::Duration;

use event_log::position::Position;
use read_model::search::connection::is_passing;
use read_model::search::{Elasticsearch, ElasticsearchError, SearchNames, SearchPost};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::projection::{Changes, Refused, Saved, StoreFailure};
use crate::runner::meters;
use crate::search::batch::{Batch, PostEvents};
use crate::search::dead_letters::DeadLetters;
use crate::search::fold::fold;
use crate::together::{Together, Write};

/// A write that has not ended after this long counts as failed.
const WRITE_LIMIT: Duration = Duration::from_secs(120);
/// Large groups of writes at a time: while one is folded here another is indexed there.
const AT_ONCE: u32 = 2;
/// Posts that are read, folded and written at once.
const POSTS: usize = 500;
/// Bytes of documents in one request.
const REQUEST_BYTES: usize = 8 << 20;
/// How often what the store had no time for is sent again before the batch counts as failed; pauses between: this, doubled
/// each time.
const TRIES: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Where documents are sent to. Of the answer what is looked at: all of it is as long as the ids of all documents.
const BULK: &str = "_bulk?filter_path=items.*.status,items.*.error";
pub(super) const CONFLICT: u16 = 409;
const BAD_DOCUMENT: u16 = 400;
const FORBIDDEN: u16 = 403;

/// The indexes of one log. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) elasticsearch: Elasticsearch,
    pub(super) names: SearchNames,
    pub(super) log_id: u64,
    dead_letters: DeadLetters,
    writes: Together<Batch>,
}

/// A document that is to be written.
struct Written {
    id: Uuid,
    /// The first event that it has and the stored one has not.
    first_offset: u64,
    /// Its last event.
    offset: u64,
    /// Elasticsearch takes it if what it has is of an earlier one.
    version: u64,
    body: String,
}

impl Written {
    fn lines(&self, index: &str) -> String {
        let Self { id, version, body, .. } = self;
        let action = json!({ "index": { "_index": index, "_id": id, "version": version, "version_type": "external" } });
        format!("{action}\n{body}\n")
    }
}

impl From<ElasticsearchError> for StoreFailure {
    fn from(error: ElasticsearchError) -> Self {
        match error {
            ElasticsearchError::Unavailable(_) => Self::Unavailable(error.to_string()),
            ElasticsearchError::Refused { ref kind, .. } if kind == "index_not_found_exception" => {
                Self::Lost(error.to_string())
            }
            ElasticsearchError::Address(_) | ElasticsearchError::Refused { .. } => Self::Halt(error.to_string()),
        }
    }
}

impl Store {
    /// The indexes must be there: see [`read_model::search::ensure`].
    pub fn new(elasticsearch: Elasticsearch, names: SearchNames, log_id: u64) -> Self {
        let dead_letters = DeadLetters::new(elasticsearch.clone(), names.dead_letters());
        Self { elasticsearch, names, log_id, dead_letters, writes: Together::new(AT_ONCE) }
    }

    pub fn dead_letters(&self) -> &DeadLetters {
        &self.dead_letters
    }

    /// Writes documents and dead letters, then moves the checkpoint from `from` to `to`. A task of its own does it.
    ///
    /// # Errors
    /// [`StoreFailure::Superseded`] if the checkpoint is no longer at `from`; [`StoreFailure::Refused`] for documents that the index does
    /// not take; [`StoreFailure::Halt`] if a document lacks the events before the batch; else [`StoreFailure::Unavailable`].
    pub async fn write(
        &self,
        partition: u32,
        changes: Changes<Batch>,
        from: Saved,
        to: Position,
    ) -> Result<Saved, StoreFailure> {
        let (store, write) = (self.clone(), Write { partition, changes, from, to });
        let all = move |writes: Vec<Write<Batch>>| {
            let store = store.clone();
            async move { store.write_all(&writes).await }
        };
        self.writes.write("Elasticsearch", WRITE_LIMIT, write, all).await
    }

    /// Waits until no write runs any more.
    pub async fn settled(&self) {
        self.writes.detached().settled().await;
    }

    async fn write_all(&self, writes: &[Write<Batch>]) -> Result<(), StoreFailure> {
        meters::together(self.names.projection(), writes.len());
        // Whoever was superseded learns of it before it has written anything.
        let begun = self.begin(writes).await?;
        self.write_posts(writes.iter().flat_map(|write| &write.changes.batch.posts)).await?;
        for Write { partition, changes, .. } in writes {
            self.dead_letters.change(*partition, changes.cleared.as_ref(), &changes.letters).await?;
        }
        self.finish(writes, &begun).await
    }

    /// What documents are at the moment, whether searches see them yet or not, in the order asked for. Those that are not there have no
    /// `_source`.
    pub(super) async fn many(&self, index: &str, ids: &Value) -> Result<Vec<Value>, StoreFailure> {
        let mut answer = self.elasticsearch.post(&format!("{index}/_mget"), ids).await?;
        let found = answer["docs"].as_array_mut().map(std::mem::take).unwrap_or_default();
        match found.iter().find_map(|document| document.get("error")) {
            Some(error) => {
                Err(StoreFailure::Unavailable(format!("Elasticsearch: a document of {index} cannot be read: {error}")))
            }
            None => Ok(found),
        }
    }

    /// Writes posts, and nothing else.
    pub async fn write_posts<'a>(&self, posts: impl IntoIterator<Item = &'a PostEvents>) -> Result<(), StoreFailure> {
        let posts: Vec<&PostEvents> = posts.into_iter().collect();
        let mut refused = Vec::new();
        for posts in posts.chunks(POSTS) {
            let mut stored = self.stored(posts).await?;
            let mut request = Vec::new();
            let mut bytes = 0;
            for post in posts {
                let Some(document) = self.document(stored.remove(&post.id), post)? else { continue };
                bytes += document.body.len();
                request.push(document);
                if bytes >= REQUEST_BYTES {
                    refused.extend(self.send(std::mem::take(&mut request)).await?);
                    bytes = 0;
                }
            }
            refused.extend(self.send(request).await?);
        }
        if refused.is_empty() { Ok(()) } else { Err(StoreFailure::Refused(refused)) }
    }

    /// Those of the posts that were there before the batch.
    async fn stored(&self, posts: &[&PostEvents]) -> Result<HashMap<Uuid, SearchPost>, StoreFailure> {
        let is_older = |post: &&&PostEvents| post.events.first().is_some_and(|first| first.version > 1);
        let ids: Vec<Uuid> = posts.iter().filter(is_older).map(|post| post.id).collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let mut stored = HashMap::with_capacity(ids.len());
        for mut document in self.many(&self.names.posts(), &json!({ "ids": ids })).await? {
            if document["found"] == true {
                let post: SearchPost = serde_json::from_value(document["_source"].take()).map_err(|error| {
                    StoreFailure::Halt(format!(
                        "post {} cannot be read, rebuild the projection: {error}",
                        document["_id"]
                    ))
                })?;
                stored.insert(post.id, post);
            }
        }
        Ok(stored)
    }

    /// What is to be written of a post, if anything.
    fn document(&self, stored: Option<SearchPost>, post: &PostEvents) -> Result<Option<Written>, StoreFailure> {
        let before = stored.as_ref().map_or(0, |stored| stored.version);
        let folded =
            fold(stored, post).map_err(|error| StoreFailure::Halt(format!("{error}; rebuild the projection")))?;
        let Some(folded) = folded else { return Ok(None) };
        let first = post.events.iter().find(|event| event.version > before);
        let body = serde_json::to_string(&folded)
            .map_err(|error| StoreFailure::Halt(format!("post {} cannot be stored: {error}", folded.id)))?;
        Ok(Some(Written {
            id: folded.id,
            first_offset: first.map_or(folded.offset, |first| first.offset),
            offset: folded.offset,
            version: folded.offset + 1,
            body,
        }))
    }

    /// Sends documents, and again what there was no time for and what somebody else's writing kept out. Gives those that the index does not take.
    async fn send(&self, mut documents: Vec<Written>) -> Result<Vec<Refused>, StoreFailure> {
        let mut refused = Vec::new();
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            if documents.is_empty() {
                break;
            }
            let index = self.names.posts();
            let lines: String = documents.iter().map(|document| document.lines(&index)).collect();
            let answer = self.elasticsearch.lines(BULK, lines.into()).await?;
            let items = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
            if items.len() != documents.len() {
                return Err(StoreFailure::Unavailable("Elasticsearch has not answered for every document".to_owned()));
            }
            let mut busy = Vec::new();
            let mut why_busy = String::new();
            let mut kept_out = Vec::new();
            for (document, item) in documents.into_iter().zip(items) {
                match verdict(&item["index"]) {
                    Verdict::Stored => {}
                    Verdict::Newer => kept_out.push(document),
                    Verdict::Busy(why) => {
                        why_busy = why;
                        busy.push(document);
                    }
                    Verdict::Refused(why) => refused.push(Refused { offset: document.first_offset, why }),
                    Verdict::Wrong(why) => return Err(StoreFailure::Halt(why)),
                }
            }
            let wrongly = self.wrongly_kept_out(kept_out).await?;
            if !wrongly.is_empty() {
                why_busy = "Elasticsearch: somebody else goes on to write documents of the index, or has deleted some"
                    .to_owned();
                busy.extend(wrongly);
            }
            if !busy.is_empty() {
                if attempt == TRIES {
                    return Err(StoreFailure::Unavailable(why_busy));
                }
                meters::documents_resent(self.names.projection(), busy.len() as u64);
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            documents = busy;
        }
        Ok(refused)
    }

    /// Of documents for which there is a higher version those that would say more than what is there, to be written over it. What is there has
    /// been written by somebody else, or deleted, of which Elasticsearch tells no version until it has forgotten it.
    async fn wrongly_kept_out(&self, documents: Vec<Written>) -> Result<Vec<Written>, StoreFailure> {
        if documents.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<_> =
            documents.iter().map(|document| json!({ "_id": document.id, "_source": ["offset"] })).collect();
        let found = self.many(&self.names.posts(), &json!({ "docs": ids })).await?;
        let mut wrongly = Vec::new();
        for (mut document, found) in documents.into_iter().zip(found) {
            if found["_source"]["offset"].as_u64().is_some_and(|offset| offset >= document.offset) {
                continue;
            }
            tracing::warn!(post.id = %document.id, "somebody else has written or deleted what is stored of this post");
            // Compare and set: whoever writes it meanwhile keeps this out in turn.
            document.version = found["_version"].as_u64().map_or(document.version, |version| version + 1);
            wrongly.push(document);
        }
        Ok(wrongly)
    }
}

/// What became of one document.
pub(super) enum Verdict {
    Stored,
    /// One of this version or a later one is there.
    Newer,
    /// The same may be taken later.
    Busy(String),
    /// The index does not take this one.
    Refused(String),
    /// It is not this document that is at fault.
    Wrong(String),
}

pub(super) fn verdict(item: &Value) -> Verdict {
    let status = item["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or_default();
    let error = &item["error"];
    let beneath = error["caused_by"]["reason"].as_str().map(|beneath| format!(": {beneath}")).unwrap_or_default();
    let why = format!(
        "Elasticsearch answered {status} {}: {}{beneath}",
        error["type"].as_str().unwrap_or("without a type"),
        error["reason"].as_str().unwrap_or("without a reason")
    );
    match status {
        200 | 201 => Verdict::Stored,
        CONFLICT => Verdict::Newer,
        // Blocked, as an index on a full disk is.
        FORBIDDEN => Verdict::Busy(why),
        BAD_DOCUMENT => Verdict::Refused(why),
        status if is_passing(status) => Verdict::Busy(why),
        _ => Verdict::Wrong(why),
    }
}
