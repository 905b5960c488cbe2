//! One snapshot as bytes: a zstd frame that holds
//!
//! ```text
//! "groot-state-snapshot 1\n"
//! u32 partition
//! u32 length, provenance and checkpoint    as in the store itself
//! u32 length, key, u32 length, value       for each entry, in the order of keys
//! u32 0                                    no key is empty
//! u64 count of entries
//! SHA-256 of everything before it
//! ```
//!
//! Numbers are big-endian. A snapshot is valid if it can be read to its end and all of this holds.

use std::io::{self, BufReader, Read, Write};

use sha2::{Digest, Sha256};

use super::local::{View, difference};
use super::{Checkpoint, Discarded, Provenance, StateError, layout};

const MAGIC: &[u8] = b"groot-state-snapshot 1\n";
/// Fast, and a third of the size.
const LEVEL: i32 = 3;
/// No key or value is longer than this; a length beyond it is no length.
const LONGEST: u32 = 64 * 1024 * 1024;
/// Entries that are handed on at a time.
const BATCH_ENTRIES: usize = 1_000;
const BATCH_BYTES: usize = 1024 * 1024;

/// A snapshot cannot be written, or not be used.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("{0}")]
    Unusable(Discarded),
    #[error("the local state cannot be used")]
    State(#[from] StateError),
    #[error("its bytes cannot be passed on")]
    Io(#[from] io::Error),
}

pub type Entry = (Vec<u8>, Vec<u8>);

/// Writes all that the view holds, and gives its checkpoint.
pub fn write(view: &View, partition: u32, to: impl Write) -> Result<Checkpoint, SnapshotError> {
    let Some((provenance, checkpoint)) = view.checkpoint()? else {
        return Err(StateError::Damaged("it has no checkpoint".to_owned()).into());
    };
    let mut encoder = zstd::Encoder::new(to, LEVEL)?;
    encoder.include_checksum(true)?;
    let mut file = Hashing { inner: encoder, hash: Sha256::new() };
    file.write_all(MAGIC)?;
    file.write_all(&partition.to_be_bytes())?;
    field(&mut file, &layout::meta(&provenance, &checkpoint))?;
    let mut count = 0u64;
    for entry in view.entries() {
        let (key, value) = entry?;
        field(&mut file, &key)?;
        field(&mut file, &value)?;
        count += 1;
    }
    file.write_all(&0u32.to_be_bytes())?;
    file.write_all(&count.to_be_bytes())?;
    let Hashing { mut inner, hash } = file;
    inner.write_all(&hash.finalize())?;
    inner.finish()?.flush()?;
    Ok(checkpoint)
}

/// Reads a snapshot and hands its entries on as they come; they count only if this gives a checkpoint in the end.
pub fn read(
    from: impl Read,
    partition: u32,
    needed: &Provenance,
    mut take: impl FnMut(Vec<Entry>) -> Result<(), StateError>,
) -> Result<Checkpoint, SnapshotError> {
    let decoder = zstd::Decoder::new(from)?;
    let mut file = Hashing { inner: BufReader::new(decoder), hash: Sha256::new() };
    if file.array::<{ MAGIC.len() }>()? != MAGIC {
        return Err(damaged("it is no snapshot"));
    }
    let found = u32::from_be_bytes(file.array()?);
    if found != partition {
        return Err(damaged(format!("it is of partition {found}")));
    }
    let meta = file.field()?;
    let (provenance, checkpoint) = match layout::read_meta(&meta) {
        Ok(meta) => meta,
        Err(StateError::Damaged(how)) => return Err(damaged(how)),
        Err(error) => return Err(error.into()),
    };
    if let Some(difference) = difference(&provenance, needed) {
        return Err(SnapshotError::Unusable(difference));
    }
    let (mut entries, mut bytes, mut count) = (Vec::new(), 0, 0u64);
    loop {
        let key = file.field()?;
        if key.is_empty() {
            break;
        }
        let value = file.field()?;
        bytes += key.len() + value.len();
        count += 1;
        entries.push((key, value));
        if entries.len() >= BATCH_ENTRIES || bytes >= BATCH_BYTES {
            take(std::mem::take(&mut entries))?;
            bytes = 0;
        }
    }
    if u64::from_be_bytes(file.array()?) != count {
        return Err(damaged("entries are missing"));
    }
    let expected = file.hash.clone().finalize();
    if file.array::<32>()? != expected[..] {
        return Err(damaged("its checksum is wrong"));
    }
    take(entries)?;
    Ok(checkpoint)
}

fn field(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    to.write_all(&length.to_be_bytes())?;
    to.write_all(bytes)
}

fn damaged(how: impl Into<String>) -> SnapshotError {
    SnapshotError::Unusable(Discarded::Damaged(how.into()))
}

/// Passes bytes on and hashes them.
struct Hashing<T> {
    inner: T,
    hash: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Hashing<R> {
    /// Bytes that cannot be read are a snapshot that ends early, or a frame that does not decode.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), SnapshotError> {
        self.inner.read_exact(bytes).map_err(|error| damaged(format!("it cannot be read to its end: {error}")))?;
        self.hash.update(bytes);
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn field(&mut self) -> Result<Vec<u8>, SnapshotError> {
        let length = u32::from_be_bytes(self.array()?);
        if length > LONGEST {
            return Err(damaged(format!("it has a field of {length} bytes")));
        }
        let mut bytes = vec![0; length as usize];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }
}
