//! The protocol as it is holds in every state within the bounds.

use std::env;
use std::time::Instant;

use stateright::{Checker, Model};

use crate::mutation::Mutation;
use crate::protocol::{Asks, Order, Protocol};

/// Bounds that every test here takes some of further.
const SMALL: Protocol = Protocol {
    mutation: Mutation::None,
    claims: 2,
    commands: &[2, 1],
    duplicates: 0,
    late: 1,
    order: Order::Kept,
    cuts: false,
    asks: Asks::Invariants,
};

const UNLIMITED: u8 = u8::MAX;

#[test]
fn the_protocol_holds_from_claim_to_claim() {
    let ci = Protocol { claims: 3, commands: &[1, 1], late: 2, ..SMALL };
    let large = Protocol { commands: &[2, 1], ..ci };
    holds("claim to claim", ci, large);
}

#[test]
fn the_protocol_holds_with_more_commands() {
    let ci = Protocol { commands: &[1, 1, 1], late: UNLIMITED, ..SMALL };
    let large = Protocol { commands: &[2, 1, 1], ..ci };
    holds("more commands", ci, large);
}

#[test]
fn the_protocol_holds_when_records_come_in_any_order() {
    let ci = Protocol { order: Order::Any, late: UNLIMITED, ..SMALL };
    let large = Protocol { duplicates: 1, late: 2, ..ci };
    holds("any order", ci, large);
}

#[test]
fn the_protocol_holds_when_records_are_repeated() {
    let ci = Protocol { duplicates: 1, late: 2, ..SMALL };
    let large = Protocol { duplicates: 2, ..ci };
    holds("repeated", ci, large);
}

#[test]
fn the_protocol_holds_when_the_log_is_cut_back() {
    let ci = Protocol { cuts: true, duplicates: 1, commands: &[1, 1], ..SMALL };
    let large = Protocol { claims: 3, commands: &[2], ..ci };
    holds("cut back", ci, large);
}

/// What the invariants are worth: acknowledgements, failovers, ghosts, cut-off commits do happen.
#[test]
fn everything_that_the_protocol_is_for_happens() {
    for cuts in [false, true] {
        let model = Protocol { asks: Asks::Examples, duplicates: 1, cuts, ..SMALL };
        let checker = model.checker().threads(2).spawn_bfs().join();
        checker.assert_properties();
    }
}

fn holds(name: &str, ci: Protocol, large: Protocol) {
    let model = if env::var("GROOT_MODEL").as_deref() == Ok("large") { large } else { ci };
    let started = Instant::now();
    let checker = model.checker().threads(2).spawn_dfs().join();
    let (states, seconds) = (checker.unique_state_count(), started.elapsed().as_secs_f32());
    println!("{name}: {states} states, up to {} steps deep, in {seconds:.1} s", checker.max_depth());
    checker.assert_properties();
}
