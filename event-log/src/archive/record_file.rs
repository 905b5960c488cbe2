//! The file of a range: an Avro object container file whose blocks are compressed with zstd, one Avro record for each record of the log.
//!
//! Any reader of Avro understands it without this program. Keys, values and headers are bytes as the log has them: a value keeps the
//! five bytes in front of its own datum.

use std::io::{self, BufReader, Seek, SeekFrom, Write};
use std::sync::LazyLock;

use apache_avro::reader::ReaderDeser;
use apache_avro::serde::{bytes, bytes_opt};
use apache_avro::{Codec, Error as AvroError, Reader, Schema, Writer, ZstandardSettings};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::SpooledTempFile;

use super::manifest::hex;
use crate::record::{HeadersReader, LogRecord};

const SCHEMA: &str = include_str!("archived_record.avsc");

static PARSED: LazyLock<Schema> =
    LazyLock::new(|| Schema::parse_str(SCHEMA).expect("the schema is part of the program, and a test parses it"));

/// Fast, and about a third of the size.
const LEVEL: u8 = 3;
/// Bytes of records that are compressed together. A reader holds a block at a time.
const BLOCK: usize = 256 * 1024;
/// What is held in memory of a file before it goes to a temporary one.
const IN_MEMORY: usize = 1024 * 1024;

// Names are those of the schema, which the library compares.
#[derive(Serialize)]
#[serde(rename = "ArchivedRecord")]
struct RowOut<'a> {
    offset: i64,
    timestamp: i64,
    #[serde(with = "bytes_opt")]
    key: Option<&'a [u8]>,
    #[serde(with = "bytes_opt")]
    value: Option<&'a [u8]>,
    headers: Vec<HeaderOut<'a>>,
}

#[derive(Serialize)]
#[serde(rename = "Header")]
struct HeaderOut<'a> {
    name: &'a str,
    #[serde(with = "bytes")]
    value: &'a [u8],
}

#[derive(Deserialize)]
#[serde(rename = "ArchivedRecord")]
struct RowIn {
    offset: i64,
    timestamp: i64,
    #[serde(with = "bytes_opt")]
    key: Option<Vec<u8>>,
    #[serde(with = "bytes_opt")]
    value: Option<Vec<u8>>,
    headers: Vec<HeaderIn>,
}

#[derive(Deserialize)]
#[serde(rename = "Header")]
struct HeaderIn {
    name: String,
    #[serde(with = "bytes")]
    value: Vec<u8>,
}

/// A place for a file that may be large: in memory as long as it is small, then in a temporary file that nobody else sees.
pub(super) fn spool() -> SpooledTempFile {
    SpooledTempFile::new(IN_MEMORY)
}

/// Writes the file of a range.
pub(super) struct RecordWriter {
    avro: Writer<'static, Hashing>,
}

/// A file that is complete, to be read from its beginning.
pub(super) struct Written {
    pub file: SpooledTempFile,
    pub bytes: u64,
    pub sha256: String,
}

impl RecordWriter {
    pub fn new() -> Result<Self, io::Error> {
        let to = Hashing { inner: spool(), hash: Sha256::new(), bytes: 0 };
        let codec = Codec::Zstandard(ZstandardSettings::new(LEVEL));
        let avro = Writer::builder().schema(&PARSED).writer(to).codec(codec).block_size(BLOCK).build();
        Ok(Self { avro: avro.map_err(io::Error::other)? })
    }

    pub fn push(&mut self, record: &LogRecord) -> Result<(), io::Error> {
        let headers = record.headers.iter().map(|(name, value)| HeaderOut { name, value }).collect();
        let row = RowOut {
            offset: i64::try_from(record.offset).map_err(io::Error::other)?,
            timestamp: record.timestamp,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers,
        };
        self.avro.append_ser(row).map_err(io::Error::other)?;
        Ok(())
    }

    pub fn finish(self) -> Result<Written, io::Error> {
        let Hashing { inner: mut file, hash, bytes } = self.avro.into_inner().map_err(io::Error::other)?;
        file.seek(SeekFrom::Start(0))?;
        Ok(Written { file, bytes, sha256: hex(&hash.finalize()) })
    }
}

/// Passes bytes on, and counts and hashes them.
pub(super) struct Hashing {
    inner: SpooledTempFile,
    hash: Sha256,
    bytes: u64,
}

impl Write for Hashing {
    /// Takes all of it: the writer of Avro does not look at how much was taken.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write_all(bytes)?;
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Reads the records of a file whose checksum is known to be right.
pub(super) struct RecordReader {
    partition: u32,
    headers: HeadersReader,
    rows: ReaderDeser<'static, BufReader<SpooledTempFile>, RowIn>,
}

impl RecordReader {
    pub fn new(partition: u32, mut file: SpooledTempFile) -> Result<Self, AvroError> {
        // A file that cannot be read from its beginning shows as one without a header.
        let _ = file.seek(SeekFrom::Start(0));
        Ok(Self {
            partition,
            headers: HeadersReader::default(),
            rows: Reader::new(BufReader::new(file))?.into_deser_iter(),
        })
    }
}

impl Iterator for RecordReader {
    type Item = Result<LogRecord, String>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.rows.next()?;
        // The library's errors repeat whole schemas.
        let told = |error: AvroError| error.to_string().chars().take(200).collect::<String>();
        Some(row.map_err(told).and_then(|row| record(self.partition, row, &mut self.headers)))
    }
}

fn record(partition: u32, row: RowIn, headers: &mut HeadersReader) -> Result<LogRecord, String> {
    let offset = u64::try_from(row.offset).map_err(|_| format!("it has a record at offset {}", row.offset))?;
    for HeaderIn { name, value } in &row.headers {
        headers.push(name.as_bytes(), value);
    }
    let (key, value) = (row.key.map(Into::into), row.value.map(Into::into));
    Ok(LogRecord { partition, offset, timestamp: row.timestamp, key, value, headers: headers.finish() })
}
