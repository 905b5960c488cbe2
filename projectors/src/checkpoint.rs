//! A reader's position as the checkpoint document has it, and back: the same for every store.

use chrono::{DateTime, Utc};
use event_log::position::Position;
use event_log::record::Epoch;
use read_model::Checkpoint;

use crate::projection::{Saved, StoreFailure};

/// The document for a position, under an id of its projection.
pub fn to_document(
    id: String,
    log_id: u64,
    partition: u32,
    position: &Position,
    revision: i64,
    updated_at: DateTime<Utc>,
) -> Checkpoint {
    // Offsets come from Kafka, where they are signed 64-bit numbers that are never negative.
    let signed = |offset: u64| i64::try_from(offset).unwrap_or(i64::MAX);
    Checkpoint {
        id,
        log_id,
        partition,
        next_offset: signed(position.next_offset),
        epoch_offset: position.epoch.map(|epoch| signed(epoch.offset)),
        nonce: position.epoch.map(|epoch| epoch.nonce.to_string()),
        next_seq: position.next_seq,
        last_record_id: position.last_record.map(|id| id.to_string()),
        updated_at,
        rev: revision,
    }
}

/// The position in a document of the log `log_id`; one of another log, or one that was tampered with, halts.
pub fn to_saved(checkpoint: &Checkpoint, log_id: u64) -> Result<Saved, StoreFailure> {
    if checkpoint.log_id != log_id {
        return Err(StoreFailure::Halt(format!(
            "the checkpoint {} is of the log {}, and this log is {log_id}; rebuild the projection, or point it at the \
             database of this log",
            checkpoint.id, checkpoint.log_id
        )));
    }
    parse(checkpoint).ok_or_else(|| {
        StoreFailure::Halt(format!("the checkpoint {} cannot be read; rebuild the projection", checkpoint.id))
    })
}

fn parse(checkpoint: &Checkpoint) -> Option<Saved> {
    let epoch = match (checkpoint.epoch_offset, &checkpoint.nonce) {
        (Some(offset), Some(nonce)) => Some(Epoch { offset: u64::try_from(offset).ok()?, nonce: nonce.parse().ok()? }),
        (None, None) => None,
        _ => return None,
    };
    let last_record = match &checkpoint.last_record_id {
        Some(id) => Some(id.parse().ok()?),
        None => None,
    };
    Some(Saved {
        position: Position {
            next_offset: u64::try_from(checkpoint.next_offset).ok()?,
            epoch,
            next_seq: checkpoint.next_seq,
            last_record,
        },
        revision: checkpoint.rev,
        begun: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use event_log::record::Nonce;
    use read_model::DOCUMENTS;
    use uuid::Uuid;

    fn document() -> Checkpoint {
        to_document(DOCUMENTS.checkpoint_id(4), 9, 4, &position(), 7, DateTime::UNIX_EPOCH)
    }

    fn position() -> Position {
        Position {
            next_offset: 42,
            epoch: Some(Epoch { offset: 12, nonce: Nonce(Uuid::from_u128(3)) }),
            next_seq: 5,
            last_record: Some(Uuid::from_u128(4)),
        }
    }

    #[test]
    fn a_position_comes_back_from_its_document() {
        let saved = |position| Saved { position, revision: 7, begun: None };
        assert_eq!(to_saved(&document(), 9), Ok(saved(position())));
        let start = to_document(DOCUMENTS.checkpoint_id(4), 9, 4, &Position::START, 7, DateTime::UNIX_EPOCH);
        assert_eq!(to_saved(&start, 9), Ok(saved(Position::START)));
    }

    #[test]
    fn a_checkpoint_of_another_log_halts() {
        assert!(matches!(to_saved(&document(), 8), Err(StoreFailure::Halt(why)) if why.contains("rebuild")));
    }

    #[test]
    fn a_checkpoint_that_cannot_be_read_halts() {
        let broken: [fn(&mut Checkpoint); 4] = [
            |checkpoint| checkpoint.nonce = Some("x".into()),
            |checkpoint| checkpoint.nonce = None,
            |checkpoint| checkpoint.next_offset = -1,
            |checkpoint| checkpoint.last_record_id = Some("x".into()),
        ];
        for breaks in broken {
            let mut checkpoint = document();
            breaks(&mut checkpoint);
            assert!(matches!(to_saved(&checkpoint, 9), Err(StoreFailure::Halt(_))));
        }
    }
}
