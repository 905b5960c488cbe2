use std::time::Duration;

use read_model::search::{Elasticsearch, ElasticsearchError, SearchNames};
use read_model::{Checkpoint, versions};
use serde_json::{Value, json};
use service::problem::{FieldError, Problem};

use crate::progress::{Checkpoints, Progress};
use crate::shared::Shared;
use crate::store::QUERY_LIMIT;

/// More partitions than any log of ours has.
const CHECKPOINTS: u32 = 10_000;

/// The index of posts, and how far it has come. Cheap to clone.
#[derive(Clone)]
pub struct Searches {
    pub index: Index,
    pub progress: Progress<Index>,
}

/// The posts of one installation in Elasticsearch, in whichever version is live. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Index {
    elasticsearch: Elasticsearch,
    names: SearchNames,
    live: Shared<u32, SearchError>,
}

/// A search did not succeed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SearchError {
    #[error(transparent)]
    Elasticsearch(#[from] ElasticsearchError),
    #[error("Elasticsearch did not answer within {} s", QUERY_LIMIT.as_secs())]
    TimedOut,
}

impl Index {
    /// Prepares the client without connecting; the address is checked.
    pub fn new(url: &str, prefix: &str) -> Result<Self, ElasticsearchError> {
        let elasticsearch = Elasticsearch::new(url, QUERY_LIMIT)?;
        Ok(Self { elasticsearch, names: SearchNames::new(prefix), live: Shared::default() })
    }

    /// Asks all posts as of a moment; an answer that some of them are missing from is none.
    pub async fn search(&self, moment: Option<u32>, body: &Value) -> Result<Value, SearchError> {
        let version = self.version_at(&moment).await?;
        let posts = self.names.in_version(version).posts();
        let path = format!("{posts}/_search?allow_partial_search_results=false");
        let answer = self.elasticsearch.post(&path, body).await?;
        if answer["timed_out"] == true { Err(SearchError::TimedOut) } else { Ok(answer) }
    }
}

impl Checkpoints for Index {
    type Moment = Option<u32>;
    type Error = SearchError;

    /// Each reading makes a segment of what was indexed since the last one.
    const PAUSE: Duration = Duration::from_millis(100);

    async fn live(&self) -> Result<u32, SearchError> {
        let load = async || Ok(versions::search::load(&self.elasticsearch, &self.names).await?.live);
        self.live.get(load).await
    }

    /// A checkpoint is written after the posts that it covers. So those are made visible when the checkpoints have been read, and a
    /// search from then on sees them.
    async fn checkpoints(&self) -> Result<(Vec<Checkpoint>, Option<u32>), SearchError> {
        let version = self.live().await?;
        let (elasticsearch, names) = (&self.elasticsearch, self.names.in_version(version));
        elasticsearch.refresh(&names.checkpoints()).await?;
        let all = json!({ "size": CHECKPOINTS, "query": { "match_all": {} } });
        let mut found = elasticsearch.post(&format!("{}/_search", names.checkpoints()), &all).await?;
        elasticsearch.refresh(&names.posts()).await?;
        let hits = found["hits"]["hits"].as_array_mut().map(std::mem::take).unwrap_or_default();
        let checkpoints = hits.into_iter().filter_map(|mut hit| serde_json::from_value(hit["_source"].take()).ok());
        let ours = |checkpoint: &Checkpoint| checkpoint.is_of(names.projection());
        Ok((checkpoints.filter(ours).collect(), Some(version)))
    }

    fn timed_out() -> SearchError {
        SearchError::TimedOut
    }
}

impl From<SearchError> for Problem {
    fn from(error: SearchError) -> Self {
        match &error {
            SearchError::Elasticsearch(ElasticsearchError::Refused { kind, reason, .. })
                if kind.contains("too_many") || reason.contains("too_many") || reason.contains("maxClauseCount") =>
            {
                let message = "This has too many words for one search; leave some out.";
                Problem::invalid_parameters(vec![FieldError::new("q", "too-many", message)])
            }
            // Nothing was projected yet.
            SearchError::Elasticsearch(ElasticsearchError::Refused { status: 404, .. }) => {
                Problem::dependency_unavailable("Elasticsearch", error)
            }
            SearchError::Elasticsearch(ElasticsearchError::Unavailable(_)) | SearchError::TimedOut => {
                Problem::dependency_unavailable("Elasticsearch", error)
            }
            SearchError::Elasticsearch(_) => Problem::internal(error),
        }
    }
}
