//! From the version of a schema that a value was written with to the current one. The rule: every version ever published
//! decodes, for ever, into the Rust type of today.
//!
//! Schemas change only in ways that are compatible in both directions with every former version, so Avro's own resolution
//! of the writer's schema to the reader's is the whole step: fields that came are filled from their defaults, fields that
//! went are dropped. The day on which a new version means something that resolution cannot express, the step from one
//! version to the next goes here, between reading and writing, in a chain of one function for each version.

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use apache_avro::{AvroResult, Schema};

/// Takes one datum off the front of `from` and gives it as the current schema writes it.
pub(crate) fn to_current(from: &mut &[u8], written: &Schema, current: &Schema) -> AvroResult<Vec<u8>> {
    let reader = GenericDatumReader::builder(written).reader_schema(current).build()?;
    let value = reader.read_value(from)?;
    GenericDatumWriter::builder(current).build()?.write_value_to_vec(value)
}
