//! A projector that is gone between any two steps of a write.

use std::sync::Arc;
use std::time::Duration;

use event_log::position::Position;
use projectors::documents::batch::Batch;
use projectors::documents::connect::connect;
use projectors::documents::fold::{differences, expected};
use projectors::documents::write::Store;
use projectors::projection::StoreFailure;
use read_model::DOCUMENTS;

use super::world::{Db, stack};
use crate::ledger::histories::{Story, placed};
use crate::ledger::soon;

const LOG: u64 = 7;

fn position(next_offset: u64) -> Position {
    Position { next_offset, ..Position::START }
}

/// Writes in a runtime of its own that ends after this time, with everything in it, wherever the write is.
fn write_and_die(database: String, batch: Arc<Batch>, to: Position, after: Duration) {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (ready, is_ready) = std::sync::mpsc::channel();
        runtime.spawn(async move {
            let client = connect(&stack().addresses().mongodb_uri).await.unwrap();
            let store = Store::new(client.database(&database), DOCUMENTS, LOG);
            let from = store.load(0).await.unwrap();
            ready.send(()).unwrap();
            let _ = store.write(0, batch, from, to).await;
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
async fn a_projector_killed_in_the_middle_of_a_write_leaves_all_of_it_or_nothing() {
    let db = Db::new().await;
    let mut story = Story::new(11, 5);
    let mut all = Vec::new();
    for round in 0..8u64 {
        let events = placed(story.take(30), all.len() as u64);
        let to = position(all.len() as u64 + 30);
        let batch = Arc::new(Batch::of(&events).unwrap());
        let before = db.store(LOG).load(0).await.unwrap();
        let name = db.database.name().to_owned();
        let dying = batch.clone();
        let death = Duration::from_micros(round * 1_400);
        tokio::task::spawn_blocking(move || write_and_die(name, dying, to, death)).await.unwrap();

        // The next one goes on from where the store is, as the runner does.
        let resume = async {
            loop {
                let from = db.store(LOG).load(0).await.unwrap();
                if from.position == to {
                    return;
                }
                assert_eq!(from, before);
                let stored = db.documents().await;
                // The server may end the dead one's commit while this looks: only what stood between two equal positions
                // belongs to that position.
                if db.store(LOG).load(0).await.unwrap() == from {
                    assert_eq!(differences(&stored, &expected(&all)), []);
                }
                match db.store(LOG).write(0, batch.clone(), from, to).await {
                    // What the dead one left open holds its documents until the server gives it up.
                    Ok(_) | Err(StoreFailure::Superseded | StoreFailure::Unavailable(_)) => {}
                    Err(failure) => panic!("{failure}"),
                }
            }
        };
        soon("the successor to write", resume).await;
        all.extend(events);
        db.assert_is_fold_of(&all).await;
    }
    db.drop_it().await;
}
