//! Snapshots in object storage: `snapshots/<log id>/<partition>/<next offset>-<schema>.zst`, a few for each partition.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::local::{Discarded, LocalState, View};
use super::snapshot_file::{self, SnapshotError};
use super::{Checkpoint, Provenance, StateStore, meters};

/// Snapshots kept of each partition: one that turns out to be damaged leaves others.
const KEPT: usize = 3;
/// Bytes that are handed to the upload at a time, and how many such parts are under way.
const PART: usize = 5 * 1024 * 1024;
const PARTS_UNDER_WAY: usize = 2;
/// Pieces that wait between the disk and the network.
const PIECES: usize = 4;
const PIECE: usize = 256 * 1024;

/// How long object storage may take to say what there is: a start waits for it, and the log has everything anyway.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// A snapshot could not be stored, or snapshots not be looked through.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotsError {
    #[error("object storage failed")]
    Store(#[from] object_store::Error),
    #[error("the snapshot could not be made")]
    Snapshot(#[from] SnapshotError),
    #[error("object storage did not answer within {} s", ANSWER_LIMIT.as_secs())]
    Silent,
    #[error("this process is shutting down")]
    Closing,
}

/// Where snapshots are kept. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Snapshots {
    objects: Arc<dyn ObjectStore>,
    /// One is written at a time: they are not urgent, and commands are.
    one: Arc<Semaphore>,
}

impl Snapshots {
    pub fn new(objects: Arc<dyn ObjectStore>) -> Self {
        Self { objects, one: Arc::new(Semaphore::new(1)) }
    }

    /// Stores a snapshot of the state as it is when this is called, whatever is flushed while the returned future runs, and
    /// removes all but the newest few. Does nothing if there is one that is less than `records` older.
    pub fn store(
        &self,
        state: &LocalState,
        records: u64,
    ) -> impl Future<Output = Result<Option<Checkpoint>, SnapshotsError>> + Send + 'static {
        let (snapshots, view) = (self.clone(), state.view());
        let (partition, provenance) = (state.partition(), state.provenance());
        let offset = state.checkpoint().position.next_offset;
        async move {
            let outcome = snapshots.store_view(view, partition, &provenance, offset, records).await;
            if outcome.is_err() {
                meters::snapshot_failed();
            }
            outcome
        }
    }

    async fn store_view(
        &self,
        view: View,
        partition: u32,
        provenance: &Provenance,
        offset: u64,
        records: u64,
    ) -> Result<Option<Checkpoint>, SnapshotsError> {
        let found = self.list(provenance, partition).await?;
        let schema = short(provenance);
        let of_this_schema = |path: &&Path| path.filename().is_some_and(|name| name.contains(&schema));
        let newest = found.iter().find(of_this_schema).and_then(offset_of);
        if newest.is_some_and(|newest| offset < newest.saturating_add(records)) {
            return Ok(None);
        }
        let name = folder(provenance, partition).join(format!("{offset:020}-{schema}.zst"));
        let (checkpoint, bytes) = self.upload(view, partition, &name).await?;
        meters::snapshot_stored(partition, bytes);
        self.prune(provenance, partition).await?;
        Ok(Some(checkpoint))
    }

    /// Fills the state, which must be empty, from the newest snapshot that can be used, and gives what could not be used.
    /// The state is empty still if there is none.
    ///
    /// # Errors
    /// When object storage does not answer in time or the local store fails. A snapshot that cannot be used is no error.
    pub async fn restore(
        &self,
        mut state: LocalState,
    ) -> Result<(LocalState, Vec<(String, Discarded)>), SnapshotsError> {
        let mut unusable = Vec::new();
        // By itself the client would try for minutes.
        let found = timeout(ANSWER_LIMIT, self.list(&state.provenance(), state.partition())).await;
        for object in found.map_err(|_| SnapshotsError::Silent)?? {
            let (back, outcome) = self.download(state, &object).await?;
            state = back;
            match outcome {
                Ok(()) => break,
                Err(SnapshotError::Unusable(why)) => {
                    meters::discarded(&why, "snapshot");
                    state.discard().map_err(SnapshotError::from)?;
                    unusable.push((object.to_string(), why));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok((state, unusable))
    }

    /// Removes all snapshots of a partition.
    ///
    /// # Errors
    /// When object storage does not answer.
    pub async fn discard(&self, state: &LocalState) -> Result<usize, SnapshotsError> {
        let found = self.list(&state.provenance(), state.partition()).await?;
        for object in &found {
            self.objects.delete(object).await?;
        }
        Ok(found.len())
    }

    async fn upload(&self, view: View, partition: u32, name: &Path) -> Result<(Checkpoint, u64), SnapshotsError> {
        let _turn = self.one.acquire().await.map_err(|_| SnapshotsError::Closing)?;
        let mut upload = WriteMultipart::new_with_chunk_size(self.objects.put_multipart(name).await?, PART);
        let (pieces, mut pieces_out) = mpsc::channel(PIECES);
        let encode = tokio::task::spawn_blocking(move || {
            snapshot_file::write(&view, partition, Pieces { pieces, piece: Vec::with_capacity(PIECE) })
        });
        let mut bytes = 0;
        while let Some(piece) = pieces_out.recv().await {
            upload.wait_for_capacity(PARTS_UNDER_WAY).await?;
            bytes += Bytes::len(&piece) as u64;
            upload.put(piece);
        }
        match encode.await.map_err(|_| SnapshotsError::Closing)? {
            Ok(checkpoint) => {
                upload.finish().await?;
                Ok((checkpoint, bytes))
            }
            Err(error) => {
                upload.abort().await?;
                Err(error.into())
            }
        }
    }

    async fn download(
        &self,
        mut state: LocalState,
        object: &Path,
    ) -> Result<(LocalState, Result<(), SnapshotError>), SnapshotsError> {
        let mut stream = self.objects.get(object).await?.into_stream();
        let (pieces, pieces_out) = mpsc::channel::<Bytes>(PIECES);
        let decode = tokio::task::spawn_blocking(move || {
            let (partition, needed) = (state.partition(), state.provenance());
            let from = Received { pieces: pieces_out, piece: Bytes::new() };
            let read = snapshot_file::read(from, partition, &needed, |entries| state.restore(entries));
            let outcome = read.and_then(|checkpoint| Ok(state.restored(checkpoint)?));
            (state, outcome)
        });
        let mut failure = None;
        while let Some(piece) = stream.next().await {
            match piece {
                Ok(piece) => {
                    // Who decodes has seen enough.
                    if pieces.send(piece).await.is_err() {
                        break;
                    }
                }
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        drop(pieces);
        let (state, outcome) = decode.await.map_err(|_| SnapshotsError::Closing)?;
        match failure {
            Some(error) => Err(error.into()),
            None => Ok((state, outcome)),
        }
    }

    /// The newest first.
    async fn list(&self, provenance: &Provenance, partition: u32) -> Result<Vec<Path>, SnapshotsError> {
        let listed = self.objects.list(Some(&folder(provenance, partition)));
        let mut found: Vec<Path> = listed.map_ok(|object| object.location).try_collect().await?;
        found.sort_unstable_by(|a, b| b.cmp(a));
        Ok(found)
    }

    async fn prune(&self, provenance: &Provenance, partition: u32) -> Result<(), SnapshotsError> {
        for old in self.list(provenance, partition).await?.into_iter().skip(KEPT) {
            match self.objects.delete(&old).await {
                // Another owner removed it.
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

fn folder(provenance: &Provenance, partition: u32) -> Path {
    Path::from(format!("snapshots/{:016x}/{partition}", provenance.log_id))
}

/// Tells snapshots of different schemas at one offset apart.
fn short(provenance: &Provenance) -> String {
    provenance.schema.to_string().chars().take(8).collect()
}

fn offset_of(path: &Path) -> Option<u64> {
    path.filename()?.split('-').next()?.parse().ok()
}

/// Sends on what is written, a piece at a time.
struct Pieces {
    pieces: mpsc::Sender<Bytes>,
    piece: Vec<u8>,
}

impl Pieces {
    fn send(&mut self) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        self.pieces.blocking_send(piece.into()).map_err(|_| io::Error::other("the upload was given up"))
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() { Ok(()) } else { self.send() }
    }
}

/// Reads what is received.
struct Received {
    pieces: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

impl Read for Received {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let length = to.len().min(self.piece.len());
        to[..length].copy_from_slice(&self.piece.split_to(length));
        Ok(length)
    }
}
