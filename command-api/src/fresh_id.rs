//! Ids of new aggregates that no key names.

use event_log::kafka::partition_for;
use uuid::Uuid;

/// Odd, so that all values of the last four bytes come by before one comes again; far, so that neighbours look nothing alike.
const STEP: u32 = 0x9e37_79b1;

/// The same UUIDv7 but for its last four bytes, which are random in it and stay as good as that: they go on from where they stood
/// until the id falls to the partition. That takes as many steps as there are partitions, on average.
pub fn in_partition(id: Uuid, partition: u32, partitions: u32) -> Uuid {
    let mut text = Uuid::encode_buffer();
    let (fixed, mut last) = (id.as_u128() & !u128::from(u32::MAX), id.as_u128() as u32);
    loop {
        let candidate = Uuid::from_u128(fixed | u128::from(last));
        let key = candidate.hyphenated().encode_lower(&mut text);
        if partition_for(key.as_bytes(), partitions) == partition {
            return candidate;
        }
        last = last.wrapping_add(STEP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_falls_to_the_partition_that_is_wanted_and_stays_a_uuid_of_its_time() {
        for partitions in [1, 12, 100] {
            for partition in 0..partitions {
                let id = Uuid::now_v7();
                let moved = in_partition(id, partition, partitions);
                assert_eq!(partition_for(moved.to_string().as_bytes(), partitions), partition);
                assert_eq!((moved.get_version_num(), moved.get_variant()), (7, uuid::Variant::RFC4122));
                assert_eq!(id.get_timestamp().unwrap().to_unix(), moved.get_timestamp().unwrap().to_unix());
            }
        }
    }

    #[test]
    fn ids_of_one_partition_differ_in_their_last_eight_digits() {
        // Slugs end with them.
        let ends: std::collections::HashSet<u32> =
            (0..10_000).map(|_| in_partition(Uuid::now_v7(), 5, 12).as_u128() as u32).collect();
        assert!(ends.len() > 9_990, "{}", ends.len());
    }
}
