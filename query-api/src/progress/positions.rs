//! How far a projection has come, partition by partition.

use std::collections::BTreeMap;

use read_model::Checkpoint;
use service::token::PositionToken;

use super::store::Moment;

/// Where the projection stood in each partition, and the store's time then.
#[derive(Clone, Debug, Default)]
pub(super) struct Positions<M> {
    pub by_partition: BTreeMap<u32, Checkpoint>,
    pub moment: M,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Reached,
    Behind,
    OtherLog,
}

impl<M: Moment> Positions<M> {
    pub fn new(checkpoints: Vec<Checkpoint>, moment: M) -> Self {
        let by_partition = checkpoints.into_iter().map(|checkpoint| (checkpoint.partition, checkpoint)).collect();
        Self { by_partition, moment }
    }

    pub fn log_id(&self) -> Option<u64> {
        self.by_partition.values().next().map(|checkpoint| checkpoint.log_id)
    }

    /// A checkpoint goes no way back.
    pub fn move_to(&mut self, checkpoint: Checkpoint) {
        let is_further = |known: &Checkpoint| known.next_offset >= checkpoint.next_offset;
        if !self.by_partition.get(&checkpoint.partition).is_some_and(is_further) {
            self.by_partition.insert(checkpoint.partition, checkpoint);
        }
    }

    /// What was told may be further than what was read while it was told.
    pub fn keep(&mut self, told: &Self) {
        if self.moment.version() == told.moment.version() && self.log_id() == told.log_id() {
            told.by_partition.values().cloned().for_each(|checkpoint| self.move_to(checkpoint));
            self.moment = std::mem::take(&mut self.moment).or_later(&told.moment);
        }
    }

    /// As long as nothing is projected the log is not known, and every token is ahead.
    pub fn judge(&self, tokens: &[PositionToken]) -> Verdict {
        let Some(log_id) = self.log_id() else {
            return Verdict::Behind;
        };
        if tokens.iter().any(|token| token.log_id != log_id) {
            return Verdict::OtherLog;
        }
        let covers = |token: &PositionToken| {
            self.by_partition.get(&token.partition).is_some_and(|checkpoint| checkpoint.covers(token.offset))
        };
        if tokens.iter().all(covers) { Verdict::Reached } else { Verdict::Behind }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, positions, token};
    use super::*;

    #[test]
    fn every_token_must_lie_below_the_checkpoint_of_its_partition() {
        let positions = positions(&[at(0, 5), at(1, 9)]);
        assert_eq!(positions.judge(&[token(0, 4), token(1, 8)]), Verdict::Reached);
        assert_eq!(positions.judge(&[token(0, 5), token(1, 8)]), Verdict::Behind);
        assert_eq!(positions.judge(&[token(2, 0)]), Verdict::Behind);
    }

    #[test]
    fn a_token_of_another_log_is_told_apart_unless_nothing_is_projected() {
        let other = PositionToken { log_id: 1, ..token(0, 0) };
        assert_eq!(positions(&[at(0, 5)]).judge(&[token(0, 4), other]), Verdict::OtherLog);
        assert_eq!(positions(&[]).judge(&[other]), Verdict::Behind);
    }

    #[test]
    fn a_reading_takes_nothing_back_that_was_told_while_it_was_made() {
        let mut read = positions(&[at(0, 5), at(1, 9)]);
        read.keep(&positions(&[at(0, 6), at(1, 8), at(2, 1)]));
        assert_eq!(read.judge(&[token(0, 5), token(1, 8), token(2, 0)]), Verdict::Reached);
        assert_eq!(read.judge(&[token(0, 6)]), Verdict::Behind);
        let mut other = Positions::new(vec![at(0, 5)], Some(2));
        other.keep(&positions(&[at(0, 6)]));
        assert_eq!(
            other.judge(&[token(0, 5)]),
            Verdict::Behind,
            "a version that is made anew begins from its own reading"
        );
    }
}
