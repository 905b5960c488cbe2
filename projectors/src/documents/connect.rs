//! The connection to MongoDB, with the figures that Groot promises.

use std::time::Duration;

use mongodb::Client;
use mongodb::bson::doc;
use mongodb::error::Error;
use mongodb::options::{ClientOptions, ReadConcern, WriteConcern};

const POOL_MAX: u32 = 100;
const POOL_MIN: u32 = 10;
const IDLE: Duration = Duration::from_secs(30);
const SELECTION: Duration = Duration::from_secs(5);
/// How long a majority may take to have a write on disk before the write counts as failed.
pub(super) const WRITE_LIMIT: Duration = Duration::from_secs(5);

/// Connects and sees that the server answers. One try; an address that cannot be parsed is an error as well.
pub async fn connect(uri: &str) -> Result<Client, Error> {
    let mut options = ClientOptions::parse(uri).await?;
    options.app_name = Some("groot-projectors".to_owned());
    options.max_pool_size = Some(POOL_MAX);
    options.min_pool_size = Some(POOL_MIN);
    options.max_idle_time = Some(IDLE);
    options.server_selection_timeout = Some(SELECTION);
    options.read_concern = Some(ReadConcern::majority());
    options.write_concern = Some(durable());
    options.retry_reads = Some(true);
    options.retry_writes = Some(true);
    let client = Client::with_options(options)?;
    client.database("admin").run_command(doc! { "ping": 1 }).await?;
    Ok(client)
}

/// Acknowledged by a majority, in their journals, within the limit.
pub(super) fn durable() -> WriteConcern {
    let mut concern = WriteConcern::majority();
    concern.journal = Some(true);
    concern.w_timeout = Some(WRITE_LIMIT);
    concern
}
