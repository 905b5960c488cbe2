//! Faults on a real cluster: a seeded schedule of them, clients that write meanwhile, and proof of what they were told.
//!
//! - [`schedule`]: which fault, of whom, when and for how long, from a seed
//! - [`nemesis`]: does them; [`links`]: those between programs and brokers
//! - [`load`]: clients that create, edit, publish and ask again under the same key
//! - [`history`]: every request with its answer, in order
//! - [`log`]: what the log says, as the one reader rule has it
//! - [`check`]: holds the one against the other
//! - [`readers`]: those that stop everywhere and go on
//! - [`run`]: all of it together; [`report`]: what came of it

pub mod check;
pub mod history;
pub mod links;
pub mod load;
pub mod log;
pub mod nemesis;
pub mod readers;
pub mod report;
pub mod run;
pub mod schedule;
