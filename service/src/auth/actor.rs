//! Roles, what they may do, and the person behind a request.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// The person a token speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    pub id: Uuid,
    pub name: Option<String>,
    pub role: Role,
    /// Never more than the role has; a token may carry fewer.
    permissions: Permissions,
}

impl Actor {
    /// A person with all that the role may do.
    pub fn new(id: Uuid, name: Option<String>, role: Role) -> Self {
        Self { id, name, role, permissions: role.permissions() }
    }

    /// The same person with those of the permissions that the role has.
    #[must_use]
    pub fn restricted_to(self, permissions: Permissions) -> Self {
        Self { permissions: self.permissions.intersection(permissions), ..self }
    }

    /// Whether the person may do this.
    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.contains(permission)
    }
}

/// A named set of permissions.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Reader,
    Author,
    Editor,
    Admin,
}

impl Role {
    pub const ALL: [Role; 4] = [Role::Reader, Role::Author, Role::Editor, Role::Admin];

    /// What the role may do.
    pub fn permissions(self) -> Permissions {
        use Permission::*;
        let reader = [LikePosts, Comment];
        let author = [WriteOwnPosts];
        let editor = [WriteAnyPost, ReadAnyPost, AttributePosts, ModerateComments];
        let admin = [ManagePeople, ManageBackups];
        let mut allowed: Permissions = reader.into_iter().collect();
        if self >= Role::Author {
            allowed.extend(author);
        }
        if self >= Role::Editor {
            allowed.extend(editor);
        }
        if self >= Role::Admin {
            allowed.extend(admin);
        }
        allowed
    }

    /// The name in tokens and on command lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Reader => "reader",
            Role::Author => "author",
            Role::Editor => "editor",
            Role::Admin => "admin",
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Role::ALL.into_iter().find(|role| role.as_str() == text).ok_or(UnknownRole)
    }
}

/// The text names no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected one of reader, author, editor, admin")]
pub struct UnknownRole;

/// One thing a person may be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Permission {
    #[serde(rename = "posts:like")]
    LikePosts,
    #[serde(rename = "posts:comment")]
    Comment,
    #[serde(rename = "posts:write-own")]
    WriteOwnPosts,
    #[serde(rename = "posts:write-any")]
    WriteAnyPost,
    #[serde(rename = "posts:read-any")]
    ReadAnyPost,
    /// Setting a post's author and time of publication.
    #[serde(rename = "posts:attribute")]
    AttributePosts,
    #[serde(rename = "comments:moderate")]
    ModerateComments,
    #[serde(rename = "people:manage")]
    ManagePeople,
    #[serde(rename = "backups:manage")]
    ManageBackups,
}

impl Permission {
    const ALL: [Permission; 9] = [
        Self::LikePosts,
        Self::Comment,
        Self::WriteOwnPosts,
        Self::WriteAnyPost,
        Self::ReadAnyPost,
        Self::AttributePosts,
        Self::ModerateComments,
        Self::ManagePeople,
        Self::ManageBackups,
    ];

    fn bit(self) -> u16 {
        1 << (self as u8)
    }
}

/// A set of permissions; in JSON a list of their names. Names not known here are left out when reading, so that a
/// newer issuer's tokens still work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Permissions(u16);

impl Permissions {
    pub fn contains(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |permission| self.contains(*permission))
    }
}

impl Extend<Permission> for Permissions {
    fn extend<I: IntoIterator<Item = Permission>>(&mut self, permissions: I) {
        for permission in permissions {
            self.0 |= permission.bit();
        }
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        let mut set = Self::default();
        set.extend(permissions);
        set
    }
}

impl Serialize for Permissions {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Permissions {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        Ok(names.into_iter().filter_map(|name| Permission::deserialize(serde_json::Value::String(name)).ok()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_do_all_that_the_one_below_may() {
        for pair in Role::ALL.windows(2) {
            let (below, above) = (pair[0].permissions(), pair[1].permissions());
            assert_eq!(below.intersection(above), below);
            assert_ne!(below, above);
        }
    }

    #[test]
    fn a_reader_writes_no_post_and_an_author_no_post_of_others() {
        let may = |role: Role, permission| role.permissions().contains(permission);
        assert!(!may(Role::Reader, Permission::WriteOwnPosts));
        assert!(may(Role::Author, Permission::WriteOwnPosts));
        assert!(!may(Role::Author, Permission::WriteAnyPost));
        assert!(!may(Role::Author, Permission::AttributePosts));
        assert!(may(Role::Editor, Permission::AttributePosts));
        assert!(!may(Role::Editor, Permission::ManagePeople));
        assert!(may(Role::Admin, Permission::ManagePeople));
    }

    #[test]
    fn restricting_never_gives_more_than_the_role_has() {
        let author = Actor::new(Uuid::nil(), None, Role::Author).restricted_to(Role::Admin.permissions());
        assert!(author.may(Permission::WriteOwnPosts));
        assert!(!author.may(Permission::ManagePeople));
    }

    #[test]
    fn permissions_read_back_and_unknown_names_are_left_out() {
        let all = Role::Admin.permissions();
        let json = serde_json::to_value(all).unwrap();
        assert_eq!(json.as_array().unwrap().len(), Permission::ALL.len());
        assert_eq!(serde_json::from_value::<Permissions>(json).unwrap(), all);
        let newer: Permissions = serde_json::from_str(r#"["posts:like","rockets:launch"]"#).unwrap();
        assert_eq!(newer, [Permission::LikePosts].into_iter().collect());
    }
}
