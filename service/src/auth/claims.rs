//! What stands in an access token.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Actor, Permissions, Role};

/// The `iss` of every token.
pub const ISSUER: &str = "groot";

/// The `type` of an access token; a token of another type is refused.
pub const ACCESS: &str = "access";

/// The claims of an access token. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claims {
    pub iss: String,
    /// The person; the same as `userId`.
    pub sub: Uuid,
    pub user_id: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub role: Role,
    /// What the token may be used for; left out means all that the role may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
    #[serde(rename = "type")]
    pub kind: String,
    pub iat: u64,
    pub exp: u64,
}

impl Claims {
    /// The claims of a token that lets this person do all its role may, from `now` for `lifetime` seconds.
    pub fn access(actor: &Actor, email: Option<String>, now: u64, lifetime: u64) -> Self {
        Self {
            iss: ISSUER.to_owned(),
            sub: actor.id,
            user_id: actor.id,
            email,
            name: actor.name.clone(),
            role: actor.role,
            permissions: Some(actor.role.permissions()),
            kind: ACCESS.to_owned(),
            iat: now,
            exp: now.saturating_add(lifetime),
        }
    }

    /// The person the token speaks for.
    pub fn into_actor(self) -> Actor {
        let actor = Actor::new(self.user_id, self.name, self.role);
        match self.permissions {
            Some(permissions) => actor.restricted_to(permissions),
            None => actor,
        }
    }
}
