//! Ids made of what they name, so that whoever names the same thing arrives at the same id.

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A UUIDv8 of SHA-256 over the parts. `domain` keeps ids of different purposes apart.
pub fn named_id(domain: &str, parts: &[&[u8]]) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(domain.as_bytes());
    for part in parts {
        // The length goes in first, so that no two lists of parts feed the hash the same bytes.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Uuid::new_v8(bytes)
}
