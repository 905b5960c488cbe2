//! How ids, times and unsigned 64-bit numbers stand in BSON, for `#[serde(with = "...")]` and for filters.

use chrono::{DateTime, Utc};
use mongodb::bson;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

/// The id as a filter or an update needs it; a text would match nothing.
pub fn id(id: Uuid) -> bson::Bson {
    bson::Uuid::from_bytes(id.into_bytes()).into()
}

/// The id that is stored so, if it is one.
pub fn to_id(stored: &bson::Bson) -> Option<Uuid> {
    let bson::Bson::Binary(binary) = stored else { return None };
    Some(Uuid::from_bytes(binary.to_uuid().ok()?.bytes()))
}

/// The time as a filter or an update needs it, cut to whole milliseconds as the store does.
pub fn time(time: DateTime<Utc>) -> bson::Bson {
    bson::Bson::DateTime(to_bson_time(time))
}

/// A document as people read JSON: ids and times as texts, numbers as numbers.
///
/// # Errors
/// For what is no document.
pub fn plain_json(document: &impl Serialize) -> Result<Value, bson::ser::Error> {
    bson::to_bson(document).map(plain)
}

fn plain(value: bson::Bson) -> Value {
    match value {
        bson::Bson::Document(fields) => fields.into_iter().map(|(name, value)| (name, plain(value))).collect(),
        bson::Bson::Array(values) => values.into_iter().map(plain).collect(),
        bson::Bson::DateTime(time) => time.try_to_rfc3339_string().map_or(Value::Null, Value::String),
        bson::Bson::Binary(binary) if binary.subtype == bson::spec::BinarySubtype::Uuid => {
            Uuid::from_slice(&binary.bytes).map_or(Value::Null, |id| Value::String(id.to_string()))
        }
        other => other.into_relaxed_extjson(),
    }
}

fn to_bson_time(time: DateTime<Utc>) -> bson::DateTime {
    bson::DateTime::from_millis(time.timestamp_millis())
}

fn from_bson_time<E: serde::de::Error>(time: bson::DateTime) -> Result<DateTime<Utc>, E> {
    DateTime::from_timestamp_millis(time.timestamp_millis()).ok_or_else(|| E::custom("date out of range"))
}

fn to_bson_uuid(id: Uuid) -> bson::Uuid {
    bson::Uuid::from_bytes(id.into_bytes())
}

fn from_bson_uuid(id: bson::Uuid) -> Uuid {
    Uuid::from_bytes(id.bytes())
}

pub mod uuid_binary {
    use super::{from_bson_uuid, to_bson_uuid};
    use mongodb::bson;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use uuid::Uuid;

    pub fn serialize<S: Serializer>(id: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
        to_bson_uuid(*id).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Uuid, D::Error> {
        bson::Uuid::deserialize(deserializer).map(from_bson_uuid)
    }
}

pub mod uuid_binaries {
    use super::{from_bson_uuid, to_bson_uuid};
    use mongodb::bson;
    use serde::{Deserialize, Deserializer, Serializer};
    use uuid::Uuid;

    pub fn serialize<S: Serializer>(ids: &[Uuid], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(ids.iter().map(|id| to_bson_uuid(*id)))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Uuid>, D::Error> {
        let ids = Vec::<bson::Uuid>::deserialize(deserializer)?;
        Ok(ids.into_iter().map(from_bson_uuid).collect())
    }
}

pub mod date {
    use super::{from_bson_time, to_bson_time};
    use chrono::{DateTime, Utc};
    use mongodb::bson;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
        to_bson_time(*time).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
        bson::DateTime::deserialize(deserializer).and_then(from_bson_time)
    }
}

pub mod optional_date {
    use super::{from_bson_time, to_bson_time};
    use chrono::{DateTime, Utc};
    use mongodb::bson;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(time: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
        time.map(to_bson_time).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
        Option::<bson::DateTime>::deserialize(deserializer)?.map(from_bson_time).transpose()
    }
}

/// Log ids are random and use all 64 bits, more than a BSON integer can hold without a sign: they are stored as
/// decimal text.
pub mod u64_text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
