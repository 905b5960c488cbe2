//! The posts that searches are answered from.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use projectors::search::read::read_all;
use projectors::search::write::Store;
use read_model::search::{Elasticsearch, SearchNames, SearchPost};
use read_model::versions::{self, FIRST};
use uuid::Uuid;

/// The indexes of one system.
#[derive(Debug)]
pub struct Posts {
    elasticsearch: Elasticsearch,
    names: SearchNames,
}

impl Posts {
    pub(crate) fn new(url: &str, prefix: &str) -> Self {
        let elasticsearch = Elasticsearch::new(url, Duration::from_secs(30)).expect("the address is good");
        Self { elasticsearch, names: SearchNames::new(prefix) }
    }

    pub(crate) fn store(&self, log_id: u64) -> Store {
        Store::new(self.elasticsearch.clone(), self.names.clone(), log_id)
    }

    /// All of them, whole.
    pub(crate) async fn all(&self) -> BTreeMap<Uuid, SearchPost> {
        read_all(&self.elasticsearch, &self.names).await.expect("the index can be read")
    }

    pub(crate) async fn remove(&self) {
        let versions = versions::search::load(&self.elasticsearch, &self.names).await.expect("the versions are known");
        let all = (FIRST..=versions.last).flat_map(|version| self.names.in_version(version).indexes());
        for index in all.collect::<BTreeSet<_>>() {
            let path = format!("{index}?ignore_unavailable=true");
            self.elasticsearch.delete(&path).await.expect("the index is removed");
        }
    }
}
