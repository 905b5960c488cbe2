//! A projector that is gone between any two steps of a write.

use std::time::Duration;

use projectors::projection::StoreFailure;
use projectors::search::write::Store;
use projectors::search::{self, batch::Batch};
use read_model::search::SearchNames;

use super::world::{Indexes, changes, position, stack};
use crate::ledger::histories::{Story, placed};
use crate::ledger::soon;
use projectors::event::LoggedEvent;

const LOG: u64 = 7;

/// Writes in a runtime of its own that ends after this time, with everything in it, wherever the write is.
fn write_and_die(names: SearchNames, events: Vec<LoggedEvent>, after: Duration) {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (ready, is_ready) = std::sync::mpsc::channel();
        runtime.spawn(async move {
            let elasticsearch = search::connect(&stack().addresses().elasticsearch_url).await.unwrap();
            let store = Store::new(elasticsearch, names, LOG);
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
    let indexes = Indexes::new().await;
    let mut story = Story::new(11, 5);
    let mut all = Vec::new();
    for round in 0..10u64 {
        let events = placed(story.take(30), all.len() as u64);
        let (names, dying) = (indexes.names.clone(), events.clone());
        let death = Duration::from_micros(round * 1_500);
        tokio::task::spawn_blocking(move || write_and_die(names, dying, death)).await.unwrap();
        all.extend(events.clone());

        // The next one goes on from where the store is, as the runner does.
        let resume = async {
            loop {
                let from = indexes.store(LOG).load(0).await.unwrap();
                let rest = &all[usize::try_from(from.position.next_offset).unwrap()..];
                let to = position(all.len() as u64);
                if rest.is_empty() {
                    return;
                }
                match indexes.store(LOG).write(0, changes(rest), from, to).await {
                    Ok(_) | Err(StoreFailure::Superseded | StoreFailure::Unavailable(_)) => {}
                    Err(failure) => panic!("{failure}"),
                }
            }
        };
        soon("the successor to write", resume).await;
        indexes.assert_are_fold_of(&all).await;
    }
    // What the dead ones may still have on its way changes nothing.
    indexes.store(LOG).write_posts(&Batch::of(&all).unwrap().posts).await.unwrap();
    indexes.assert_are_fold_of(&all).await;
    indexes.drop_them().await;
}
