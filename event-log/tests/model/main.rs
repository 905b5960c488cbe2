//! An exhaustive model of the claim protocol: one partition, two owners, and everything that can go wrong between them.
//!
//! It is independent of the crate's code, and small enough that all of its states can be visited. What it covers and
//! what its mutations show is told in `docs/claim-protocol.md`. `GROOT_MODEL=large` visits more states, for minutes:
//!
//! ```sh
//! GROOT_MODEL=large cargo test -p event-log --test model holds -- --nocapture --test-threads=1
//! ```

mod broker;
mod caught;
mod examples;
mod holds;
mod mutation;
mod owner;
mod properties;
mod protocol;
mod reader;
mod record;
mod set;
mod state;
