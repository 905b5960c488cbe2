//! A projector that is gone between any two steps of a write.

use std::time::Duration;

use projectors::analytics::{self, write::Store};
use projectors::event::LoggedEvent;
use projectors::projection::StoreFailure;
use read_model::analytics::ClickhouseAddress;

use super::world::{Db, NAMES, changes, position, take};
use crate::ledger::histories::{Story, placed};
use crate::ledger::soon;

const LOG: u64 = 7;

/// Writes in a runtime of its own that ends after this time, with everything in it, wherever the write is.
fn write_and_die(address: ClickhouseAddress, events: Vec<LoggedEvent>, after: Duration) {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (ready, is_ready) = std::sync::mpsc::channel();
        runtime.spawn(async move {
            let store = Store::new(analytics::connect(&address).await.unwrap(), NAMES, LOG);
            let from = store.load(0).await.unwrap();
            ready.send(()).unwrap();
            let to = position(events.last().unwrap().offset + 1);
            let _ = store.write(0, changes(&events), from, to).await;
        });
        is_ready.recv().unwrap();
        // Not a wait for anything: it is what varies from one death to the next.
        std::thread::sleep(after);
        runtime.shutdown_background();
    })
    .join()
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projector_killed_in_the_middle_of_a_write_is_gone_on_from() {
    let db = Db::new().await;
    let mut story = Story::new(11, 5);
    let mut all = Vec::new();
    for round in 0..12u64 {
        let events = placed(take(&mut story, 30), all.len() as u64);
        let (address, dying) = (db.address.clone(), events.clone());
        let death = Duration::from_millis(round * 7);
        tokio::task::spawn_blocking(move || write_and_die(address, dying, death)).await.unwrap();
        all.extend(events);

        // The next one goes on from where the store is, as the runner does: at first to the end of what was begun.
        let resume = async {
            loop {
                let from = db.store(LOG).load(0).await.unwrap();
                let end = from.begun.unwrap_or(all.len() as u64);
                let rest = &all[usize::try_from(from.position.next_offset).unwrap()..usize::try_from(end).unwrap()];
                if rest.is_empty() {
                    return;
                }
                match db.store(LOG).write(0, changes(rest), from, position(end)).await {
                    Ok(_) | Err(StoreFailure::Superseded | StoreFailure::Unavailable(_)) => {}
                    Err(failure) => panic!("{failure}"),
                }
            }
        };
        soon("the successor to write", resume).await;
        db.assert_is_fold_of(&all).await;
    }
    db.drop_it().await;
}
