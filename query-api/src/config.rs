//! What query-api is told from outside. Every value has a default that works beside the local servers.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use read_model::analytics::ClickhouseAddress;
use service::config::{database_name, http_url, index_prefix, mongodb_uri, not_blank, socket_addr};
use service::http::HttpArgs;
use service::telemetry::TelemetryArgs;

/// Groot's read side: serves posts, histories and people from the projection in MongoDB, and searches from the one in Elasticsearch.
#[derive(Clone, Debug, Parser)]
#[command(name = "query-api", version)]
pub struct Config {
    /// Where to serve clients.
    #[arg(long, env = "GROOT_HTTP_ADDR", value_name = "ADDR", default_value = "127.0.0.1:3002", value_parser = socket_addr)]
    pub http_addr: SocketAddr,
    /// Where to serve /health, /ready and /metrics to operators.
    #[arg(long, env = "GROOT_ADMIN_ADDR", value_name = "ADDR", default_value = "127.0.0.1:9102", value_parser = socket_addr)]
    pub admin_addr: SocketAddr,
    /// The MongoDB replica set that the projection is in.
    #[arg(long, env = "GROOT_MONGODB_URI", value_name = "URI", hide_env_values = true, default_value = "mongodb://127.0.0.1:27017/?replicaSet=rs0", value_parser = mongodb_uri)]
    pub mongodb_uri: String,
    /// The database that the projection is in.
    #[arg(long, env = "GROOT_MONGODB_DATABASE", value_name = "NAME", default_value = "groot", value_parser = not_blank)]
    pub mongodb_database: String,
    /// How much memory posts may take that were read by id and are kept until they change, in MiB; 0 keeps none.
    #[arg(long, env = "GROOT_POST_CACHE_MIB", value_name = "MIB", default_value_t = 64)]
    pub post_cache_mib: u32,
    /// Elasticsearch, which searches are answered from. It need not be there for anything else.
    #[arg(long, env = "GROOT_ELASTICSEARCH_URL", value_name = "URL", hide_env_values = true, default_value = "http://127.0.0.1:9200", value_parser = http_url)]
    pub elasticsearch_url: String,
    /// What the names of indexes begin with.
    #[arg(long, env = "GROOT_ELASTICSEARCH_PREFIX", value_name = "PREFIX", default_value = "groot", value_parser = index_prefix)]
    pub elasticsearch_prefix: String,
    /// The admin addresses of the projectors, with commas between, which are asked how the projections are doing.
    #[arg(long, env = "GROOT_PROJECTORS_URLS", value_name = "URLS", value_delimiter = ',', default_value = "http://127.0.0.1:9103", value_parser = http_url)]
    pub projectors_urls: Vec<String>,
    /// ClickHouse's HTTP interface, which figures are answered from. It need not be there for anything else.
    #[arg(long, env = "GROOT_CLICKHOUSE_URL", value_name = "URL", hide_env_values = true, default_value = "http://127.0.0.1:8123", value_parser = http_url)]
    pub clickhouse_url: String,
    /// The database that the figures are in.
    #[arg(long, env = "GROOT_CLICKHOUSE_DATABASE", value_name = "NAME", default_value = "groot", value_parser = database_name)]
    pub clickhouse_database: String,
    /// Who asks; nobody in particular if it is empty.
    #[arg(long, env = "GROOT_CLICKHOUSE_USER", value_name = "NAME", default_value = "")]
    pub clickhouse_user: String,
    /// That user's password. The environment is the place for it.
    #[arg(
        long,
        env = "GROOT_CLICKHOUSE_PASSWORD",
        value_name = "PASSWORD",
        hide_env_values = true,
        default_value = ""
    )]
    pub clickhouse_password: String,
    /// The public keys that access tokens are verified with.
    #[arg(long, env = "GROOT_JWKS_FILE", value_name = "FILE", default_value = ".groot/dev/data/keys/jwks.json")]
    pub jwks_file: PathBuf,
    #[command(flatten)]
    pub http: HttpArgs,
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
}

impl Config {
    pub(crate) fn clickhouse(&self) -> ClickhouseAddress {
        ClickhouseAddress {
            url: self.clickhouse_url.clone(),
            database: self.clickhouse_database.clone(),
            user: self.clickhouse_user.clone(),
            password: self.clickhouse_password.clone(),
        }
    }
}
