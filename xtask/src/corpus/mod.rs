//! The sample corpus: 233 State of the Union addresses of 1790 on, public-domain texts, each a published post of its
//! speaker. It is loaded as any client would load it, over HTTP, and loading it again changes nothing.

mod address;
mod client;
mod load;

pub use address::{Address, AddressError, read};
pub use client::ClientError;
pub use load::{Loaded, Tokens, load};
