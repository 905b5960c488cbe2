//! Dead letters as ClickHouse has them: a row for each change of one, of which the last holds.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Utc;
use clickhouse::sql::Identifier;
use read_model::analytics::rows::DeadLetterRow;
use read_model::analytics::{Clickhouse, ClickhouseError};
use read_model::{DeadLetterDoc, Standing};
use uuid::Uuid;

use crate::dead_letter::{ByKey, DeadLetter, Parked, document, letter};
use crate::projection::Cleared;

/// The dead letters of one projection. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    clickhouse: Clickhouse,
    table: String,
}

/// Which of the letters that are there: a key may have more than a program should hold.
#[derive(Clone, Copy, Debug)]
enum Which {
    All,
    First(u32),
    /// The first of which an operator wants something.
    FirstOrder,
    /// Those with offsets from the one to the other.
    Between(u64, u64),
}

impl DeadLetters {
    pub fn new(clickhouse: Clickhouse, table: String) -> Self {
        Self { clickhouse, table }
    }

    /// The keys whose records are parked, of one partition or of all, by the place of their first.
    pub async fn parked(&self, partition: Option<u32>) -> Result<Vec<Parked>, ClickhouseError> {
        let mut parked = ByKey::default();
        for (row, letter) in self.find(partition, None, Which::All).await? {
            parked.add(row.partition, row.key, row.offset, letter.standing, letter.reason);
        }
        Ok(parked.in_order())
    }

    /// The first letters of a key in their order.
    pub async fn of_key(
        &self,
        partition: Option<u32>,
        key: &str,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, ClickhouseError> {
        let found = self.find(partition, Some(key), Which::First(limit)).await?.into_iter();
        Ok(found.map(|(_, stored)| letter(stored)).collect())
    }

    /// The first key of a partition of which an operator wants something, and what.
    pub async fn first_order(&self, partition: u32) -> Result<Option<(String, Standing)>, ClickhouseError> {
        let found = self.find(Some(partition), None, Which::FirstOrder).await?;
        Ok(found.into_iter().next().map(|(row, letter)| (row.key, letter.standing)))
    }

    /// Says what is to become of a key's records; the projector that has the partition does it. False when none is parked, or
    /// they were given up.
    pub async fn order(&self, key: &str, standing: Standing) -> Result<bool, ClickhouseError> {
        let found = self.find(None, Some(key), Which::All).await?;
        let waiting = found.into_iter().filter(|(_, letter)| letter.standing != Standing::Dropped);
        let rows: Vec<_> = waiting.map(|(row, letter)| changed(&row, DeadLetterDoc { standing, ..letter })).collect();
        self.put(&rows).await?;
        Ok(!rows.is_empty())
    }

    /// Takes letters away and puts letters in, all at once.
    pub(super) async fn change(
        &self,
        partition: u32,
        cleared: Option<&Cleared>,
        letters: &[DeadLetter],
    ) -> Result<(), ClickhouseError> {
        let now = Utc::now();
        let coming = letters.iter().map(|letter| (letter.record.offset, document(letter, now)));
        let mut coming: BTreeMap<u64, DeadLetterDoc> = coming.collect();
        let mut rows = Vec::new();
        if let Some(Cleared { key, through, rest_waits }) = cleared {
            for (row, letter) in self.find(Some(partition), Some(key), Which::All).await? {
                if let Some(stays) = coming.remove(&row.offset) {
                    rows.push(changed(&row, stays));
                } else if row.offset <= *through {
                    rows.push(removed(&row));
                } else if *rest_waits {
                    rows.push(changed(&row, DeadLetterDoc { standing: Standing::Waiting, ..letter }));
                }
            }
        }
        // One that is there already, from a batch that is redone, is the same or was changed since, and stays.
        let there: BTreeSet<u64> = match (coming.keys().next(), coming.keys().next_back()) {
            (Some(first), Some(last)) => {
                let found = self.find(Some(partition), None, Which::Between(*first, *last)).await?;
                found.into_iter().map(|(row, _)| row.offset).collect()
            }
            _ => BTreeSet::new(),
        };
        let new = coming.into_iter().filter(|(offset, _)| !there.contains(offset));
        rows.extend(new.map(|(offset, letter)| DeadLetterRow {
            partition,
            key: letter.key.clone(),
            offset,
            standing: letter.standing.as_str().to_owned(),
            letter: text(&letter),
            version: 1,
            removed: false,
        }));
        self.put(&rows).await
    }

    /// Letters by partition and key, and then in their order.
    async fn find(
        &self,
        partition: Option<u32>,
        key: Option<&str>,
        which: Which,
    ) -> Result<Vec<(DeadLetterRow, DeadLetterDoc)>, ClickhouseError> {
        let mut statement = "SELECT partition, key, offset, standing, letter, version, removed FROM ? FINAL \
                             WHERE NOT removed"
            .to_owned();
        if partition.is_some() {
            statement.push_str(" AND partition = ?");
        }
        if key.is_some() {
            statement.push_str(" AND key = ?");
        }
        statement.push_str(&match which {
            Which::All => " ORDER BY partition, key, offset".to_owned(),
            Which::First(limit) => format!(" ORDER BY partition, key, offset LIMIT {limit}"),
            Which::FirstOrder => {
                let [drop, retry] = [Standing::Drop, Standing::Retry].map(Standing::as_str);
                format!(" AND standing IN ('{drop}', '{retry}') ORDER BY offset LIMIT 1")
            }
            Which::Between(first, last) => format!(" AND offset BETWEEN {first} AND {last} ORDER BY offset"),
        });
        let mut query = self.clickhouse.query(&statement).bind(Identifier(&self.table));
        if let Some(partition) = partition {
            query = query.bind(partition);
        }
        if let Some(key) = key {
            query = query.bind(key);
        }
        let rows: Vec<DeadLetterRow> = self.clickhouse.rows(query).await?;
        let read = |row: DeadLetterRow| {
            let unreadable = |error: &dyn std::fmt::Display| {
                let (partition, offset) = (row.partition, row.offset);
                let reason = format!("the dead letter {partition}:{offset} cannot be read: {error}");
                ClickhouseError::Refused { code: 0, reason }
            };
            let json = serde_json::from_str(&row.letter).map_err(|error| unreadable(&error))?;
            let letter = DeadLetterDoc::from_json(json).map_err(|error| unreadable(&error))?;
            Ok((row, letter))
        };
        rows.into_iter().map(read).collect()
    }

    async fn put(&self, rows: &[DeadLetterRow]) -> Result<(), ClickhouseError> {
        if rows.is_empty() {
            return Ok(());
        }
        // Versions tell what holds, so that every insert is its own.
        self.clickhouse.insert(&self.table, &Uuid::now_v7().to_string(), &rows.iter().collect::<Vec<_>>()).await
    }
}

fn changed(row: &DeadLetterRow, letter: DeadLetterDoc) -> DeadLetterRow {
    DeadLetterRow {
        standing: letter.standing.as_str().to_owned(),
        letter: text(&letter),
        version: row.version + 1,
        ..row.clone()
    }
}

fn removed(row: &DeadLetterRow) -> DeadLetterRow {
    DeadLetterRow { letter: String::new(), version: row.version + 1, removed: true, ..row.clone() }
}

fn text(letter: &DeadLetterDoc) -> String {
    letter.to_json().expect("a letter consists of texts, numbers and bytes, all of which that notation has").to_string()
}
