//! Times of events: UTC with milliseconds, from long before 1970 on.

use chrono::{DateTime, Utc};

/// The same time without what is finer than a millisecond. Event times and all times in events are of this precision;
/// a finer one would not come back from the log as it went in.
pub fn truncate_to_millis(time: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(time.timestamp_millis())
        .expect("the milliseconds of a valid time are themselves a valid time")
}

/// A time as milliseconds since the Unix epoch in Avro and as RFC 3339 text in JSON.
pub(crate) mod millis {
    use chrono::{DateTime, SecondsFormat, Utc};
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub fn serialize<S: Serializer>(time: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() {
            time.to_rfc3339_opts(SecondsFormat::Millis, true).serialize(to)
        } else {
            to.serialize_i64(time.timestamp_millis())
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<DateTime<Utc>, D::Error> {
        if from.is_human_readable() {
            return DateTime::<Utc>::deserialize(from).map(super::truncate_to_millis);
        }
        let millis = i64::deserialize(from)?;
        DateTime::from_timestamp_millis(millis)
            .ok_or_else(|| D::Error::custom(format!("{millis} ms is outside the years -262143 to 262142")))
    }
}

/// As [`millis`], for a time that may be absent.
pub(crate) mod optional_millis {
    use chrono::{DateTime, Utc};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Millis(#[serde(with = "super::millis")] DateTime<Utc>);

    pub fn serialize<S: Serializer>(time: &Option<DateTime<Utc>>, to: S) -> Result<S::Ok, S::Error> {
        time.map(Millis).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<DateTime<Utc>>, D::Error> {
        Ok(Option::<Millis>::deserialize(from)?.map(|Millis(time)| time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncation_keeps_the_millisecond_on_both_sides_of_1970() {
        for (fine, coarse) in [
            ("2026-01-02T03:04:05.678901Z", "2026-01-02T03:04:05.678Z"),
            ("1790-01-08T00:00:00.000999Z", "1790-01-08T00:00:00Z"),
            ("1790-01-08T12:30:00.123456789Z", "1790-01-08T12:30:00.123Z"),
        ] {
            let time = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
            assert_eq!(truncate_to_millis(time(fine)), time(coarse));
        }
    }
}
