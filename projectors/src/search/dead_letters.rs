//! Dead letters as Elasticsearch has them.

use chrono::Utc;
use read_model::search::{Elasticsearch, ElasticsearchError};
use read_model::{DeadLetterDoc, Standing};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::dead_letter::{ByKey, DeadLetter, Parked, document, letter};
use crate::projection::Cleared;
use crate::search::read::walk;

/// The dead letters of one projection. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    elasticsearch: Elasticsearch,
    index: String,
}

/// A letter, and what it is found by.
#[derive(Serialize, Deserialize)]
struct Stored {
    partition: u32,
    offset: i64,
    key: String,
    standing: Standing,
    #[serde(with = "extended_json")]
    letter: DeadLetterDoc,
}

mod extended_json {
    use read_model::DeadLetterDoc;
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(letter: &DeadLetterDoc, serializer: S) -> Result<S::Ok, S::Error> {
        letter.to_json().map_err(S::Error::custom)?.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DeadLetterDoc, D::Error> {
        DeadLetterDoc::from_json(serde_json::Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl DeadLetters {
    pub fn new(elasticsearch: Elasticsearch, index: String) -> Self {
        Self { elasticsearch, index }
    }

    /// The keys whose records are parked, of one partition or of all, by the place of their first.
    pub async fn parked(&self, partition: Option<u32>) -> Result<Vec<Parked>, ElasticsearchError> {
        let of: Vec<Value> =
            partition.map(|partition| json!({ "term": { "partition": partition } })).into_iter().collect();
        let mut parked = ByKey::default();
        for Stored { partition, offset, key, standing, letter } in self.find(of).await? {
            parked.add(partition, key, u64::try_from(offset).unwrap_or_default(), standing, letter.reason);
        }
        Ok(parked.in_order())
    }

    /// The first letters of a key in their order.
    pub async fn of_key(
        &self,
        partition: Option<u32>,
        key: &str,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, ElasticsearchError> {
        let mut of = vec![json!({ "term": { "key": key } })];
        of.extend(partition.map(|partition| json!({ "term": { "partition": partition } })));
        let found = self.find(of).await?.into_iter().take(limit as usize);
        Ok(found.map(|stored| letter(DeadLetterDoc { standing: stored.standing, ..stored.letter })).collect())
    }

    /// The first key of a partition of which an operator wants something, and what.
    pub async fn first_order(&self, partition: u32) -> Result<Option<(String, Standing)>, ElasticsearchError> {
        let orders = [Standing::Drop, Standing::Retry];
        let of = vec![json!({ "term": { "partition": partition } }), json!({ "terms": { "standing": orders } })];
        let first = self.find(of).await?.into_iter().min_by_key(|stored| stored.offset);
        Ok(first.map(|stored| (stored.key, stored.standing)))
    }

    /// Says what is to become of a key's records; the projector that has the partition does it. False when none is parked, or
    /// they were given up.
    pub async fn order(&self, key: &str, standing: Standing) -> Result<bool, ElasticsearchError> {
        let found = self.find(vec![json!({ "term": { "key": key } })]).await?;
        let waiting = || found.iter().filter(|stored| stored.standing != Standing::Dropped);
        self.send(waiting().map(|stored| self.standing(stored, standing)).collect()).await?;
        Ok(waiting().next().is_some())
    }

    /// Takes letters away and puts letters in. Those come first: whoever looks meanwhile must not find a key that is parked to have none.
    pub(super) async fn change(
        &self,
        partition: u32,
        cleared: Option<&Cleared>,
        letters: &[DeadLetter],
    ) -> Result<(), ElasticsearchError> {
        let (now, mut lines) = (Utc::now(), Vec::new());
        for letter in letters {
            let letter = document(letter, now);
            let (partition, offset, key, standing) =
                (letter.partition, letter.offset, letter.key.clone(), letter.standing);
            let action = json!({ "index": self.place(partition, offset) });
            lines.push(format!("{action}\n{}\n", json!(Stored { partition, offset, key, standing, letter })));
        }
        if let Some(Cleared { key, through, rest_waits }) = cleared {
            let of = vec![json!({ "term": { "key": key } }), json!({ "term": { "partition": partition } })];
            for stored in self.find(of).await? {
                let offset = u64::try_from(stored.offset).unwrap_or_default();
                if letters.iter().any(|letter| letter.record.offset == offset) {
                    continue;
                }
                if offset <= *through {
                    lines.push(format!("{}\n", json!({ "delete": self.place(stored.partition, stored.offset) })));
                } else if *rest_waits {
                    lines.push(self.standing(&stored, Standing::Waiting));
                }
            }
        }
        self.send(lines).await
    }

    /// Letters that meet all of these, by key and then in their order.
    async fn find(&self, of: Vec<Value>) -> Result<Vec<Stored>, ElasticsearchError> {
        self.elasticsearch.refresh(&self.index).await?;
        let query = json!({
            "query": { "bool": { "filter": of } },
            "sort": [{ "partition": "asc" }, { "key": "asc" }, { "offset": "asc" }],
        });
        let found = walk(&self.elasticsearch, &self.index, query).await?;
        let read = |source| {
            serde_json::from_value(source)
                .map_err(|error| ElasticsearchError::Unavailable(format!("a dead letter cannot be read: {error}")))
        };
        found.into_iter().map(read).collect()
    }

    fn standing(&self, stored: &Stored, standing: Standing) -> String {
        let action = json!({ "update": self.place(stored.partition, stored.offset) });
        format!("{action}\n{}\n", json!({ "doc": { "standing": standing } }))
    }

    fn place(&self, partition: u32, offset: i64) -> Value {
        json!({ "_index": self.index, "_id": DeadLetterDoc::place(partition, offset) })
    }

    async fn send(&self, lines: Vec<String>) -> Result<(), ElasticsearchError> {
        // Letters are few; some may be large.
        for lines in lines.chunks(100) {
            let answer = self.elasticsearch.lines("_bulk", lines.concat().into_bytes()).await?;
            let items = answer["items"].as_array().into_iter().flatten().flat_map(|item| item.as_object()).flatten();
            // What is to go may be gone.
            if let Some((_, failed)) = items.into_iter().find(|(_, item)| item.get("error").is_some()) {
                return Err(ElasticsearchError::Unavailable(format!(
                    "a dead letter was not stored: {}",
                    failed["error"]
                )));
            }
        }
        Ok(())
    }
}
