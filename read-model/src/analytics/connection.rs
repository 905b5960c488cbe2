//! Speaking to ClickHouse: rows there and back, with its errors told apart by what can be done about them.

use std::sync::Arc;
use std::time::Duration;

use clickhouse::query::Query;
use clickhouse::sql::Identifier;
use clickhouse::{Client, Compression, RowOwned, RowRead, RowWrite};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::aws_lc_rs;

use super::names::AnalyticsNames;

/// Where a database is. The password is shown to nobody.
#[derive(Clone)]
pub struct ClickhouseAddress {
    pub url: String,
    pub database: String,
    pub user: String,
    pub password: String,
}

/// A client of one database. Cheap to clone.
#[derive(Clone)]
pub struct Clickhouse {
    client: Arc<Client>,
    /// That of the first version.
    first: String,
    database: String,
    limit: Duration,
}

/// A request did not succeed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClickhouseError {
    /// It did not answer, or has no time: asking again may help.
    #[error("ClickHouse: {0}")]
    Unavailable(String),
    /// It will not do that, however often it is asked. `code` is its own number for why.
    #[error("ClickHouse answered: {reason}")]
    Refused { code: u32, reason: String },
}

/// Codes of what may be over when the same is asked later.
const PASSING: [u32; 25] = [
    74,   // CANNOT_READ_FROM_FILE_DESCRIPTOR
    75,   // CANNOT_WRITE_TO_FILE_DESCRIPTOR
    76,   // CANNOT_OPEN_FILE
    159,  // TIMEOUT_EXCEEDED
    160,  // TOO_SLOW
    202,  // TOO_MANY_SIMULTANEOUS_QUERIES
    203,  // NO_FREE_CONNECTION
    209,  // SOCKET_TIMEOUT
    210,  // NETWORK_ERROR
    225,  // NO_ZOOKEEPER
    236,  // ABORTED
    241,  // MEMORY_LIMIT_EXCEEDED
    242,  // TABLE_IS_READ_ONLY
    243,  // NOT_ENOUGH_SPACE
    252,  // TOO_MANY_PARTS
    285,  // TOO_FEW_LIVE_REPLICAS
    319,  // UNKNOWN_STATUS_OF_INSERT
    373,  // SESSION_IS_LOCKED
    394,  // QUERY_WAS_CANCELLED
    425,  // SYSTEM_ERROR
    439,  // CANNOT_SCHEDULE_TASK
    999,  // KEEPER_EXCEPTION
    1000, // POCO_EXCEPTION
    1001, // STD_EXCEPTION
    1002, // UNKNOWN_EXCEPTION
];
/// After so long without a word the system asks whether the other side of a connection is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// How long an idle connection is kept: less than the three seconds after which ClickHouse closes it.
const IDLE: Duration = Duration::from_secs(2);
/// How many tokens may be used up for what is to be inserted once, by a server that is killed each time after it has noted one.
const TOKENS: u32 = 5;
/// What an error shows of an answer, in characters: an answer may repeat the whole statement.
const SHOWN: usize = 500;

impl Clickhouse {
    /// Prepares a client without connecting. An answer that takes longer than `limit` counts as none.
    pub fn new(address: &ClickhouseAddress, limit: Duration) -> Self {
        let ClickhouseAddress { url, database, user, password } = address;
        let mut client = over_http()
            .with_url(url)
            .with_database(database)
            .with_compression(Compression::None)
            // The types are in the migrations, which run before anything is asked.
            .with_validation(false);
        if !user.is_empty() {
            client = client.with_user(user).with_password(password);
        }
        Self { client: Arc::new(client), first: database.clone(), database: database.clone(), limit }
    }

    /// The same server and installation, in the database of a version.
    #[must_use]
    pub fn of_version(&self, names: AnalyticsNames) -> Self {
        let database = names.database(&self.first);
        let client = Client::clone(&self.client).with_database(&database);
        Self { client: Arc::new(client), database, ..self.clone() }
    }

    pub fn database(&self) -> &str {
        &self.database
    }

    /// Whether it answers. The database need not be there.
    pub async fn ping(&self) -> Result<(), ClickhouseError> {
        self.within(self.outside().query("SELECT 1").execute()).await
    }

    /// Creates the database, if it is missing.
    pub(super) async fn create_database(&self) -> Result<(), ClickhouseError> {
        let create = self.outside().query("CREATE DATABASE IF NOT EXISTS ?").bind(Identifier(&self.database));
        self.within(create.execute()).await
    }

    /// Drops the database with everything in it.
    pub async fn drop_database(&self) -> Result<(), ClickhouseError> {
        let drop = self.outside().query("DROP DATABASE IF EXISTS ?").bind(Identifier(&self.database));
        self.within(drop.execute()).await
    }

    /// Drops a table or a view, if it is there.
    pub async fn drop_table(&self, table: &str) -> Result<(), ClickhouseError> {
        self.within(self.client.query("DROP TABLE IF EXISTS ?").bind(Identifier(table)).execute()).await
    }

    /// A statement as it stands, which must be ours and hold nothing that anybody else has said.
    pub async fn run(&self, statement: &str) -> Result<(), ClickhouseError> {
        self.within(self.client.query_raw(statement).execute()).await
    }

    /// A question, whose values are bound to its question marks.
    pub fn query(&self, statement: &str) -> Query {
        self.client.query(statement)
    }

    /// All rows of an answer.
    pub async fn rows<T: RowOwned + RowRead>(&self, query: Query) -> Result<Vec<T>, ClickhouseError> {
        self.within(query.fetch_all()).await
    }

    /// Inserts rows as one block. Of several inserts into a table with one token the first counts, and the same goes for what
    /// materialized views make of it, each for itself: a repetition adds what the first one did not come to.
    pub async fn insert<T: RowOwned + RowWrite + Sync>(
        &self,
        table: &str,
        token: &str,
        rows: &[&T],
    ) -> Result<(), ClickhouseError> {
        self.insert_commented(table, token, "", rows).await
    }

    /// The same, with a comment that views and the server's log of queries know as `log_comment`.
    pub async fn insert_commented<T: RowOwned + RowWrite + Sync>(
        &self,
        table: &str,
        token: &str,
        comment: &str,
        rows: &[&T],
    ) -> Result<(), ClickhouseError> {
        let mut insert = self.client.insert::<T>(table).await.map_err(told)?;
        for (setting, value) in ONE_BLOCK {
            insert = insert.with_setting(setting, value);
        }
        if !comment.is_empty() {
            insert = insert.with_setting("log_comment", comment);
        }
        insert =
            insert.with_setting("insert_deduplication_token", token).with_timeouts(Some(self.limit), Some(self.limit));
        for row in rows {
            insert.write(*row).await.map_err(told)?;
        }
        insert.end().await.map_err(told)
    }

    fn outside(&self) -> Client {
        Client::clone(&self.client).with_database("default")
    }

    async fn within<T>(&self, asked: impl Future<Output = clickhouse::error::Result<T>>) -> Result<T, ClickhouseError> {
        match tokio::time::timeout(self.limit, asked).await {
            Ok(answer) => answer.map_err(told),
            Err(_) => Err(ClickhouseError::Unavailable(format!("it has not answered for {} s", self.limit.as_secs()))),
        }
    }
}

/// As the library's own, but that what is written goes out at once: a request is written in two pieces, and the second would wait until the
/// server's system has acknowledged the first, some 40 ms each time.
fn over_http() -> Client {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_keepalive(Some(KEEPALIVE));
    connector.enforce_http(false);
    let tls = HttpsConnectorBuilder::new()
        .with_provider_and_webpki_roots(aws_lc_rs::default_provider())
        .expect("the provider has the protocol versions that are asked for by default");
    let connector = tls.https_or_http().enable_http1().wrap_connector(connector);
    Client::with_http_client(HttpClient::builder(TokioExecutor::new()).pool_idle_timeout(IDLE).build(connector))
}

/// A block is what is deduplicated: whatever the server's own settings are, an insert is one, and it is there when it is answered.
const ONE_BLOCK: [(&str, &str); 8] = [
    ("async_insert", "0"),
    ("insert_deduplicate", "1"),
    ("deduplicate_blocks_in_dependent_materialized_views", "1"),
    ("materialized_views_ignore_errors", "0"),
    ("max_insert_threads", "1"),
    ("max_insert_block_size", "1048576"),
    ("min_insert_block_size_rows", "1048576"),
    ("min_insert_block_size_bytes", "0"),
];

impl ClickhouseError {
    /// What was inserted under all [`tokens`] is not there.
    pub fn used_up(table: &str) -> Self {
        Self::Unavailable(format!("{table} does not have what was inserted {TOKENS} times"))
    }

    /// Whether it is a database or a table that is not there.
    pub fn is_missing(&self) -> bool {
        const UNKNOWN_TABLE: u32 = 60;
        const UNKNOWN_DATABASE: u32 = 81;
        matches!(self, Self::Refused { code: UNKNOWN_TABLE | UNKNOWN_DATABASE, .. })
    }
}

/// The tokens of what is to be inserted once, to be tried one after the other until it is found to be there: an insert under a token that is
/// used up adds nothing.
pub fn tokens(first: &str) -> impl Iterator<Item = String> {
    let further = (1..TOKENS).map(move |number| format!("{first}/{number}"));
    std::iter::once(first.to_owned()).chain(further)
}

fn told(error: clickhouse::error::Error) -> ClickhouseError {
    use clickhouse::error::Error;
    let text = match &error {
        Error::BadResponse(answer) => answer.trim().to_owned(),
        _ => with_causes(&error),
    };
    let shown: String = text.chars().take(SHOWN).collect();
    match error {
        Error::BadResponse(_) => match code(&text) {
            Some(code) if !PASSING.contains(&code) => ClickhouseError::Refused { code, reason: shown },
            // Without a code it is not ClickHouse that has answered, but something before it.
            _ => ClickhouseError::Unavailable(shown),
        },
        Error::Network(_) | Error::TimedOut => ClickhouseError::Unavailable(shown),
        _ => ClickhouseError::Refused { code: 0, reason: shown },
    }
}

/// The driver's own words leave out what lies beneath.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(beneath) = cause {
        let more = beneath.to_string();
        if !told.ends_with(&more) {
            told = format!("{told}: {more}");
        }
        cause = beneath.source();
    }
    told
}

/// The number in `Code: 60. DB::Exception: ...`.
fn code(answer: &str) -> Option<u32> {
    let (_, behind) = answer.split_once("Code: ")?;
    let digits = behind.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

impl std::fmt::Debug for Clickhouse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clickhouse").field("database", &self.database).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ClickhouseAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClickhouseAddress")
            .field("database", &self.database)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clickhouse::error::Error;

    #[test]
    fn what_passes_is_told_from_what_stays() {
        let answer = |text: &str| told(Error::BadResponse(text.to_owned()));
        let busy = answer("Code: 252. DB::Exception: Too many parts. (TOO_MANY_PARTS)");
        assert!(matches!(busy, ClickhouseError::Unavailable(_)), "{busy}");
        let proxy = answer("<html>502 Bad Gateway</html>");
        assert!(matches!(proxy, ClickhouseError::Unavailable(_)), "{proxy}");
        let missing = answer("Code: 60. DB::Exception: Table groot.x does not exist. (UNKNOWN_TABLE)");
        assert!(missing.is_missing(), "{missing}");
        let wrong = answer("Code: 62. DB::Exception: Syntax error. (SYNTAX_ERROR)");
        assert!(matches!(wrong, ClickhouseError::Refused { code: 62, .. }), "{wrong}");
    }

    #[test]
    fn nobody_is_shown_a_password() {
        let address = ClickhouseAddress {
            url: "http://u:secret@host".into(),
            database: "groot".into(),
            user: "u".into(),
            password: "secret".into(),
        };
        let client = Clickhouse::new(&address, Duration::from_secs(1));
        assert!(!format!("{address:?}{client:?}").contains("secret"));
    }
}
