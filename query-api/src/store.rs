//! The connector to MongoDB: its figures, and reading within a session and a limit of time.

use std::time::Duration;

use futures::TryStreamExt;
use mongodb::{
    Client, ClientSession, ClusterTime, Database,
    bson::{self, Document, Timestamp, doc},
    change_stream::{ChangeStream, event::ChangeStreamEvent},
    error::{Error, ErrorKind},
    options::{ClientOptions, FindOptions, ReadConcern, ReadPreference, SelectionCriteria},
};
use read_model::{Checkpoint, DOCUMENTS, Projection, stored, versions};
use serde::de::DeserializeOwned;
use service::problem::Problem;
use uuid::Uuid;

use crate::progress::{self, Checkpoints};
use crate::shared::Shared;

/// A query that takes longer is given up, by the server and by us.
pub const QUERY_LIMIT: Duration = Duration::from_secs(3);

/// For how long a server that has no change to tell is asked before it says so.
const QUIET: Duration = Duration::from_secs(1);
const POOL_MAX: u32 = 100;
const POOL_MIN: u32 = 10;
const IDLE_LIMIT: Duration = Duration::from_secs(30);
const SELECTION_LIMIT: Duration = Duration::from_secs(5);
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// The documents, in whichever version of the projection is live. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    database: Database,
    live: Shared<u32, StoreError>,
}

/// Reads one after another, each seeing at least what the one before it saw, whichever servers answer, and all of one version.
pub struct Session {
    inner: ClientSession,
    store: Store,
    names: Projection,
}

/// A point in the store's time: a session that is opened after it sees all that was visible then.
#[derive(Clone, Debug, Default)]
pub struct Moment {
    version: Option<u32>,
    cluster: Option<ClusterTime>,
    operation: Option<Timestamp>,
}

/// Documents that are inserted, one after another.
pub struct Inserts(ChangeStream<ChangeStreamEvent<Document>>);

impl Inserts {
    /// The next one; waits for it. None where there is nothing to be told of one. Cancel safe.
    pub async fn next_insert(&mut self) -> Result<Option<(String, Document)>, StoreError> {
        let Some(change) = self.0.try_next().await? else { return Ok(None) };
        Ok(change.ns.and_then(|ns| ns.coll).zip(change.full_document))
    }
}

/// Posts, people and checkpoints that change in whatever way, one after another.
pub struct Changes {
    stream: ChangeStream<ChangeStreamEvent<Document>>,
    names: Projection,
}

/// What is followed: the live version's posts, people and checkpoints from a moment on.
pub struct Followed {
    pub changes: Changes,
    pub moment: Moment,
    pub names: Projection,
}

/// A document is another one, or none any more.
#[derive(Clone, Debug)]
pub struct Change {
    pub kind: Kind,
    pub id: Uuid,
    /// Sessions that are opened after it see it.
    pub time: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Post,
    Person,
}

/// What there is to be told of changes.
#[derive(Clone, Debug)]
pub enum Told {
    Change(Change),
    /// The projection has come further in a partition; sessions that are opened after this time see what it covers.
    Checkpoint(Checkpoint, Timestamp),
    /// Nothing has changed within [`QUIET`].
    Nothing,
    /// A collection itself is gone.
    End,
}

impl Changes {
    /// What comes next. A server that does not answer is an error like any other: nobody may take its silence for quiet.
    pub async fn next(&mut self) -> Result<Told, StoreError> {
        let Some(event) = within_limit(self.stream.next_if_any()).await? else {
            return Ok(if self.stream.is_alive() { Told::Nothing } else { Told::End });
        };
        let collection = event.ns.and_then(|ns| ns.coll);
        if collection.as_deref() == Some(self.names.checkpoints()) {
            // One that was taken away, so that the log is read again, takes nothing away that readers see.
            let checkpoint = event.full_document.and_then(|document| bson::from_document(document).ok());
            let told = checkpoint.zip(event.cluster_time);
            return Ok(told.map_or(Told::Nothing, |(checkpoint, time)| Told::Checkpoint(checkpoint, time)));
        }
        let kind = if collection == Some(self.names.posts()) { Kind::Post } else { Kind::Person };
        let id = event.document_key.as_ref().and_then(|key| stored::to_id(key.get("_id")?));
        Ok(id.zip(event.cluster_time).map_or(Told::End, |(id, time)| Told::Change(Change { kind, id, time })))
    }
}

/// A read did not succeed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    #[error("MongoDB did not answer within {} s", QUERY_LIMIT.as_secs())]
    TimedOut,
    #[error("MongoDB refused or could not be reached")]
    Driver(#[from] mongodb::error::Error),
}

impl Store {
    /// Prepares the client without connecting; the connection string is checked.
    ///
    /// The driver has no socket time-out: [`QUERY_LIMIT`] stands in for it.
    pub async fn new(uri: &str, database: &str) -> Result<Self, mongodb::error::Error> {
        let mut options = ClientOptions::parse(uri).await?;
        options.app_name = Some("groot-query-api".to_owned());
        options.max_pool_size = Some(POOL_MAX);
        options.min_pool_size = Some(POOL_MIN);
        options.max_idle_time = Some(IDLE_LIMIT);
        options.server_selection_timeout = Some(SELECTION_LIMIT);
        options.connect_timeout = Some(CONNECT_LIMIT);
        options.retry_reads = Some(true);
        options.read_concern = Some(ReadConcern::majority());
        options.selection_criteria = Some(readable());
        let database = Client::with_options(options)?.database(database);
        Ok(Self { database, live: Shared::default() })
    }

    /// The names of the version that is live.
    pub async fn names(&self) -> Result<Projection, StoreError> {
        Ok(DOCUMENTS.in_version(self.live().await?))
    }

    /// Whether a server answers that reads may go to; a primary is not needed for them.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let ping = self.database.run_command(doc! { "ping": 1 }).selection_criteria(readable());
        within_limit(async { ping.await }).await?;
        Ok(())
    }

    /// A session whose reads see at least what was visible at `moment`.
    pub async fn session(&self, moment: &Moment) -> Result<Session, StoreError> {
        let version = self.version_at(moment).await?;
        let client = self.database.client();
        let inner = within_limit(async { client.start_session().causal_consistency(true).await }).await?;
        let mut session = Session { inner, store: self.clone(), names: DOCUMENTS.in_version(version) };
        session.advance(moment);
        Ok(session)
    }

    /// What is inserted into these collections from now on, with the collection's name.
    pub async fn inserts(&self, collections: [&str; 3]) -> Result<Inserts, StoreError> {
        let of = doc! { "$match": { "operationType": "insert", "ns.coll": { "$in": collections.as_slice() } } };
        Ok(Inserts(self.database.watch().pipeline([of]).await?))
    }

    /// The posts, people and checkpoints that change from now on.
    pub async fn changes(&self) -> Result<Followed, StoreError> {
        let mut session = self.session(&Moment::default()).await?;
        // Any read has the store say its time.
        session.checkpoints().await?;
        let (moment, names) = (session.moment(), session.names());
        let untimed = || Error::custom("the server says no time: a change stream needs a replica set".to_owned());
        let time = moment.operation.ok_or_else(untimed)?;
        let ours = doc! { "$in": [names.posts(), names.people()] };
        let (first, end) = names.checkpoint_ids();
        let is_checkpoint = doc! { "ns.coll": names.checkpoints(), "documentKey._id": { "$gte": first, "$lt": end } };
        // A collection that is renamed is told by its old name, and what it becomes stands beside it.
        let of = doc! { "$match": { "$or": [{ "ns.coll": &ours }, { "to.coll": &ours }, is_checkpoint] } };
        // Of posts and people it is enough which it was. Checkpoints are replaced as a whole, so the whole is told of them.
        let is_whole = doc! { "$eq": ["$ns.coll", names.checkpoints()] };
        let whole = doc! { "$cond": [is_whole, "$fullDocument", "$$REMOVE"] };
        let fields = doc! {
            "$project": { "operationType": 1, "ns": 1, "documentKey": 1, "clusterTime": 1, "fullDocument": whole }
        };
        let stream = self.database.watch().pipeline([of, fields]).start_at_operation_time(time).max_await_time(QUIET);
        let stream = within_limit(stream.into_future()).await?;
        Ok(Followed { changes: Changes { stream, names }, moment, names })
    }

    /// Closes the connections; nothing can be read afterwards.
    pub async fn close(self) {
        self.database.client().clone().shutdown().await;
    }
}

impl Moment {
    /// No earlier than this time of the store.
    pub fn advance(&mut self, time: Timestamp) {
        self.operation = self.operation.max(Some(time));
    }
}

impl progress::Moment for Moment {
    fn version(&self) -> Option<u32> {
        self.version
    }

    fn or_later(self, other: &Self) -> Self {
        if self.operation < other.operation { other.clone() } else { self }
    }
}

impl Checkpoints for Store {
    type Moment = Moment;
    type Error = StoreError;

    const PAUSE: Duration = Duration::from_millis(10);

    async fn live(&self) -> Result<u32, StoreError> {
        let load = async || within_limit(versions::documents::load(&self.database)).await.map(|versions| versions.live);
        self.live.get(load).await
    }

    async fn checkpoints(&self) -> Result<(Vec<Checkpoint>, Moment), StoreError> {
        let mut session = self.session(&Moment::default()).await?;
        let checkpoints = session.checkpoints().await?;
        Ok((checkpoints, session.moment()))
    }

    fn timed_out() -> StoreError {
        StoreError::TimedOut
    }
}

impl Session {
    pub async fn find_one<T>(&mut self, collection: &str, filter: Document) -> Result<Option<T>, StoreError>
    where
        T: DeserializeOwned + Send + Sync,
    {
        let collection = self.store.database.collection::<T>(collection);
        within_limit(async { collection.find_one(filter).max_time(QUERY_LIMIT).session(&mut self.inner).await }).await
    }

    pub async fn find<T>(
        &mut self,
        collection: &str,
        filter: Document,
        mut options: FindOptions,
    ) -> Result<Vec<T>, StoreError>
    where
        T: DeserializeOwned + Send + Sync,
    {
        options.max_time = Some(QUERY_LIMIT);
        let collection = self.store.database.collection::<T>(collection);
        within_limit(async {
            let mut cursor = collection.find(filter).with_options(options).session(&mut self.inner).await?;
            cursor.stream(&mut self.inner).try_collect().await
        })
        .await
    }

    pub async fn count(&mut self, collection: &str, filter: Document) -> Result<u64, StoreError> {
        let collection = self.store.database.collection::<Document>(collection);
        within_limit(async { collection.count_documents(filter).max_time(QUERY_LIMIT).session(&mut self.inner).await })
            .await
    }

    /// The checkpoints of the version that this session reads.
    async fn checkpoints(&mut self) -> Result<Vec<Checkpoint>, StoreError> {
        let projection = self.names;
        let (first, end) = projection.checkpoint_ids();
        let filter = doc! { "_id": { "$gte": first, "$lt": end } };
        self.find(projection.checkpoints(), filter, FindOptions::default()).await
    }

    pub fn names(&self) -> Projection {
        self.names
    }

    /// What is read from now on sees at least what was visible at `moment`.
    pub fn advance(&mut self, moment: &Moment) {
        if let Some(time) = &moment.cluster {
            self.inner.advance_cluster_time(time);
        }
        if let Some(time) = moment.operation {
            self.inner.advance_operation_time(time);
        }
    }

    /// The time of the latest read of this session.
    fn moment(&self) -> Moment {
        Moment {
            version: Some(self.names.version),
            cluster: self.inner.cluster_time().cloned(),
            operation: self.inner.operation_time(),
        }
    }
}

impl StoreError {
    /// Whether the question itself or what came back is at fault, so that asking again would not help.
    fn is_fault_of_ours(&self) -> bool {
        const BAD_VALUE: i32 = 2;
        const FAILED_TO_PARSE: i32 = 9;
        const TYPE_MISMATCH: i32 = 14;
        let StoreError::Driver(error) = self else {
            return false;
        };
        match error.kind.as_ref() {
            ErrorKind::Command(command) => {
                matches!(command.code, BAD_VALUE | FAILED_TO_PARSE | TYPE_MISMATCH)
            }
            ErrorKind::BsonDeserialization(_)
            | ErrorKind::BsonSerialization(_)
            | ErrorKind::InvalidArgument { .. }
            | ErrorKind::InvalidResponse { .. } => true,
            _ => false,
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if error.is_fault_of_ours() {
            Problem::internal(error)
        } else {
            Problem::dependency_unavailable("MongoDB", error)
        }
    }
}

fn readable() -> SelectionCriteria {
    SelectionCriteria::ReadPreference(ReadPreference::SecondaryPreferred { options: None })
}

/// A read may be dropped half-way: the driver closes the connection that it was using.
async fn within_limit<T>(read: impl Future<Output = Result<T, mongodb::error::Error>>) -> Result<T, StoreError> {
    match tokio::time::timeout(QUERY_LIMIT, read).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(StoreError::TimedOut),
    }
}
