//! What the log says in the end: the reader rule over all of it, and over it again from every place to resume at.

use event_log::position::Position;
use event_log::reader::{Commit, CommitReader, Step};
use event_log::record::LogRecord;

/// All commits that count, in order.
pub fn fold(records: &[LogRecord]) -> Vec<Commit> {
    read(records, Position::START).0
}

/// Whether every reader that stops anywhere and resumes there releases what one that never stops does.
pub fn assert_resuming_changes_nothing(records: &[LogRecord]) {
    let (whole, positions) = read(records, Position::START);
    for (released, position) in positions {
        let (rest, _) = read(records, position);
        assert_eq!(rest, whole[released..], "a reader that resumed at {position:?} disagrees");
    }
}

/// The commits from `position` on, and after each record how many had been released and where a resume would start.
fn read(records: &[LogRecord], position: Position) -> (Vec<Commit>, Vec<(usize, Position)>) {
    let mut reader = CommitReader::resume(0, position);
    let mut commits = Vec::new();
    let mut positions = Vec::new();
    for record in &records[reader.next_offset() as usize..] {
        if let Step::Released(commit) = reader.step(record.clone()).expect("the log was not cut back") {
            commits.push(commit);
        }
        positions.push((commits.len(), reader.position()));
    }
    (commits, positions)
}
