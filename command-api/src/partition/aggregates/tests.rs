use event_log::state::MemoryState;

use super::*;
use crate::domain::like::LikeState;

/// What the contract says: not taken from the constant that it binds.
const DAY: i64 = 24 * 60 * 60 * 1000;
const LIKE: Uuid = Uuid::from_u128(7);

#[derive(Default)]
struct Log {
    offset: u64,
}

impl Log {
    /// A command of the like, in the log at a time.
    fn command(&mut self, aggregates: &mut Aggregates<MemoryState>, command: u128, timestamp: i64) {
        self.offset += 1;
        let known = Known {
            id: LIKE,
            version: self.offset,
            events: 1,
            time: DateTime::UNIX_EPOCH,
            command_id: Uuid::from_u128(command),
            command_hash: CommandHash::of("x"),
            offset: self.offset,
            timestamp,
        };
        aggregates.apply_known(&known, |_| AggregateState::Like(LikeState { liked: true })).unwrap();
    }
}

/// Which of the commands are remembered.
fn remembered(aggregates: &mut Aggregates<MemoryState>, commands: [u128; 3]) -> [bool; 3] {
    let aggregate = aggregates.get(LIKE, true).unwrap().unwrap();
    commands.map(|command| aggregates.remembered(LIKE, &aggregate, Uuid::from_u128(command)).unwrap().is_some())
}

#[test]
fn a_command_is_remembered_for_24_hours_of_log_time_and_the_one_that_created_for_ever() {
    // What was not flushed is looked for elsewhere.
    for flushed in [false, true] {
        let (mut aggregates, mut log) = (Aggregates::new(MemoryState::default(), 1), Log::default());
        let begin = 1_000_000;
        log.command(&mut aggregates, 1, begin);
        log.command(&mut aggregates, 2, begin);
        log.command(&mut aggregates, 3, begin + DAY);
        if flushed {
            aggregates.flush(Position::START).unwrap();
        }
        assert_eq!(remembered(&mut aggregates, [1, 2, 3]), [true; 3], "to the millisecond, flushed: {flushed}");
        aggregates.advance_log_time(begin + DAY + 1);
        if flushed {
            aggregates.flush(Position::START).unwrap();
        }
        assert_eq!(remembered(&mut aggregates, [1, 2, 3]), [true, false, true], "flushed: {flushed}");
        aggregates.advance_log_time(begin + 1000 * DAY);
        assert_eq!(remembered(&mut aggregates, [1, 2, 3]), [true, false, false], "flushed: {flushed}");
    }
}
