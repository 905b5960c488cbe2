//! The connection to object storage.

use std::path::absolute;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;

/// Object storage cannot be used as configured.
#[derive(Debug, thiserror::Error)]
pub enum ObjectStoreError {
    #[error("the directory {directory} cannot be used")]
    Directory {
        directory: String,
        #[source]
        source: std::io::Error,
    },
    #[error("it is neither a directory nor a URL that is understood, such as s3://bucket/folder")]
    Url(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("object storage cannot be used")]
    Store(#[from] object_store::Error),
}

/// Object storage at a directory, which is made where it is missing, or at a URL such as `s3://bucket/folder`. What a URL needs
/// beside itself (region, credentials, another endpoint) comes from the environment, under the usual `AWS_` names.
///
/// # Errors
/// When the place is not understood, or the directory cannot be made. Nothing is asked of a remote store yet.
pub fn connect(place: &str) -> Result<Arc<dyn ObjectStore>, ObjectStoreError> {
    if place.contains("://") {
        let url = place.parse().map_err(|error| ObjectStoreError::Url(Box::new(error)))?;
        let (store, prefix) = object_store::parse_url_opts(&url, variables())?;
        return Ok(under(store, prefix));
    }
    let unusable = |source| ObjectStoreError::Directory { directory: place.to_owned(), source };
    let directory = absolute(place).map_err(unusable)?;
    std::fs::create_dir_all(&directory).map_err(unusable)?;
    Ok(Arc::new(LocalFileSystem::new_with_prefix(directory)?.with_fsync(true)))
}

fn under(store: Box<dyn ObjectStore>, prefix: Path) -> Arc<dyn ObjectStore> {
    if prefix.as_ref().is_empty() { Arc::from(store) } else { Arc::new(PrefixStore::new(store, prefix)) }
}

/// Variables that are not UTF-8 are none of the store's.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
