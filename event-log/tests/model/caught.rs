//! Each mutation of the protocol is caught, by the invariant that it breaks.

use stateright::{Checker, HasDiscoveries, Model};

use crate::mutation::Mutation;
use crate::properties::{ACKNOWLEDGED, CUT, DECIDED, ONCE, READERS, VERSIONS, VOIDED};
use crate::protocol::{Asks, Order, Protocol};

/// The least in which most mutations show.
const LEAST: Protocol = Protocol {
    mutation: Mutation::None,
    claims: 2,
    commands: &[2, 1],
    duplicates: 0,
    late: 2,
    order: Order::Kept,
    cuts: false,
    asks: Asks::Invariants,
};

#[test]
fn an_ignored_epoch_lets_a_deposed_owner_write() {
    caught(Protocol { mutation: Mutation::EpochIgnored, ..LEAST }, &[VERSIONS, DECIDED, VOIDED]);
}

#[test]
fn an_ignored_seq_lets_a_record_be_skipped() {
    caught(Protocol { mutation: Mutation::SeqIgnored, ..LEAST }, &[VERSIONS, DECIDED]);
}

#[test]
fn an_ignored_seq_lets_a_record_count_twice() {
    let one_command = Protocol { commands: &[1], duplicates: 1, ..LEAST };
    caught(Protocol { mutation: Mutation::SeqIgnored, ..one_command }, &[ONCE, VERSIONS]);
}

#[test]
fn an_ignored_nonce_revives_an_epoch_that_was_cut_off() {
    caught(Protocol { mutation: Mutation::NonceIgnored, cuts: true, ..LEAST }, &[DECIDED]);
}

#[test]
fn settling_before_the_claim_stands_voids_what_still_counts() {
    caught(Protocol { mutation: Mutation::SettledBeforeTheClaimStands, ..LEAST }, &[VOIDED]);
}

#[test]
fn a_trusted_report_acknowledges_what_a_claim_has_voided() {
    caught(Protocol { mutation: Mutation::ReportTrusted, ..LEAST }, &[ACKNOWLEDGED]);
}

#[test]
fn a_wrong_report_acknowledges_what_is_lost() {
    caught(Protocol { mutation: Mutation::WrongReportTrusted, ..LEAST }, &[ACKNOWLEDGED]);
}

#[test]
fn an_offset_alone_does_not_say_what_counts() {
    caught(Protocol { mutation: Mutation::OffsetAloneResumed, ..LEAST }, &[READERS]);
}

#[test]
fn a_reader_resumed_inside_a_commit_loses_it() {
    caught(Protocol { mutation: Mutation::ResumedInsideACommit, ..LEAST }, &[READERS]);
}

#[test]
fn without_deduplication_a_retry_is_done_again() {
    caught(Protocol { mutation: Mutation::DeduplicationLeftOut, ..LEAST }, &[ONCE]);
}

#[test]
fn an_owner_that_serves_before_it_has_read_its_claim_decides_on_too_little() {
    let early = Protocol { mutation: Mutation::ServedBeforeTheClaimIsRead, ..LEAST };
    caught(early, &[VERSIONS, DECIDED]);
}

#[test]
fn a_claim_that_can_be_sent_again_revives_its_epoch_in_a_log_that_was_cut_back() {
    let unacknowledged = Protocol { mutation: Mutation::ServedOnAnUnacknowledgedClaim, ..LEAST };
    let cut = Protocol { commands: &[1, 1], cuts: true, duplicates: 1, late: 1, ..unacknowledged };
    caught(cut, &[DECIDED, VERSIONS]);
}

#[test]
fn a_commit_released_in_parts_counts_in_part() {
    caught(Protocol { mutation: Mutation::CommitsReleasedInParts, ..LEAST }, &[VOIDED]);
}

#[test]
fn a_record_that_comes_again_at_its_offset_hides_that_the_log_was_cut_back() {
    let model = Protocol { mutation: Mutation::AppendTimeNotCompared, ..LEAST };
    caught(Protocol { cuts: true, duplicates: 1, ..model }, &[CUT]);
}

/// Finds, for each of the invariants, one of the shortest ways to break it, and prints it.
fn caught(model: Protocol, broken: &[&'static str]) {
    for name in broken {
        let found = HasDiscoveries::AnyOf([*name].into());
        let checker = model.clone().checker().finish_when(found).spawn_bfs().join();
        let Some(path) = checker.discovery(name) else {
            panic!("{:?} does not break \"{name}\"", model.mutation);
        };
        let steps = path.into_actions();
        println!(
            "{:?} breaks \"{name}\" in {} steps, found among {} states:",
            model.mutation,
            steps.len(),
            checker.unique_state_count()
        );
        println!("  {steps:?}");
    }
}
