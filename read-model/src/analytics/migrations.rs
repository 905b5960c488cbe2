//! The tables and views, by numbered migrations: each is applied once and recorded.
//!
//! A migration that was released is never changed; what is to be different is a migration of its own. Every statement may run again,
//! by several processes at once: a process that dies between a statement and the record leaves it to the next one.
//!
//! They are written for the first version of the projection. In the database of another one the same tables bear its number.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::connection::{Clickhouse, ClickhouseError, tokens};
use super::names::AnalyticsNames;
use super::rows::Millis;

struct Migration {
    number: u32,
    name: &'static str,
    /// With a semicolon and the end of a line behind each.
    statements: &'static str,
}

const MIGRATIONS: [Migration; 5] = [
    Migration { number: 1, name: "positions", statements: include_str!("migrations/0001_positions.sql") },
    Migration { number: 2, name: "events", statements: include_str!("migrations/0002_events.sql") },
    Migration { number: 3, name: "facts", statements: include_str!("migrations/0003_facts.sql") },
    Migration { number: 4, name: "latest values", statements: include_str!("migrations/0004_latest_values.sql") },
    Migration { number: 5, name: "reached", statements: include_str!("migrations/0005_reached.sql") },
];

const RECORDS: &str = "schema_migrations";
const CREATE_RECORDS: &str = "CREATE TABLE IF NOT EXISTS schema_migrations \
    (number UInt32, name String, applied_at DateTime64(3, 'UTC')) \
    ENGINE = MergeTree ORDER BY number \
    SETTINGS non_replicated_deduplication_window = 10000";

/// A migration that was applied.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Applied {
    pub number: u32,
    pub name: String,
    pub applied_at: Millis,
}

/// What the names of tables end in, as the migrations have it.
const VERSION: &str = "_v1";

/// Creates the database and applies the migrations that it lacks. May run at every start and by several processes at once.
pub async fn ensure(clickhouse: &Clickhouse, names: AnalyticsNames) -> Result<(), ClickhouseError> {
    let version = format!("_v{}", names.projection().version);
    clickhouse.create_database().await?;
    clickhouse.run(CREATE_RECORDS).await?;
    let latest_applied = latest(clickhouse).await?;
    for migration in MIGRATIONS.iter().filter(|migration| migration.number > latest_applied) {
        for statement in statements(migration.statements) {
            clickhouse.run(&statement.replace(VERSION, &version)).await?;
        }
        let row = Applied {
            number: migration.number,
            name: migration.name.to_owned(),
            applied_at: chrono::Utc::now().into(),
        };
        // Of two processes that apply the same one records it.
        for token in tokens(&format!("migration {}", migration.number)) {
            clickhouse.insert(RECORDS, &token, &[&row]).await?;
            if latest(clickhouse).await? >= migration.number {
                break;
            }
        }
    }
    Ok(())
}

/// The migrations that a database has, in their order.
pub async fn applied(clickhouse: &Clickhouse) -> Result<Vec<Applied>, ClickhouseError> {
    let query = clickhouse.query("SELECT number, name, applied_at FROM schema_migrations ORDER BY number");
    clickhouse.rows(query).await
}

async fn latest(clickhouse: &Clickhouse) -> Result<u32, ClickhouseError> {
    Ok(applied(clickhouse).await?.last().map_or(0, |applied| applied.number))
}

fn statements(text: &str) -> impl Iterator<Item = &str> {
    text.split(";\n").map(str::trim).filter(|statement| !statement.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_numbered_from_one_without_a_gap() {
        let numbers: Vec<u32> = MIGRATIONS.iter().map(|migration| migration.number).collect();
        assert_eq!(numbers, (1..=MIGRATIONS.len() as u32).collect::<Vec<_>>());
    }

    #[test]
    fn every_statement_may_run_again_and_every_table_that_is_inserted_into_has_a_window() {
        for statement in MIGRATIONS.iter().flat_map(|migration| statements(migration.statements)) {
            let again = ["IF NOT EXISTS", "CREATE OR REPLACE VIEW", "MODIFY QUERY"];
            assert!(again.iter().any(|words| statement.contains(words)), "{statement}");
            if statement.contains("ENGINE") && !statement.contains("ENGINE = Null") {
                assert!(statement.contains("non_replicated_deduplication_window = 10000"), "{statement}");
            }
        }
    }
}
