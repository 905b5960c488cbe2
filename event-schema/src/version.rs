//! Serde for the version of an aggregate: Avro's numbers are signed, versions are not.

use serde::{Deserialize, Deserializer, Serializer, de, ser};

pub fn serialize<S: Serializer>(version: &u64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_i64(i64::try_from(*version).map_err(ser::Error::custom)?)
}

pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    u64::try_from(i64::deserialize(from)?).map_err(de::Error::custom)
}
