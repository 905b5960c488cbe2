//! The stores of the projections, as far as the tool asks them.

use projectors::config::{ElasticsearchArgs, MongodbArgs};
use projectors::dead_letter::{DeadLetter, Parked, Standing};
use projectors::{analytics, documents, search};
use read_model::analytics::AnalyticsNames;
use read_model::search::SearchNames;
use read_model::{ANALYTICS, DOCUMENTS, SEARCH};
use service::config::without_credentials;
use service::startup::{StartupError, connect_with_retries};

use crate::config::{ProjectionName, StoresArgs};

/// All of them, none opened yet.
#[derive(Clone, Copy, Debug)]
pub struct Stores<'a> {
    args: &'a StoresArgs,
    log_id: u64,
    activity_topic: &'a str,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct Store<'a> {
    stores: Stores<'a>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Documents,
    Search,
    Analytics,
    Activity,
}

/// One that answers.
pub enum Opened {
    Documents(documents::write::Store),
    Search(search::write::Store),
    Analytics(analytics::write::Store),
    Activity(analytics::write::Store),
}

impl<'a> Stores<'a> {
    pub fn new(args: &'a StoresArgs, log_id: u64, activity_topic: &'a str) -> Self {
        Self { args, log_id, activity_topic }
    }

    pub fn of(self, projection: ProjectionName) -> Store<'a> {
        let kind = match projection {
            ProjectionName::Documents => Kind::Documents,
            ProjectionName::Search => Kind::Search,
            ProjectionName::Analytics => Kind::Analytics,
        };
        Store { stores: self, kind }
    }

    pub fn all(self) -> [Store<'a>; 4] {
        [Kind::Documents, Kind::Search, Kind::Analytics, Kind::Activity].map(|kind| Store { stores: self, kind })
    }
}

impl Store<'_> {
    pub fn name(self) -> &'static str {
        match self.kind {
            Kind::Documents => DOCUMENTS.name,
            Kind::Search => SEARCH.name,
            Kind::Analytics => ANALYTICS.name,
            Kind::Activity => "activity",
        }
    }

    /// In which version it is written and read.
    pub fn version(self) -> u32 {
        match self.kind {
            Kind::Documents => DOCUMENTS.version,
            Kind::Search => SEARCH.version,
            Kind::Analytics | Kind::Activity => ANALYTICS.version,
        }
    }

    pub async fn open(self) -> Result<Opened, StartupError> {
        let Stores { args, log_id, activity_topic } = self.stores;
        Ok(match self.kind {
            Kind::Documents => {
                let MongodbArgs { mongodb_uri, mongodb_database } = &args.mongodb;
                let address = without_credentials(mongodb_uri);
                let connect = || documents::connect::connect(mongodb_uri);
                let client = connect_with_retries("MongoDB", &address, connect).await?;
                Opened::Documents(documents::write::Store::new(client.database(mongodb_database), DOCUMENTS, log_id))
            }
            Kind::Search => {
                let ElasticsearchArgs { elasticsearch_url, elasticsearch_prefix } = &args.elasticsearch;
                let names = SearchNames::new(elasticsearch_prefix);
                let address = without_credentials(elasticsearch_url);
                let connect = || search::connect(elasticsearch_url);
                let elasticsearch = connect_with_retries("Elasticsearch", &address, connect).await?;
                Opened::Search(search::write::Store::new(elasticsearch, names, log_id))
            }
            Kind::Analytics | Kind::Activity => {
                let clickhouse = args.clickhouse.address();
                let address = without_credentials(&clickhouse.url);
                let connect = || analytics::connect(&clickhouse);
                let connected = connect_with_retries("ClickHouse", &address, connect).await?;
                let store = analytics::write::Store::new(connected, AnalyticsNames::of(ANALYTICS), log_id);
                match self.kind {
                    Kind::Activity => Opened::Activity(store.of_activity(activity_topic)),
                    _ => Opened::Analytics(store),
                }
            }
        })
    }
}

impl Opened {
    /// One past the last record of the partition that is reflected.
    pub async fn position(&self, partition: u32) -> anyhow::Result<u64> {
        let saved = match self {
            Self::Documents(store) => store.load(partition).await?,
            Self::Search(store) => store.load(partition).await?,
            Self::Analytics(store) | Self::Activity(store) => store.load(partition).await?,
        };
        Ok(saved.position.next_offset)
    }

    /// The keys that wait, or are given up.
    pub async fn parked(&self) -> anyhow::Result<Vec<Parked>> {
        Ok(match self {
            Self::Documents(store) => store.dead_letters().parked(None).await?,
            Self::Search(store) => store.dead_letters().parked(None).await?,
            Self::Analytics(store) => store.dead_letters().parked(None).await?,
            Self::Activity(_) => Vec::new(),
        })
    }

    /// The first parked records of a key.
    pub async fn letters(&self, key: &str, limit: u32) -> anyhow::Result<Vec<DeadLetter>> {
        Ok(match self {
            Self::Documents(store) => store.dead_letters().of_key(None, key, limit).await?,
            Self::Search(store) => store.dead_letters().of_key(None, key, limit).await?,
            Self::Analytics(store) => store.dead_letters().of_key(None, key, limit).await?,
            Self::Activity(_) => Vec::new(),
        })
    }

    /// Says what is to become of the records of a key. False when none is parked, or they were given up.
    pub async fn order(&self, key: &str, standing: Standing) -> anyhow::Result<bool> {
        Ok(match self {
            Self::Documents(store) => store.dead_letters().order(key, standing).await?,
            Self::Search(store) => store.dead_letters().order(key, standing).await?,
            Self::Analytics(store) => store.dead_letters().order(key, standing).await?,
            Self::Activity(_) => false,
        })
    }
}
