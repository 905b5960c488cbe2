//! Who asks: access tokens signed with Ed25519, verified by public key, and what each role may do.

mod actor;
mod claims;
mod extract;
pub mod issue;
mod verifier;

pub use actor::{Actor, Permission, Permissions, Role};
pub use claims::{ACCESS, Claims, ISSUER};
pub use extract::{Authenticated, MaybeAuthenticated};
pub use verifier::{AuthError, JwksError, Verifier};

#[cfg(test)]
mod tests;
