//! Object storage that speaks S3, on a port of its own, until it is dropped.

use std::net::SocketAddr;
use std::path::Path;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

const BUCKET: &str = "groot";
const KEY: &str = "groot";
const SECRET: &str = "not a secret";

pub struct S3 {
    address: SocketAddr,
    _stop: DropGuard,
}

impl S3 {
    /// Serves one bucket, with what lies in the directory.
    ///
    /// # Panics
    /// When the directory cannot be used, or no port is free.
    pub async fn serve(directory: &Path) -> Self {
        std::fs::create_dir_all(directory.join(BUCKET)).expect("a directory for the bucket");
        let files = s3s_fs::FileSystem::new(directory).expect("the directory of the buckets");
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = service.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("the address that is listened at");
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        tokio::spawn(stopped.run_until_cancelled_owned(async move {
            // Dropped with it are all connections.
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                connections.spawn(async move {
                    // A client that goes away is no failure of ours.
                    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
                });
            }
        }));
        Self { address, _stop: stop.drop_guard() }
    }

    /// How a program is told to use a folder of it.
    pub fn env(&self) -> Vec<(String, String)> {
        let own = [
            ("GROOT_OBJECT_STORE", format!("s3://{BUCKET}/tests")),
            ("AWS_ENDPOINT", format!("http://{}", self.address)),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ];
        own.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }
}
