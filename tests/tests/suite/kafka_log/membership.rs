//! Members of a group share the partitions.

use std::collections::BTreeSet;

use event_log::kafka::{HandOver, Membership, MembershipConfig, MembershipEvent};

use super::{log, soon};

struct Member {
    membership: Membership,
    held: BTreeSet<u32>,
    generation: i32,
    returning: Option<(Vec<u32>, HandOver)>,
}

impl Member {
    fn join(config: &event_log::kafka::KafkaConfig) -> Self {
        let group = MembershipConfig::new(format!("{}.group", config.client_id));
        Self {
            membership: Membership::join(config, group).unwrap(),
            held: BTreeSet::new(),
            generation: 0,
            returning: None,
        }
    }

    /// Takes in one event; false once the group is left.
    async fn step(&mut self) -> bool {
        match self.membership.next().await {
            Some(MembershipEvent::Assigned { partitions, generation }) => {
                assert!(generation >= self.generation);
                self.generation = generation;
                self.held.extend(partitions);
            }
            Some(MembershipEvent::Revoked { partitions, done, .. }) => self.returning = Some((partitions, done)),
            Some(MembershipEvent::Lost { partitions }) => panic!("lost {partitions:?}"),
            Some(MembershipEvent::Confirmed { generation }) => self.generation = generation,
            None => return false,
        }
        true
    }

    fn hand_over(&mut self) {
        if let Some((partitions, done)) = self.returning.take() {
            self.held.retain(|partition| !partitions.contains(partition));
            done.finish();
        }
    }
}

#[tokio::test]
async fn members_share_the_partitions_and_hand_over_only_when_they_are_ready() {
    let (config, log) = log(6).await;
    let mut first = Member::join(&config);
    soon("all partitions at the first", async {
        while first.held.len() < 6 {
            first.step().await;
        }
    })
    .await;
    let alone = first.generation;

    let mut second = Member::join(&config);
    soon("the call for partitions", async {
        while first.returning.is_none() {
            tokio::select! {
                _ = first.step() => {}
                _ = second.step() => assert!(second.held.is_empty(), "the first still holds them"),
            }
        }
    })
    .await;
    let (called_back, _) = first.returning.as_ref().unwrap();
    assert_eq!(called_back.len(), 3);

    // The first is in no hurry. The group waits for it, past the time at which it would take a member for dead.
    let waited = tokio::time::Instant::now() + std::time::Duration::from_secs(7);
    while tokio::time::timeout_at(waited, async {
        tokio::select! {
            more = first.step() => assert!(more),
            more = second.step() => assert!(more),
        }
    })
    .await
    .is_ok()
    {
        assert!(second.held.is_empty(), "the first still holds them");
    }

    first.hand_over();
    soon("three partitions each", async {
        while second.held.len() < 3 || first.generation != second.generation {
            tokio::select! {
                _ = first.step() => {}
                _ = second.step() => {}
            }
        }
    })
    .await;
    assert!(first.held.is_disjoint(&second.held));
    assert_eq!(first.held.len(), 3);
    assert!(second.generation > alone);

    // The first leaves: what it holds is at the second as soon as it is handed over, and its own next() ends.
    first.membership.leave();
    soon("the first to leave", async {
        while first.step().await {
            first.hand_over();
        }
    })
    .await;
    assert!(first.held.is_empty());
    soon("all partitions at the second", async {
        while second.held.len() < 6 {
            second.step().await;
        }
    })
    .await;
    drop((first, second));
    log.close().await;
}
