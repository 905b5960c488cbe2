//! The versions of the documents in one database.

use mongodb::Database;
use mongodb::bson::{Document, doc};
use read_model::{DOCUMENTS, Projection as Names, Versions, ensure_indexes, versions};

use crate::catalog::Catalog;
use crate::documents::write::{Store, unavailable};
use crate::documents::{Documents, connect};
use crate::projection::StoreFailure;

#[derive(Clone, Debug)]
pub struct DocumentsCatalog {
    database: Database,
}

impl DocumentsCatalog {
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Connects and sees that the server answers. One try.
    pub async fn connect(uri: &str, database: &str) -> Result<Self, StoreFailure> {
        let client = connect::connect(uri).await.map_err(|error| unavailable(&error))?;
        Ok(Self::new(client.database(database)))
    }

    /// The collections of one version, of the log with this id.
    pub fn store(&self, version: u32, log_id: u64) -> Store {
        Store::new(self.database.clone(), DOCUMENTS.in_version(version), log_id)
    }
}

impl Catalog for DocumentsCatalog {
    type Projection = Documents;

    const FIRST: Names = DOCUMENTS;

    async fn versions(&self) -> Result<Versions, StoreFailure> {
        versions::documents::load(&self.database).await.map_err(|error| unavailable(&error))
    }

    async fn replace(&self, versions: &Versions) -> Result<bool, StoreFailure> {
        versions::documents::replace(&self.database, versions).await.map_err(|error| unavailable(&error))
    }

    async fn prepare(&self, version: u32) -> Result<(), StoreFailure> {
        ensure_indexes(&self.database, DOCUMENTS.in_version(version)).await.map_err(|error| unavailable(&error))
    }

    async fn remove(&self, version: u32) -> Result<(), StoreFailure> {
        let names = DOCUMENTS.in_version(version);
        let remove = async {
            let (first, end) = names.checkpoint_ids();
            let checkpoints = self.database.collection::<Document>(names.checkpoints());
            checkpoints.delete_many(doc! { "_id": { "$gte": first, "$lt": end } }).await?;
            for collection in names.collections() {
                self.database.collection::<Document>(&collection).drop().await?;
            }
            Ok(())
        };
        remove.await.map_err(|error| unavailable(&error))
    }

    fn projection(&self, version: u32, log_id: u64) -> Documents {
        Documents::new(self.store(version, log_id))
    }
}
