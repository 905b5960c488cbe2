//! The versions of the search index in one installation.

use read_model::search::{Elasticsearch, SearchNames, ensure};
use read_model::{Projection as Names, SEARCH, Versions, versions};

use crate::catalog::Catalog;
use crate::projection::StoreFailure;
use crate::search::write::Store;
use crate::search::{Search, connect};

#[derive(Clone, Debug)]
pub struct SearchCatalog {
    elasticsearch: Elasticsearch,
    names: SearchNames,
}

impl SearchCatalog {
    pub fn new(elasticsearch: Elasticsearch, prefix: &str) -> Self {
        Self { elasticsearch, names: SearchNames::new(prefix) }
    }

    /// Connects and sees that the server answers. One try.
    pub async fn connect(url: &str, prefix: &str) -> Result<Self, StoreFailure> {
        Ok(Self::new(connect(url).await?, prefix))
    }

    /// The indexes of one version, of the log with this id.
    pub fn store(&self, version: u32, log_id: u64) -> Store {
        Store::new(self.elasticsearch.clone(), self.names.in_version(version), log_id)
    }
}

impl Catalog for SearchCatalog {
    type Projection = Search;

    const FIRST: Names = SEARCH;

    async fn versions(&self) -> Result<Versions, StoreFailure> {
        Ok(versions::search::load(&self.elasticsearch, &self.names).await?)
    }

    async fn replace(&self, versions: &Versions) -> Result<bool, StoreFailure> {
        Ok(versions::search::replace(&self.elasticsearch, &self.names, versions).await?)
    }

    async fn prepare(&self, version: u32) -> Result<(), StoreFailure> {
        Ok(ensure(&self.elasticsearch, &self.names.in_version(version)).await?)
    }

    async fn remove(&self, version: u32) -> Result<(), StoreFailure> {
        let names = self.names.in_version(version);
        // The positions stay: no number comes again.
        for index in [names.posts(), names.dead_letters()] {
            self.elasticsearch.delete(&format!("{index}?ignore_unavailable=true")).await?;
        }
        Ok(())
    }

    fn projection(&self, version: u32, log_id: u64) -> Search {
        Search::new(self.store(version, log_id))
    }
}
