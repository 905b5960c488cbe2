//! Verification of access tokens with the public keys of a JWKS file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, get_current_timestamp};
use quick_cache::sync::Cache;

use super::{ACCESS, Actor, Claims, ISSUER};

/// Verifies access tokens. Cheap to clone.
#[derive(Clone)]
pub struct Verifier(Arc<Keys>);

struct Keys {
    by_id: HashMap<String, DecodingKey>,
    validation: Validation,
    /// Tokens that were verified: checking a signature takes longer than all the rest of a small request. Nothing but the
    /// time can make such a token bad for as long as the keys are the same.
    verified: Cache<Box<str>, Verified>,
}

#[derive(Clone)]
struct Verified {
    actor: Actor,
    /// In seconds since 1970.
    expires: u64,
}

/// Why a set of keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    #[error("the key file {path} cannot be read; GROOT_JWKS_FILE must name a readable JWKS file")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the key file is not a JWKS document: a JSON object with a list of keys")]
    Syntax(#[source] serde_json::Error),
    #[error("key number {0} has no kid; every key needs one, tokens name their key by it")]
    NoKeyId(usize),
    #[error("the kid {0} stands twice; every key needs its own")]
    Twice(String),
    #[error("the key {0} is not an Ed25519 key (kty OKP, crv Ed25519); no other is taken")]
    NotEd25519(String),
    #[error("the key {0} has no valid public key in x")]
    BadKey(String),
    #[error("the key file holds no key; it needs at least one Ed25519 key")]
    Empty,
}

/// Why a token is refused. The text is public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    #[error("send the header Authorization: Bearer <access token>")]
    Missing,
    #[error("the access token is malformed")]
    Malformed,
    #[error("the access token is not signed by a key that is trusted here")]
    NotTrusted,
    #[error("the access token has expired; get a fresh one")]
    Expired,
    #[error("the token is not an access token of this service")]
    WrongKind,
}

/// Clocks of two servers may differ by this many seconds.
const LEEWAY_SECONDS: u64 = 5;
/// How many verified tokens are remembered, at some 600 bytes each.
const REMEMBERED: usize = 10_000;

impl Verifier {
    /// Reads the public keys from a JWKS file.
    pub fn from_file(path: &Path) -> Result<Self, JwksError> {
        let text = std::fs::read_to_string(path).map_err(|source| JwksError::Read { path: path.to_owned(), source })?;
        Self::from_jwks(&text)
    }

    /// Reads the public keys from the text of a JWKS document.
    pub fn from_jwks(text: &str) -> Result<Self, JwksError> {
        let set: JwkSet = serde_json::from_str(text).map_err(JwksError::Syntax)?;
        let mut by_id = HashMap::new();
        for (index, jwk) in set.keys.iter().enumerate() {
            let kid = jwk.common.key_id.clone().ok_or(JwksError::NoKeyId(index + 1))?;
            let key = ed25519_key(jwk, &kid)?;
            if by_id.insert(kid.clone(), key).is_some() {
                return Err(JwksError::Twice(kid));
            }
        }
        if by_id.is_empty() {
            return Err(JwksError::Empty);
        }
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        Ok(Self(Arc::new(Keys { by_id, validation, verified: Cache::new(REMEMBERED) })))
    }

    /// The person behind a token.
    pub fn verify(&self, token: &str) -> Result<Actor, AuthError> {
        self.verify_at(token, get_current_timestamp())
    }

    /// `now` is in seconds since 1970.
    pub(super) fn verify_at(&self, token: &str, now: u64) -> Result<Actor, AuthError> {
        let verified = match self.0.verified.get(token) {
            Some(verified) => verified,
            None => {
                let verified = self.check(token)?;
                self.0.verified.insert(token.into(), verified.clone());
                verified
            }
        };
        if verified.expires < now.saturating_sub(LEEWAY_SECONDS) {
            self.0.verified.remove(token);
            return Err(AuthError::Expired);
        }
        Ok(verified.actor)
    }

    fn check(&self, token: &str) -> Result<Verified, AuthError> {
        let header = decode_header(token).map_err(|_| AuthError::Malformed)?;
        let kid = header.kid.ok_or(AuthError::Malformed)?;
        let key = self.0.by_id.get(&kid).ok_or(AuthError::NotTrusted)?;
        let claims = decode::<Claims>(token, key, &self.0.validation).map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => AuthError::Expired,
            ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm => AuthError::NotTrusted,
            ErrorKind::InvalidIssuer
            | ErrorKind::InvalidAudience
            | ErrorKind::ImmatureSignature
            | ErrorKind::MissingRequiredClaim(_) => AuthError::WrongKind,
            _ => AuthError::Malformed,
        })?;
        let claims = claims.claims;
        if claims.kind != ACCESS || claims.sub != claims.user_id {
            return Err(AuthError::WrongKind);
        }
        Ok(Verified { expires: claims.exp, actor: claims.into_actor() })
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("keys", &self.0.by_id.keys()).finish_non_exhaustive()
    }
}

fn ed25519_key(jwk: &Jwk, kid: &str) -> Result<DecodingKey, JwksError> {
    match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            let key = DecodingKey::from_jwk(jwk).map_err(|_| JwksError::BadKey(kid.to_owned()))?;
            // The library would find out only when a token comes, and then by a panic for a short key.
            let valid = key.try_get_as_bytes().ok().and_then(|bytes| <&[u8; 32]>::try_from(bytes).ok());
            match valid.map(ed25519_dalek::VerifyingKey::from_bytes) {
                Some(Ok(_)) => Ok(key),
                _ => Err(JwksError::BadKey(kid.to_owned())),
            }
        }
        _ => Err(JwksError::NotEd25519(kid.to_owned())),
    }
}
