//! Hints where owners are.

use event_log::kafka::{OwnerHint, OwnerHints, provision};
use event_log::record::{Epoch, Nonce};
use uuid::Uuid;

use super::{config, soon};

fn hint(address: &str, offset: u64) -> OwnerHint {
    OwnerHint {
        address: address.to_owned(),
        owner: format!("owner at {address}"),
        epoch: Epoch { offset, nonce: Nonce(Uuid::now_v7()) },
    }
}

#[tokio::test]
async fn what_one_process_tells_of_its_partitions_all_others_learn_also_those_that_come_later() {
    let config = config(4);
    let identity = provision(&config).await.unwrap();
    let (told, here, moved) = (hint("10.0.0.1:1", 5), hint("10.0.0.2:1", 1), hint("10.0.0.2:1", 9));
    let publisher = OwnerHints::connect(&config, identity).unwrap();
    let early = OwnerHints::connect(&config, identity).unwrap();
    publisher.publish(2, &told);
    publisher.publish(0, &here);
    publisher.publish(2, &moved);
    let late = OwnerHints::connect(&config, identity).unwrap();
    for hints in [&publisher, &early, &late] {
        let mut table = hints.watch();
        let complete = table.wait_for(|table| table.get(&2) == Some(&moved) && table.get(&0) == Some(&here));
        soon("the hints", complete).await.unwrap();
        soon("the end of the hints", hints.complete().wait_for(|complete| *complete)).await.unwrap();
    }
    for hints in [publisher, early, late] {
        hints.close().await;
    }
}
