//! Events to record values and back: Avro in the Confluent wire format.
//!
//! A value names the schema that it was written with twice: by the id in its first bytes, which a registry resolves, and
//! by the fingerprint in the header `schema_fp`, which nobody can change afterwards. A value is decoded only if both agree.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use apache_avro::{AvroResult, Schema};
use bytes::Bytes;

use crate::canonical;
use crate::event::{DomainEvent, SCHEMAS};
use crate::hash::{NotADigest, SchemaFp};
use crate::registry::{Registered, Registry};
use crate::schemas::{self, SchemaVersion};
use crate::{upcast, wire};

pub use crate::registry::{COMPATIBILITY, RegistryConfig, RegistryError};

/// The largest record that broker, producer and consumer take, in bytes.
pub const RECORD_LIMIT: usize = 4 * 1024 * 1024;
/// What is kept free below [`RECORD_LIMIT`] for the key, the headers and the record's own framing, in bytes.
pub const RECORD_HEADROOM: usize = 16 * 1024;
/// The largest value that surely fits into a record, in bytes.
pub const VALUE_LIMIT: usize = RECORD_LIMIT - RECORD_HEADROOM;

/// Encodes with the current schemas and decodes what any schema of an event wrote. Shared by reference; encoding and
/// decoding of known schemas take no lock that waits on IO.
pub struct Codec {
    current: HashMap<&'static str, Current>,
    writers: RwLock<HashMap<u32, Arc<Writer>>>,
    /// Absent in a codec that knows the schemas of this build alone.
    registry: Option<Registry>,
}

/// A record value and the fingerprint of its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    pub value: Bytes,
    pub schema_fp: SchemaFp,
}

impl Encoded {
    /// Whether a record surely has room for it; see [`VALUE_LIMIT`].
    pub fn fits(&self) -> bool {
        self.value.len() <= VALUE_LIMIT
    }
}

/// A value was not decoded. Only [`DecodeError::is_retryable`] errors may pass. On every other a reader halts, or where
/// [`DecodeError::is_of_the_value`] parks what is of this value's key; a record of a type that is none of its own it passes over
/// knowingly.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("this build knows no event {event_type}; deploy a newer one")]
    UnknownEvent { event_type: String },
    #[error("the value does not begin with a zero and the id of a schema")]
    NotWireFormat,
    /// [`Codec::learn`] mends it.
    #[error("schema {id} has not been fetched from the registry yet")]
    NotCached { id: u32 },
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(
        "the registry gives for schema {id} one with the fingerprint {found}, but the value was written with {written}; restore the registry's data"
    )]
    SchemaMismatch { id: u32, written: SchemaFp, found: SchemaFp },
    #[error("the record says that it holds a {event_type}, but schema {id} describes a {described}")]
    TypeMismatch { id: u32, event_type: String, described: String },
    #[error("schema {id} of the registry cannot be used: {reason}")]
    BadSchema { id: u32, reason: String },
    #[error("the {event_type} says what this build does not know: {reason}; deploy a newer one")]
    UnknownValue { event_type: String, reason: String },
    #[error("the value is not what schema {id} of {event_type} describes: {reason}")]
    Malformed { id: u32, event_type: String, reason: String },
}

impl DecodeError {
    /// Whether decoding the same value may succeed later, or after [`Codec::learn`].
    pub fn is_retryable(&self) -> bool {
        match self {
            DecodeError::NotCached { .. } => true,
            DecodeError::Registry(error) => error.is_retryable(),
            _ => false,
        }
    }

    /// Whether it is this value that is at fault, and not this build or the registry, by which others would fail as well.
    pub fn is_of_the_value(&self) -> bool {
        matches!(self, DecodeError::NotWireFormat | DecodeError::TypeMismatch { .. } | DecodeError::Malformed { .. })
    }
}

impl Codec {
    /// For who writes events: registers every schema of this build and sees that the registry enforces compatibility. Nothing is retried here.
    pub async fn connect(config: RegistryConfig) -> Result<Self, RegistryError> {
        let registry = Registry::new(config)?;
        let registered = registry.enforce_and_register_all().await?;
        Ok(Self::new(&registered, Some(registry)))
    }

    /// For who only reads: registers every schema of this build, so that no registry is needed later for what it says, and leaves it to
    /// those who write to see that compatibility is enforced. Nothing is retried here.
    pub async fn connect_to_read(config: RegistryConfig) -> Result<Self, RegistryError> {
        let registry = Registry::new(config)?;
        let registered = registry.register_all().await?;
        Ok(Self::new(&registered, Some(registry)))
    }

    /// A codec without a registry, which numbers the schemas of this build by itself: for tests and simulations whose
    /// values never meet those of another codec.
    pub fn offline() -> Self {
        let versions =
            SCHEMAS.iter().flat_map(|event| (0..event.versions.len()).map(|version| (event.event_type, version)));
        let registered: Vec<_> =
            (1..).zip(versions).map(|(id, (event_type, version))| Registered { event_type, version, id }).collect();
        Self::new(&registered, None)
    }

    fn new(registered: &[Registered], registry: Option<Registry>) -> Self {
        let mut current = HashMap::new();
        let mut writers = HashMap::new();
        for Registered { event_type, version, id } in registered {
            let schema = &schemas::versions(event_type)[*version];
            // The last of a type stays.
            current.insert(*event_type, Current::new(*id, schema));
            writers.insert(*id, Arc::new(Writer::known(event_type, schema)));
        }
        Self { current, writers: RwLock::new(writers), registry }
    }

    /// The value of a record that holds this event. Quick and without IO.
    pub fn encode(&self, event: &DomainEvent) -> Encoded {
        let current = self.current.get(event.event_type()).expect("a codec is made with a schema for every event type");
        let mut value = wire::begin(current.id, 512);
        event.write_avro(&current.writer, &mut value).expect(
            "an event has the shape of its schema, as the suite shows for each type, and a vector takes every write",
        );
        Encoded { value: value.into(), schema_fp: current.schema_fp }
    }

    /// Decodes without IO: fails with [`DecodeError::NotCached`] if the schema has not been met before. `event_type` and
    /// `schema_fp` are those of the record's headers.
    pub fn decode_cached(
        &self,
        event_type: &str,
        schema_fp: SchemaFp,
        value: &[u8],
    ) -> Result<DomainEvent, DecodeError> {
        let Some(current) = self.current.get(event_type) else {
            return Err(DecodeError::UnknownEvent { event_type: event_type.to_owned() });
        };
        let (id, datum) = wire::split(value).ok_or(DecodeError::NotWireFormat)?;
        let writer = self.writer(id).ok_or(DecodeError::NotCached { id })?;
        if writer.schema_fp != schema_fp {
            return Err(DecodeError::SchemaMismatch { id, written: schema_fp, found: writer.schema_fp });
        }
        if writer.event_type != event_type {
            let described = writer.event_type.clone();
            return Err(DecodeError::TypeMismatch { id, event_type: event_type.to_owned(), described });
        }
        current.read(&writer, event_type, datum).map_err(|reason| {
            let event_type = event_type.to_owned();
            // A kind of post, say, that came later: the value is as its schema says, and this build does not know the name.
            if writer.describes(datum) {
                DecodeError::UnknownValue { event_type, reason }
            } else {
                DecodeError::Malformed { id, event_type, reason }
            }
        })
    }

    /// Decodes an Avro datum alone, as the golden corpus has it, that was written with one of the schemas of this build.
    pub fn decode_datum(&self, schema_fp: SchemaFp, datum: &[u8]) -> Result<DomainEvent, DecodeError> {
        let writers = self.writers.read().unwrap_or_else(PoisonError::into_inner);
        let written = writers.iter().find(|(_, writer)| writer.schema_fp == schema_fp);
        let (id, event_type) = written
            .map(|(id, writer)| (*id, writer.event_type.clone()))
            .ok_or_else(|| DecodeError::UnknownEvent { event_type: format!("with the schema {schema_fp}") })?;
        drop(writers);
        let mut value = wire::begin(id, datum.len());
        value.extend_from_slice(datum);
        self.decode_cached(&event_type, schema_fp, &value)
    }

    /// As [`Codec::decode_cached`], but asks the registry for a schema that has not been met before.
    pub async fn decode(
        &self,
        event_type: &str,
        schema_fp: SchemaFp,
        value: &[u8],
    ) -> Result<DomainEvent, DecodeError> {
        match self.decode_cached(event_type, schema_fp, value) {
            Err(DecodeError::NotCached { .. }) => {
                self.learn(value).await?;
                self.decode_cached(event_type, schema_fp, value)
            }
            decoded => decoded,
        }
    }

    /// Makes sure that the schema of this value is cached, so that [`Codec::decode_cached`] can decode the value. Does IO
    /// only for a schema that has not been met before.
    pub async fn learn(&self, value: &[u8]) -> Result<(), DecodeError> {
        let (id, _) = wire::split(value).ok_or(DecodeError::NotWireFormat)?;
        if self.writer(id).is_some() {
            return Ok(());
        }
        let registry = self.registry.as_ref().ok_or(DecodeError::NotCached { id })?;
        let text = registry.schema(id).await?;
        self.remember(id, &text)
    }

    /// What the registry has under an id, if that is what values under it were written with: for those who keep schemas beside values.
    /// `schema_fp` is as the records' headers have it.
    pub async fn schema_text(&self, id: u32, schema_fp: &str) -> Result<String, DecodeError> {
        let unusable = |reason: String| DecodeError::BadSchema { id, reason };
        let written: SchemaFp = schema_fp.parse().map_err(|error: NotADigest| unusable(error.to_string()))?;
        let registry = self.registry.as_ref().ok_or(DecodeError::NotCached { id })?;
        let text = registry.schema(id).await?;
        let found = canonical::fingerprint(&text).map_err(|error| unusable(error.to_string()))?;
        if found != written {
            return Err(DecodeError::SchemaMismatch { id, written, found });
        }
        Ok(text)
    }

    fn remember(&self, id: u32, schema: &str) -> Result<(), DecodeError> {
        let writer = Writer::foreign(schema).map_err(|reason| DecodeError::BadSchema { id, reason })?;
        self.writers.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::new(writer));
        Ok(())
    }

    fn writer(&self, id: u32) -> Option<Arc<Writer>> {
        self.writers.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codec").field("registry", &self.registry).finish_non_exhaustive()
    }
}

/// The schema that an event type is written with.
struct Current {
    id: u32,
    schema: &'static Schema,
    schema_fp: SchemaFp,
    writer: GenericDatumWriter<'static>,
    reader: GenericDatumReader<'static>,
}

impl Current {
    fn new(id: u32, version: &'static SchemaVersion) -> Self {
        const ALONE: &str = "the schemas are part of the program and refer to nothing outside themselves";
        let SchemaVersion { schema, fp, .. } = version;
        Self {
            id,
            schema,
            schema_fp: *fp,
            writer: GenericDatumWriter::builder(schema).human_readable(false).build().expect(ALONE),
            reader: GenericDatumReader::builder(schema).human_readable(false).build().expect(ALONE),
        }
    }

    fn read(&self, writer: &Writer, event_type: &str, mut datum: &[u8]) -> Result<DomainEvent, String> {
        if writer.schema_fp == self.schema_fp {
            return self.read_current(event_type, &mut datum);
        }
        let upcast = upcast::to_current(&mut datum, &writer.schema, self.schema).map_err(|error| error.to_string())?;
        nothing_left(datum)?;
        self.read_current(event_type, &mut upcast.as_slice())
    }

    fn read_current(&self, event_type: &str, datum: &mut &[u8]) -> Result<DomainEvent, String> {
        let event = DomainEvent::read_avro(event_type, &self.reader, datum)
            .ok_or("this build does not know the type")?
            .map_err(|error| error.to_string())?;
        nothing_left(datum)?;
        Ok(event)
    }
}

fn nothing_left(datum: &[u8]) -> Result<(), String> {
    match datum.len() {
        0 => Ok(()),
        left => Err(format!("{left} bytes are left over")),
    }
}

/// A schema that values in the log were written with.
struct Writer {
    event_type: String,
    schema_fp: SchemaFp,
    schema: Schema,
}

impl Writer {
    fn known(event_type: &str, version: &SchemaVersion) -> Self {
        Self { event_type: event_type.to_owned(), schema_fp: version.fp, schema: version.schema.clone() }
    }

    /// Whether this is a whole value of the schema, whatever it means.
    fn describes(&self, datum: &[u8]) -> bool {
        let again = || -> AvroResult<Vec<u8>> {
            let value = GenericDatumReader::builder(&self.schema).build()?.read_value(&mut &*datum)?;
            GenericDatumWriter::builder(&self.schema).build()?.write_value_to_vec(value)
        };
        // The reader takes the end of the bytes for nulls, so only what is written the same again is whole.
        again().is_ok_and(|again| again == datum)
    }

    fn foreign(text: &str) -> Result<Self, String> {
        let schema = Schema::parse_str(text).map_err(|error| error.to_string())?;
        let schema_fp = canonical::fingerprint(text).map_err(|error| error.to_string())?;
        let event_type = schema.name().ok_or("it has no name")?.fullname(None);
        Ok(Self { event_type, schema_fp, schema })
    }
}

#[cfg(test)]
mod tests;
