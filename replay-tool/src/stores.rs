//! The stores of the projections, as far as the tool asks them.

use projectors::analytics::catalog::AnalyticsCatalog;
use projectors::catalog::Catalog;
use projectors::config::{ElasticsearchArgs, MongodbArgs};
use projectors::dead_letter::{DeadLetter, Parked, Standing};
use projectors::documents::catalog::DocumentsCatalog;
use projectors::projection::StoreFailure;
use projectors::search::catalog::SearchCatalog;
use projectors::{analytics, documents, search};
use read_model::Versions;
use service::config::{ConfigError, without_credentials};
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Documents,
    Search,
    Analytics,
    Activity,
}

/// One that answers, with all its versions.
pub struct Connected<'a> {
    store: Store<'a>,
    pub catalog: AnyCatalog,
}

/// The versions of any projection.
pub enum AnyCatalog {
    Documents(DocumentsCatalog),
    Search(SearchCatalog),
    Analytics(AnalyticsCatalog),
}

/// Does the same with a catalog of whichever type.
macro_rules! with {
    ($any:expr, $catalog:ident => $done:expr) => {
        match $any {
            AnyCatalog::Documents($catalog) => $done,
            AnyCatalog::Search($catalog) => $done,
            AnyCatalog::Analytics($catalog) => $done,
        }
    };
}

/// One version in one that answers.
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

impl<'a> Store<'a> {
    pub fn name(self) -> &'static str {
        match self.kind {
            Kind::Documents => DocumentsCatalog::FIRST.name,
            Kind::Search => SearchCatalog::FIRST.name,
            Kind::Analytics => AnalyticsCatalog::FIRST.name,
            Kind::Activity => "activity",
        }
    }

    pub async fn connect(self) -> Result<Connected<'a>, StartupError> {
        let Stores { args, .. } = self.stores;
        let catalog = match self.kind {
            Kind::Documents => {
                let MongodbArgs { mongodb_uri: uri, mongodb_database: database } = &args.mongodb;
                let connect = || DocumentsCatalog::connect(uri, database);
                AnyCatalog::Documents(connect_with_retries("MongoDB", &without_credentials(uri), connect).await?)
            }
            Kind::Search => {
                let ElasticsearchArgs { elasticsearch_url: url, elasticsearch_prefix: prefix } = &args.elasticsearch;
                let connect = || SearchCatalog::connect(url, prefix);
                AnyCatalog::Search(connect_with_retries("Elasticsearch", &without_credentials(url), connect).await?)
            }
            Kind::Analytics | Kind::Activity => {
                let address = args.clickhouse.address();
                let connect = || AnalyticsCatalog::connect(&address);
                let url = without_credentials(&address.url);
                AnyCatalog::Analytics(connect_with_retries("ClickHouse", &url, connect).await?)
            }
        };
        Ok(Connected { store: self, catalog })
    }
}

impl Connected<'_> {
    pub fn name(&self) -> &'static str {
        self.store.name()
    }

    /// What the store has of one version.
    pub fn open(&self, version: u32) -> Opened {
        let Stores { log_id, activity_topic, .. } = self.store.stores;
        match &self.catalog {
            AnyCatalog::Documents(catalog) => Opened::Documents(catalog.store(version, log_id)),
            AnyCatalog::Search(catalog) => Opened::Search(catalog.store(version, log_id)),
            AnyCatalog::Analytics(catalog) => {
                let store = catalog.store(version, log_id);
                match self.store.kind {
                    Kind::Activity => Opened::Activity(store.of_activity(activity_topic)),
                    _ => Opened::Analytics(store),
                }
            }
        }
    }

    /// This version or, where none is named, the one that readers read, with its number.
    ///
    /// # Errors
    /// When there is no such version.
    pub async fn open_or_live(&self, version: Option<u32>) -> anyhow::Result<(u32, Opened)> {
        let versions = self.versions().await?;
        let version = version.unwrap_or(versions.live);
        if !versions.all().contains(&version) {
            let known: Vec<_> = versions.all().iter().map(u32::to_string).collect();
            let known = known.join(", ");
            return Err(ConfigError(format!("{} has no version {version}; it has {known}", self.name())).into());
        }
        Ok((version, self.open(version)))
    }

    pub async fn versions(&self) -> Result<Versions, StoreFailure> {
        with!(&self.catalog, catalog => catalog.versions().await)
    }

    /// Changes the versions, whoever else does meanwhile, and answers what they are then.
    ///
    /// # Errors
    /// Why the change cannot be made.
    pub async fn change(&self, change: impl Fn(&Versions) -> anyhow::Result<Versions>) -> anyhow::Result<Versions> {
        loop {
            let versions = self.versions().await?;
            let next = change(&versions)?;
            if next == versions || self.replace(&next).await? {
                return Ok(next);
            }
        }
    }

    async fn replace(&self, versions: &Versions) -> Result<bool, StoreFailure> {
        with!(&self.catalog, catalog => catalog.replace(versions).await)
    }

    /// Creates what a version lacks to be written.
    pub async fn prepare(&self, version: u32) -> Result<(), StoreFailure> {
        with!(&self.catalog, catalog => catalog.prepare(version).await)
    }

    /// Removes all that the store has of a version that nobody writes.
    pub async fn remove(&self, version: u32) -> Result<(), StoreFailure> {
        with!(&self.catalog, catalog => catalog.remove(version).await)
    }
}

impl Opened {
    /// What the same version has of activity, if it is one that counts it.
    pub fn activity(&self, topic: &str) -> Option<Self> {
        match self {
            Self::Analytics(store) => Some(Self::Activity(store.clone().of_activity(topic))),
            _ => None,
        }
    }

    /// One past the last record of the partition that is reflected.
    pub async fn position(&self, partition: u32) -> Result<u64, StoreFailure> {
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
