//! The keys and fixed values of a partition's keyspace.
//!
//! | key | value |
//! |---|---|
//! | `a` aggregate | the aggregate |
//! | `c` aggregate, command | log time of the command, then the answer that it got |
//! | `d` time, aggregate | nothing: the aggregate is due then |
//! | `e` time, offset | the commands of one batch, 32 bytes each; the latest of them has that log time |
//! | `m` | provenance and checkpoint |
//!
//! Numbers are big-endian, times with their sign bit flipped, so that keys sort as what they stand for.

use uuid::Uuid;

use super::{Checkpoint, CommandKey, Due, Provenance, StateError, StateSchema};
use crate::position::Position;
use crate::record::{Epoch, Nonce};

pub const AGGREGATE: u8 = b'a';
pub const DUE: u8 = b'd';
pub const EXPIRY: u8 = b'e';
pub const META: [u8; 1] = [b'm'];

/// The layout of keys and of the meta value. Another one makes all local state and snapshots foreign.
const LAYOUT: u8 = 1;

pub fn aggregate(id: Uuid) -> [u8; 17] {
    let mut key = [AGGREGATE; 17];
    key[1..].copy_from_slice(id.as_bytes());
    key
}

pub fn command((aggregate, command): CommandKey) -> [u8; 33] {
    let mut key = [b'c'; 33];
    key[1..17].copy_from_slice(aggregate.as_bytes());
    key[17..].copy_from_slice(command.as_bytes());
    key
}

pub fn due((at, id): Due) -> [u8; 25] {
    let mut key = [DUE; 25];
    key[1..9].copy_from_slice(&time(at));
    key[9..].copy_from_slice(id.as_bytes());
    key
}

pub fn read_due(key: &[u8]) -> Option<Due> {
    let (at, id) = key.strip_prefix(&[DUE])?.split_first_chunk::<8>()?;
    Some((read_time(*at), Uuid::from_slice(id).ok()?))
}

/// The commands of the batch that ended at `offset`, the latest of which has the log time `at`.
pub fn expiry(at: i64, offset: u64) -> [u8; 17] {
    let mut key = [EXPIRY; 17];
    key[1..9].copy_from_slice(&time(at));
    key[9..].copy_from_slice(&offset.to_be_bytes());
    key
}

pub fn expired(keys: &[CommandKey]) -> Vec<u8> {
    keys.iter().flat_map(|(aggregate, command)| [*aggregate.as_bytes(), *command.as_bytes()]).flatten().collect()
}

pub fn read_expired(value: &[u8]) -> Option<Vec<CommandKey>> {
    let (keys, rest) = value.as_chunks::<32>();
    let key = |pair: &[u8; 32]| {
        let (aggregate, command) = pair.split_first_chunk::<16>()?;
        Some((Uuid::from_bytes(*aggregate), Uuid::from_slice(command).ok()?))
    };
    rest.is_empty().then(|| keys.iter().map(key).collect())?
}

pub fn meta(provenance: &Provenance, checkpoint: &Checkpoint) -> Vec<u8> {
    let Provenance { log_id, schema } = provenance;
    let Position { next_offset, epoch, next_seq, last_record } = checkpoint.position;
    let mut value = Vec::with_capacity(130);
    value.push(LAYOUT);
    value.extend(log_id.to_be_bytes());
    value.extend(schema.0);
    value.extend(next_offset.to_be_bytes());
    value.push(u8::from(epoch.is_some()));
    value.extend(epoch.map_or(0, |epoch| epoch.offset).to_be_bytes());
    value.extend(epoch.map_or(Uuid::nil(), |epoch| epoch.nonce.0).as_bytes());
    value.extend(next_seq.to_be_bytes());
    value.push(u8::from(last_record.is_some()));
    value.extend(last_record.unwrap_or(Uuid::nil()).as_bytes());
    value.extend(checkpoint.log_time.to_be_bytes());
    value.extend(checkpoint.aggregates.to_be_bytes());
    value
}

pub fn read_meta(value: &[u8]) -> Result<(Provenance, Checkpoint), StateError> {
    let damaged = || StateError::Damaged("its checkpoint cannot be read".to_owned());
    let mut fields = Fields(value);
    if fields.take() != Some([LAYOUT]) {
        return Err(StateError::Damaged("it is laid out in another way".to_owned()));
    }
    let mut read = || {
        let provenance = Provenance { log_id: fields.u64()?, schema: StateSchema(fields.take()?) };
        let next_offset = fields.u64()?;
        let [has_epoch] = fields.take()?;
        let epoch = Epoch { offset: fields.u64()?, nonce: Nonce(fields.uuid()?) };
        let next_seq = fields.u64()?;
        let [has_record] = fields.take()?;
        let last_record = fields.uuid()?;
        let position = Position {
            next_offset,
            epoch: (has_epoch == 1).then_some(epoch),
            next_seq,
            last_record: (has_record == 1).then_some(last_record),
        };
        let log_time = i64::from_be_bytes(fields.take()?);
        let checkpoint = Checkpoint { position, log_time, aggregates: fields.u64()? };
        fields.0.is_empty().then_some((provenance, checkpoint))
    };
    read().ok_or_else(damaged)
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    fn uuid(&mut self) -> Option<Uuid> {
        self.take().map(Uuid::from_bytes)
    }
}

pub fn remembered(at: i64, answer: &[u8]) -> Vec<u8> {
    [&at.to_be_bytes(), answer].concat()
}

pub fn read_remembered(value: &[u8]) -> Option<(i64, &[u8])> {
    let (at, answer) = value.split_first_chunk::<8>()?;
    Some((i64::from_be_bytes(*at), answer))
}

pub fn time(millis: i64) -> [u8; 8] {
    (millis.cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

fn read_time(bytes: [u8; 8]) -> i64 {
    (u64::from_be_bytes(bytes) ^ (1 << 63)).cast_signed()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn due_times_sort_as_times_and_read_back(a in any::<(i64, u128)>(), b in any::<(i64, u128)>()) {
            let [a, b] = [a, b].map(|(at, id)| (at, Uuid::from_u128(id)));
            prop_assert_eq!(due(a).cmp(&due(b)), a.cmp(&b));
            prop_assert_eq!(read_due(&due(a)), Some(a));
        }

        #[test]
        fn a_checkpoint_reads_back(
            log_id in any::<u64>(), schema in any::<[u8; 32]>(), next_offset in any::<u64>(), next_seq in any::<u64>(),
            epoch in any::<Option<(u64, u128)>>(), last in any::<Option<u128>>(), log_time in any::<i64>(),
            aggregates in any::<u64>(),
        ) {
            let epoch = epoch.map(|(offset, nonce)| Epoch { offset, nonce: Nonce(Uuid::from_u128(nonce)) });
            let position = Position { next_offset, epoch, next_seq, last_record: last.map(Uuid::from_u128) };
            let provenance = Provenance { log_id, schema: StateSchema(schema) };
            let checkpoint = Checkpoint { position, log_time, aggregates };
            let value = meta(&provenance, &checkpoint);
            prop_assert_eq!(read_meta(&value).unwrap(), (provenance, checkpoint));
            prop_assert!(read_meta(&value[..value.len() - 1]).is_err());
        }
    }

    #[test]
    fn expiring_commands_read_back() {
        let keys: Vec<CommandKey> = (0..3).map(|n| (Uuid::from_u128(n), Uuid::from_u128(n << 64))).collect();
        assert_eq!(read_expired(&expired(&keys)), Some(keys.clone()));
        assert_eq!(read_expired(&expired(&keys)[1..]), None);
    }
}
