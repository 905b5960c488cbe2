//! Posts: their events ([`event_schema::post`]), state and `evolve`, commands and `decide`.

#[cfg(test)]
mod chosen_slug_tests;
mod command;
mod decide;
#[cfg(test)]
mod properties;
pub(super) mod responses;
mod slug;
mod state;
#[cfg(test)]
mod tests;

pub use command::{Change, PostChanges, PostCommand, PostContents};
pub use decide::decide;
pub use slug::{is_automatic, slug};
pub use state::{ContentHash, PostState, Status, evolve};
