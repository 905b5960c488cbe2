//! The versions of the tables in one installation: each is a database of its own.

use read_model::analytics::{AnalyticsNames, Clickhouse, ClickhouseAddress, ensure};
use read_model::{ANALYTICS, Projection as Names, Versions, versions};

use crate::analytics::write::Store;
use crate::analytics::{Analytics, connect};
use crate::catalog::Catalog;
use crate::projection::StoreFailure;

#[derive(Clone, Debug)]
pub struct AnalyticsCatalog {
    /// Of the first version, where it is said which versions there are.
    clickhouse: Clickhouse,
}

impl AnalyticsCatalog {
    pub fn new(clickhouse: Clickhouse) -> Self {
        Self { clickhouse }
    }

    /// Connects and sees that the server answers. One try.
    pub async fn connect(address: &ClickhouseAddress) -> Result<Self, StoreFailure> {
        Ok(Self::new(connect(address).await?))
    }

    /// The tables of one version, of the log with this id.
    pub fn store(&self, version: u32, log_id: u64) -> Store {
        let names = names(version);
        Store::new(self.clickhouse.of_version(names), names, log_id)
    }
}

fn names(version: u32) -> AnalyticsNames {
    AnalyticsNames::of(ANALYTICS.in_version(version))
}

impl Catalog for AnalyticsCatalog {
    type Projection = Analytics;

    const FIRST: Names = ANALYTICS;

    async fn versions(&self) -> Result<Versions, StoreFailure> {
        Ok(versions::analytics::load(&self.clickhouse).await?)
    }

    async fn replace(&self, versions: &Versions) -> Result<bool, StoreFailure> {
        Ok(versions::analytics::replace(&self.clickhouse, versions).await?)
    }

    async fn prepare(&self, version: u32) -> Result<(), StoreFailure> {
        let names = names(version);
        Ok(ensure(&self.clickhouse.of_version(names), names).await?)
    }

    async fn remove(&self, version: u32) -> Result<(), StoreFailure> {
        let names = names(version);
        let clickhouse = self.clickhouse.of_version(names);
        if clickhouse.database() != self.clickhouse.database() {
            return Ok(clickhouse.drop_database().await?);
        }
        // The database of the first version stays, since it says which versions there are. Its positions stay with it: no number comes again.
        for table in names.tables() {
            clickhouse.drop_table(&table).await?;
        }
        Ok(())
    }

    fn projection(&self, version: u32, log_id: u64) -> Analytics {
        Analytics::new(self.store(version, log_id))
    }
}
