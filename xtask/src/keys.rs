//! The key pair with which local access tokens are signed, and the secret shared by the instances of one stack.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jsonwebtoken::jwk::{Jwk, JwkSet, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, EncodingKey};
use rand::RngExt;

use crate::failure::{Because, Result};
use crate::paths::{StackPaths, make_folder};

/// The key's name in the JWKS and in the head of each token.
pub const KEY_ID: &str = "local";

/// PKCS#8 of an Ed25519 private key is these bytes and the 32 of the seed (RFC 8410).
const PKCS8_HEAD: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

#[derive(Debug, Clone)]
pub struct Secrets {
    /// PKCS#8 PEM, readable by its owner only.
    pub private_key_file: PathBuf,
    pub jwks_file: PathBuf,
    pub peer_secret: String,
}

/// Reads the secrets of the stack, made at its first start and kept until its data is wiped.
pub fn provide(paths: &StackPaths) -> Result<Secrets> {
    let folder = paths.data("keys");
    make_folder(&folder)?;
    let private_key_file = folder.join("private.pem");
    let jwks_file = folder.join("jwks.json");
    let secret_file = folder.join("peer-secret");
    if !(private_key_file.exists() && jwks_file.exists() && secret_file.exists()) {
        let (pem, jwks) = new_pair()?;
        write_privately(&private_key_file, &pem)?;
        write_privately(&secret_file, &hexadecimal(&rand::rng().random::<[u8; 32]>()))?;
        fs::write(&jwks_file, jwks).because(|| format!("cannot write {}", jwks_file.display()))?;
    }
    let peer_secret = fs::read_to_string(&secret_file).because(|| format!("cannot read {}", secret_file.display()))?;
    Ok(Secrets { private_key_file, jwks_file, peer_secret })
}

/// A new private key as PEM and its public half as a JWKS.
fn new_pair() -> Result<(String, String)> {
    let seed: [u8; 32] = rand::rng().random();
    let der = [PKCS8_HEAD.as_slice(), &seed].concat();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", base64(&der));
    let mut jwk = Jwk::from_encoding_key(&EncodingKey::from_ed_der(&der), Algorithm::EdDSA)
        .because(|| "cannot derive the public key".to_owned())?;
    jwk.common.key_id = Some(KEY_ID.to_owned());
    jwk.common.public_key_use = Some(PublicKeyUse::Signature);
    jwk.common.key_operations = Some(vec![KeyOperations::Verify]);
    let jwks = serde_json::to_string_pretty(&JwkSet { keys: vec![jwk] })
        .because(|| "cannot write the public key as JSON".to_owned())?;
    Ok((pem, jwks))
}

fn write_privately(path: &Path, text: &str) -> Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(path).because(|| format!("cannot write {}", path.display()))?;
    file.write_all(text.as_bytes()).because(|| format!("cannot write {}", path.display()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Base64 with padding; 48 bytes need none and fit one line of PEM.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let byte = |i: usize| u32::from(three.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let letter = ALPHABET[(bits >> (18 - 6 * i) & 63) as usize];
            text.push(if i <= three.len() { char::from(letter) } else { '=' });
        }
    }
    text
}
