//! The Confluent wire format: a zero, the id of the schema in four bytes, most significant first, then the Avro datum.

const MAGIC: u8 = 0;
const PREFIX: usize = 5;

/// A buffer that holds the prefix; the datum is to be written behind it.
pub(crate) fn begin(schema_id: u32, capacity: usize) -> Vec<u8> {
    let mut value = Vec::with_capacity(PREFIX + capacity);
    value.push(MAGIC);
    value.extend_from_slice(&schema_id.to_be_bytes());
    value
}

/// The id of the schema, and the datum.
pub(crate) fn split(value: &[u8]) -> Option<(u32, &[u8])> {
    let (prefix, datum) = value.split_first_chunk::<PREFIX>()?;
    let [magic, id @ ..] = *prefix;
    (magic == MAGIC).then(|| (u32::from_be_bytes(id), datum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_that_of_schema_registry_converter() {
        let mut value = begin(0x0102_0304, 3);
        value.extend_from_slice(b"abc");
        let theirs = schema_registry_converter::schema_registry_common::get_payload(0x0102_0304, b"abc".to_vec());
        assert_eq!(value, theirs);
        assert_eq!(split(&value), Some((0x0102_0304, b"abc".as_slice())));
    }

    #[test]
    fn what_is_too_short_or_has_another_first_byte_is_refused() {
        for value in [b"".as_slice(), &[0, 0, 0, 1], &[1, 0, 0, 0, 1, 7]] {
            assert_eq!(split(value), None);
        }
        assert_eq!(split(&[0, 0, 0, 0, 1]), Some((1, b"".as_slice())));
    }
}
