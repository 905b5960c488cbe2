//! An exhaustive model of the claim protocol.
mod mutation;
mod properties;
mod protocol;
mod reader;
mod record;
mod state;

use mutation::Mutation;
use protocol::{Asks, Protocol};
use stateright::{Checker, Model};

#[test]
fn probe() {
    let env = |n: &str, d: u8| {
        std::env::var(n)
            .ok()
            .and_then(|v| v.parse().ok())
            .unwrap_or(d)
    };
    let commands: &'static [u8] = match env("CMDS", 2) {
        1 => &[2],
        2 => &[2, 1],
        3 => &[2, 1, 1],
        4 => &[1, 1],
        5 => &[1, 1, 1],
        _ => &[2, 2],
    };
    let model = Protocol {
        mutation: Mutation::None,
        claims: env("CLAIMS", 2),
        commands,
        duplicates: env("DUPS", 0),
        cuts: env("CUTS", 0) > 0,
        asks: Asks::Invariants,
    };
    let t = std::time::Instant::now();
    let c = model.checker().threads(2).spawn_dfs().join();
    println!(
        "unique {} total {} depth {} {:?}",
        c.unique_state_count(),
        c.state_count(),
        c.max_depth(),
        t.elapsed()
    );
    c.assert_properties();
}
