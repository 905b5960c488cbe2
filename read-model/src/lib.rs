//! What the projectors write and query-api reads: names with versions, document types, indexes, and the checkpoint.
//!
//! Neither side may invent a collection name or a field name of its own; a field that is here is written by the
//! projection and may be relied upon by every reader of the same version.
//!
//! How values are stored:
//! - ids are BSON binaries of subtype 4 ([`stored::id`]), not text: an index entry takes 16 bytes in place of 36, and
//!   the order of two binaries of one length is the order of their bytes, hence that of UUIDv7 is time order as well;
//! - times are BSON dates, signed milliseconds since 1970, so that posts of 1790 sort before all others;
//! - an absent value is `null`; readers take a missing field for the same.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod analytics;
pub mod checkpoint;
pub mod comment;
pub mod dead_letter;
pub mod indexes;
pub mod names;
pub mod person;
pub mod post;
pub mod post_event;
pub mod search;
pub mod stored;
pub mod versions;

pub use checkpoint::Checkpoint;
pub use comment::{Comment, Like};
pub use dead_letter::{DeadLetterDoc, HeaderDoc, Standing};
pub use indexes::ensure_indexes;
pub use names::{ANALYTICS, DOCUMENTS, Projection, SEARCH};
pub use person::Person;
pub use post::{Post, PostStatus, PostType, Slug};
pub use post_event::PostEventDoc;
pub use versions::Versions;
