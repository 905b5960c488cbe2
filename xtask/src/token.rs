//! Issues access tokens for local use, as the sign-in service will for real people.

use std::fs;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use uuid::Uuid;

use crate::failure::{Because, Result};
use crate::keys::{self, KEY_ID};
use crate::paths::StackPaths;

/// Locally a token lasts a day, so that an afternoon's curl lines keep working; in production it is 15 minutes.
const SECONDS_VALID: i64 = 24 * 60 * 60;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    Reader,
    Author,
    Editor,
    Admin,
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Author => "author",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }
}

/// Who the token speaks for.
#[derive(Debug, Clone)]
pub struct Person {
    pub role: Role,
    /// A new person when absent.
    pub user: Option<Uuid>,
    pub name: Option<String>,
}

/// A bearer token signed with the stack's key. It names no permissions, which means all those of the role.
pub fn issue(paths: &StackPaths, person: &Person) -> Result<String> {
    Issuer::of(paths)?.issue(person)
}

/// The stack's key, for those who need many tokens.
pub struct Issuer(EncodingKey);

impl Issuer {
    pub fn of(paths: &StackPaths) -> Result<Self> {
        let secrets = keys::provide(paths)?;
        let pem = fs::read(&secrets.private_key_file)
            .because(|| format!("cannot read {}", secrets.private_key_file.display()))?;
        let key = EncodingKey::from_ed_pem(&pem).because(|| {
            format!("{} holds no Ed25519 key, remove it and run `./dev up`", secrets.private_key_file.display())
        })?;
        Ok(Self(key))
    }

    /// As [`issue`] does.
    pub fn issue(&self, person: &Person) -> Result<String> {
        let user = person.user.unwrap_or_else(Uuid::now_v7);
        let now = chrono::Utc::now().timestamp();
        let claims = json!({
            "iss": "groot",
            "sub": user,
            "userId": user,
            "name": person.name,
            "role": person.role.name(),
            "type": "access",
            "iat": now,
            "exp": now + SECONDS_VALID,
        });
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(KEY_ID.to_owned());
        jsonwebtoken::encode(&header, &claims, &self.0).because(|| "cannot sign the token".to_owned())
    }
}
