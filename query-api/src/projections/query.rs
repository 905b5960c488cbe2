use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A projector that takes longer is not reached.
const LIMIT: Duration = Duration::from_secs(2);

/// The admin ports of the projectors. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Projectors {
    http: reqwest::Client,
    urls: Vec<String>,
}

/// How one projection is doing in all projectors together.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProjectionView {
    #[schema(example = "documents")]
    pub projection: String,
    /// Records of the log that the store does not reflect yet; null as long as that is not known.
    pub lag_records: Option<u64>,
    /// How long the oldest of them has been there.
    pub lag_seconds: f64,
    pub partitions: Vec<PartitionView>,
    /// What waits for an operator, to a hundred keys of each projector.
    pub parked: Vec<ParkedView>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartitionView {
    pub partition: u32,
    /// loading, running, waiting or halted.
    #[schema(example = "running")]
    pub state: String,
    /// Why it waits or is halted.
    pub reason: Option<String>,
    /// Everything below is in the store.
    pub next_offset: u64,
    /// Null as long as the end of the partition is not known.
    pub lag_records: Option<u64>,
    pub lag_seconds: f64,
}

/// Records of one key that wait.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct ParkedView {
    pub key: String,
    pub partition: u32,
    /// Of the first of them.
    pub offset: u64,
    pub letters: u64,
    /// waiting, retry, drop or dropped.
    #[schema(example = "waiting")]
    pub standing: String,
    /// Why the first waits.
    pub reason: String,
}

impl Projectors {
    pub fn new(urls: Vec<String>) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder().no_proxy().timeout(LIMIT).build()?;
        Ok(Self { http, urls })
    }

    /// What each of them says, put together, and those who said nothing.
    pub async fn ask(&self) -> (Vec<ProjectionView>, Vec<String>) {
        let answers = join_all(self.urls.iter().map(|url| self.ask_one(url))).await;
        let (mut views, mut unreachable) = (Vec::new(), Vec::new());
        for (url, answer) in self.urls.iter().zip(answers) {
            match answer {
                Ok(said) => views.extend(said),
                Err(error) => {
                    tracing::warn!(projector = url, error = %error, "a projector does not say how it is doing");
                    unreachable.push(url.clone());
                }
            }
        }
        (together(views), unreachable)
    }

    async fn ask_one(&self, url: &str) -> Result<Vec<ProjectionView>, reqwest::Error> {
        self.http.get(format!("{url}/projections")).send().await?.error_for_status()?.json().await
    }
}

/// Several processes may share the partitions of a projection.
fn together(said: Vec<ProjectionView>) -> Vec<ProjectionView> {
    let mut by_name = BTreeMap::<String, ProjectionView>::new();
    for view in said {
        match by_name.get_mut(&view.projection) {
            None => {
                by_name.insert(view.projection.clone(), view);
            }
            Some(known) => {
                known.lag_records = known.lag_records.zip(view.lag_records).map(|(one, other)| one + other);
                known.lag_seconds = known.lag_seconds.max(view.lag_seconds);
                known.partitions.extend(view.partitions);
                known.partitions.sort_by_key(|partition| partition.partition);
                known.parked.extend(view.parked);
            }
        }
    }
    by_name.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(partition: u32, lag_records: impl Into<Option<u64>>, lag_seconds: f64) -> ProjectionView {
        let lag_records = lag_records.into();
        let state = "running".to_owned();
        let partitions =
            vec![PartitionView { partition, state, reason: None, next_offset: 1, lag_records, lag_seconds }];
        ProjectionView { projection: "documents".into(), lag_records, lag_seconds, partitions, parked: Vec::new() }
    }

    #[test]
    fn processes_that_share_a_projection_are_told_as_one() {
        let told = together(vec![view(1, 2, 0.5), view(0, 3, 4.0)]);
        assert_eq!((told.len(), told[0].lag_records, told[0].lag_seconds), (1, Some(5), 4.0));
        let partitions: Vec<_> = told[0].partitions.iter().map(|partition| partition.partition).collect();
        assert_eq!(partitions, [0, 1]);
        assert_eq!(together(vec![view(1, 2, 0.5), view(0, None, 0.0)])[0].lag_records, None);
    }
}
