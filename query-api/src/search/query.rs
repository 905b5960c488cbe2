use read_model::Checkpoint;
use read_model::search::{Elasticsearch, ElasticsearchError, SearchNames};
use serde_json::{Value, json};
use service::problem::{FieldError, Problem};

use crate::progress::{Checkpoints, Progress};
use crate::store::QUERY_LIMIT;

/// More partitions than any log of ours has.
const CHECKPOINTS: u32 = 10_000;

/// The index of posts, and how far it has come. Cheap to clone.
#[derive(Clone)]
pub struct Searches {
    pub index: Index,
    pub progress: Progress<Index>,
}

/// The posts of one installation in Elasticsearch. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Index {
    elasticsearch: Elasticsearch,
    names: SearchNames,
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
        Ok(Self { elasticsearch: Elasticsearch::new(url, QUERY_LIMIT)?, names: SearchNames::new(prefix) })
    }

    /// Asks all posts; an answer that some of them are missing from is none.
    pub async fn search(&self, body: &Value) -> Result<Value, SearchError> {
        let path = format!("{}/_search?allow_partial_search_results=false", self.names.posts_alias());
        let answer = self.elasticsearch.post(&path, body).await?;
        if answer["timed_out"] == true { Err(SearchError::TimedOut) } else { Ok(answer) }
    }
}

impl Checkpoints for Index {
    type Moment = ();
    type Error = SearchError;

    /// A checkpoint is written after the posts that it covers. So those are made visible when the checkpoints have been read, and a
    /// search from then on sees them.
    async fn checkpoints(&self) -> Result<(Vec<Checkpoint>, ()), SearchError> {
        let Self { elasticsearch, names } = self;
        elasticsearch.refresh(&names.checkpoints()).await?;
        let all = json!({ "size": CHECKPOINTS, "query": { "match_all": {} } });
        let mut found = elasticsearch.post(&format!("{}/_search", names.checkpoints()), &all).await?;
        elasticsearch.refresh(&names.posts()).await?;
        let hits = found["hits"]["hits"].as_array_mut().map(std::mem::take).unwrap_or_default();
        let checkpoints = hits.into_iter().filter_map(|mut hit| serde_json::from_value(hit["_source"].take()).ok());
        let ours = |checkpoint: &Checkpoint| checkpoint.is_of(names.projection());
        Ok((checkpoints.filter(ours).collect(), ()))
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
