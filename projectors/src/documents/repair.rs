//! Putting right what is stored of one key.

use chrono::Utc;
use mongodb::bson::{Document, doc};
use mongodb::{ClientSession, Database};
use read_model::{Checkpoint, stored};
use serde::Serialize;
use uuid::Uuid;

use crate::documents::fold::Documents;
use crate::documents::write::{ANSWER_LIMIT, Failure, Store, end, unavailable};
use crate::projection::{Saved, StoreFailure};

impl Store {
    /// Puts what the events of a key lead to, up to where the store is, in the place of all that is stored of it: a post with its comments,
    /// likes, slug and history, or a person. The position is written again with it, so that nothing else is written meanwhile.
    ///
    /// # Errors
    /// [`StoreFailure::Superseded`] if the store is no longer where `saved` says; else [`StoreFailure::Unavailable`]. Either way it may
    /// be tried again.
    pub async fn repair(
        &self,
        partition: u32,
        key: Uuid,
        expected: Documents,
        saved: Saved,
    ) -> Result<Saved, StoreFailure> {
        let store = self.clone();
        let repair = async move {
            match store.replace(partition, key, &expected, saved).await {
                Ok(()) => Ok(Saved { revision: saved.revision + 1, ..saved }),
                Err(Failure::Store(failure)) => Err(failure),
                Err(Failure::Server(error)) => Err(unavailable(&error)),
                Err(Failure::NotNew) => {
                    Err(StoreFailure::Unavailable("MongoDB: a document was inserted at the same time".to_owned()))
                }
            }
        };
        self.writes.detached().run("MongoDB", ANSWER_LIMIT, repair).await
    }

    async fn replace(&self, partition: u32, key: Uuid, expected: &Documents, saved: Saved) -> Result<(), Failure> {
        let next = self.next_checkpoint(partition, saved, saved.position, Utc::now());
        let mut session = self.begin().await?;
        let replaced = self.replace_within(&mut session, key, expected, saved, &next).await;
        end(session, replaced).await
    }

    async fn replace_within(
        &self,
        session: &mut ClientSession,
        key: Uuid,
        expected: &Documents,
        saved: Saved,
        next: &Checkpoint,
    ) -> Result<(), Failure> {
        self.move_checkpoints(session, [(saved, next)].into_iter()).await?;
        let (database, names) = (&self.database, self.names);
        let (by_id, by_post) = (doc! { "_id": stored::id(key) }, doc! { "postId": stored::id(key) });
        let Documents { posts, comments, likes, people, slugs, history } = expected;
        replace(database, session, &names.posts(), &by_id, posts.values()).await?;
        replace(database, session, &names.people(), &by_id, people.values()).await?;
        replace(database, session, &names.comments(), &by_post, comments.values()).await?;
        replace(database, session, &names.likes(), &by_post, likes.values()).await?;
        replace(database, session, &names.post_events(), &by_post, history.values()).await?;
        let of_slugs = database.collection::<Document>(&names.slugs());
        of_slugs.delete_many(by_post).session(&mut *session).await?;
        for slug in slugs.values() {
            // Where two posts have one slug it is the one's with the smaller id, as when events are projected.
            let least = vec![doc! { "$set": { "postId": { "$min": ["$postId", stored::id(slug.post_id)] } } }];
            let of = doc! { "_id": &slug.slug };
            of_slugs.update_one(of, least).upsert(true).session(&mut *session).await?;
        }
        Ok(())
    }
}

async fn replace<'a, T: Serialize + Send + Sync + 'static>(
    database: &Database,
    session: &mut ClientSession,
    collection: &str,
    of: &Document,
    documents: impl ExactSizeIterator<Item = &'a T>,
) -> Result<(), Failure> {
    let collection = database.collection::<T>(collection);
    collection.delete_many(of.clone()).session(&mut *session).await?;
    if documents.len() > 0 {
        collection.insert_many(documents).session(session).await?;
    }
    Ok(())
}
