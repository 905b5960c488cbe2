//! The versions of the tables, in ClickHouse: in the database of the first version, whichever is live.

use clickhouse::Row;
use clickhouse::sql::Identifier;
use serde::Deserialize;

use super::Versions;
use crate::ANALYTICS;
use crate::analytics::rows::CheckpointRow;
use crate::analytics::{Clickhouse, ClickhouseError, tokens};

const KIND: &str = "versions";

/// What is stored, or what holds where nothing is.
pub async fn load(clickhouse: &Clickhouse) -> Result<Versions, ClickhouseError> {
    #[derive(Row, Deserialize)]
    struct Found {
        checkpoint: String,
    }
    let query = clickhouse
        .query("SELECT checkpoint FROM ? WHERE id = ? AND kind = ? ORDER BY revision DESC LIMIT 1")
        .bind(Identifier(ANALYTICS.checkpoints()))
        .bind(ANALYTICS.name)
        .bind(KIND);
    let found: Vec<Found> = match clickhouse.rows(query).await {
        // Nothing was projected yet.
        Err(error) if error.is_missing() => return Ok(Versions::default()),
        found => found?,
    };
    let Some(Found { checkpoint }) = found.first() else { return Ok(Versions::default()) };
    serde_json::from_str(checkpoint).map_err(|error| ClickhouseError::Refused {
        code: 0,
        reason: format!("what is stored of the versions cannot be read: {error}"),
    })
}

/// Replaces the revision before. False if that is not there any more: somebody else was faster.
pub async fn replace(clickhouse: &Clickhouse, versions: &Versions) -> Result<bool, ClickhouseError> {
    let text = serde_json::to_string(versions)
        .map_err(|error| ClickhouseError::Refused { code: 0, reason: error.to_string() })?;
    let row = CheckpointRow {
        id: ANALYTICS.name.to_owned(),
        kind: KIND.to_owned(),
        revision: versions.rev,
        next_offset: 0,
        checkpoint: text,
    };
    let token = format!("{}/{KIND}/{}", ANALYTICS.name, versions.rev);
    // There is no compare-and-set. Of two inserts with one token the first counts, and reading tells whose that was.
    for token in tokens(&token) {
        clickhouse.insert(ANALYTICS.checkpoints(), &token, &[&row]).await?;
        let found = load(clickhouse).await?;
        if found.rev >= versions.rev {
            return Ok(found == *versions);
        }
    }
    Err(ClickhouseError::used_up(ANALYTICS.checkpoints()))
}
