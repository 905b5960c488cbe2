//! Issuing access tokens with a private key: for local development and for tests.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};

use super::Claims;

/// A private key that signs tokens, with the id under which the public half is known.
pub struct Issuer {
    key: SigningKey,
    kid: String,
}

/// Why a token could not be issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    #[error("the private key is not an Ed25519 key in PKCS#8 PEM form; make a new one")]
    Key,
    #[error("the token could not be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

impl Issuer {
    /// A new key pair. The kid is made from the public key, so that two keys never share one.
    pub fn generate() -> Self {
        Self::of(SigningKey::from_bytes(&rand::random()))
    }

    /// Reads a private key in PKCS#8 PEM form, as [`Issuer::private_pem`] writes it.
    pub fn from_pem(pem: &str) -> Result<Self, IssueError> {
        SigningKey::from_pkcs8_pem(pem).map(Self::of).map_err(|_| IssueError::Key)
    }

    /// The private key in PKCS#8 PEM form. Keep it from others' eyes.
    pub fn private_pem(&self) -> Result<String, IssueError> {
        self.pkcs8().to_pkcs8_pem(LineEnding::LF).map(|pem| pem.to_string()).map_err(|_| IssueError::Key)
    }

    /// The public key as a JWKS document, for `GROOT_JWKS_FILE`.
    pub fn jwks(&self) -> String {
        serde_json::json!({
            "keys": [{
                "kty": "OKP",
                "crv": "Ed25519",
                "use": "sig",
                "alg": "EdDSA",
                "kid": self.kid,
                "x": URL_SAFE_NO_PAD.encode(self.key.verifying_key().as_bytes()),
            }]
        })
        .to_string()
    }

    /// Signs the claims.
    pub fn issue(&self, claims: &Claims) -> Result<String, IssueError> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.kid.clone());
        let der = self.pkcs8().to_pkcs8_der().map_err(|_| IssueError::Key)?;
        encode(&header, claims, &EncodingKey::from_ed_der(der.as_bytes())).map_err(IssueError::Sign)
    }

    fn of(key: SigningKey) -> Self {
        let kid = URL_SAFE_NO_PAD.encode(&key.verifying_key().as_bytes()[..12]);
        Self { key, kid }
    }

    /// Without the public half: the form that every tool reads.
    fn pkcs8(&self) -> KeypairBytes {
        KeypairBytes { secret_key: self.key.to_bytes(), public_key: None }
    }
}
