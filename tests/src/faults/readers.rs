//! Readers of a log with claims, ghosts and cut-off commits in it that stop at every offset and go on.

use event_log::kafka::{KafkaLog, read_partition};
use event_log::position::Position;
use uuid::Uuid;

/// How many of the last offsets are stopped at: each stop takes a reader of its own some fetches.
const STOPS: u64 = 200;

/// Reads the partition with the most claims in one go, and once more with a stop at each of its last offsets, each time going
/// on from the position that the stop left. Names what differs.
pub async fn that_stop(log: &KafkaLog) -> Vec<String> {
    let ends = log.end_offsets().await.expect("the ends of the log");
    let mut chosen = (0, 0, Vec::new());
    for (partition, end) in (0..).zip(&ends) {
        let (mut claims, mut commits) = (0, Vec::new());
        let read = read_partition(log, partition, Position::START, *end, |delivery| {
            claims += delivery.claims.len();
            commits.extend(delivery.commits.iter().map(|commit| commit.id));
        });
        read.await.expect("the partition can be read");
        if claims > chosen.0 {
            chosen = (claims, partition, commits);
        }
    }
    let (_, partition, whole) = chosen;
    let end = ends[partition as usize];
    let mut commits: Vec<Uuid> = Vec::new();
    let mut position = Position::START;
    for stop in end.saturating_sub(STOPS)..=end {
        let read = read_partition(log, partition, position, stop, |delivery| {
            commits.extend(delivery.commits.iter().map(|commit| commit.id));
        });
        position = match read.await {
            Ok(position) => position,
            Err(error) => {
                return vec![format!("a reader of partition {partition} cannot go on at offset {stop}: {error}")];
            }
        };
    }
    if commits == whole {
        return Vec::new();
    }
    let same = commits.iter().zip(&whole).take_while(|(one, other)| one == other).count();
    vec![format!("a reader of partition {partition} that stops everywhere differs from commit {same} on")]
}
