//! The events that figures are answered from.

use std::time::Duration;

use event_log::record::LogRecord;
use projectors::activity;
use projectors::analytics::fold::{Analytics, differences, expected};
use projectors::analytics::read::read_all;
use projectors::analytics::write::Store;
use projectors::event::LoggedEvent;
use projectors::verdict::Difference;
use read_model::ANALYTICS;
use read_model::analytics::{AnalyticsNames, Clickhouse, ClickhouseAddress};
use read_model::versions::{self, FIRST};

/// The tables of one system.
#[derive(Debug)]
pub struct Events {
    clickhouse: Clickhouse,
}

impl Events {
    pub(crate) fn new(url: &str, database: &str) -> Self {
        let address = ClickhouseAddress {
            url: url.to_owned(),
            database: database.to_owned(),
            user: String::new(),
            password: String::new(),
        };
        Self { clickhouse: Clickhouse::new(&address, Duration::from_secs(30)) }
    }

    pub(crate) fn store(&self, log_id: u64) -> Store {
        Store::new(self.clickhouse.clone(), AnalyticsNames::of(ANALYTICS), log_id)
    }

    /// In what the tables differ from a fold of all events of the log and of all activity.
    pub(crate) async fn differences<'a>(
        &self,
        events: impl IntoIterator<Item = &'a LoggedEvent>,
        activity: &[LogRecord],
    ) -> Vec<Difference> {
        let stored = read_all(&self.clickhouse).await.expect("the tables can be read");
        let mut wanted: Analytics = expected(events);
        activity::fold::add(&mut wanted, activity);
        differences(&stored, &wanted)
    }

    pub(crate) async fn remove(&self) {
        let versions = versions::analytics::load(&self.clickhouse).await.expect("the versions are known");
        for version in FIRST..=versions.last {
            let of = self.clickhouse.of_version(AnalyticsNames::of(ANALYTICS.in_version(version)));
            of.drop_database().await.expect("the database is dropped");
        }
    }
}
