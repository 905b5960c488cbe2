//! Ids of aggregates, one type for each kind, so that a person can never be passed where a post is meant.
//! In every format, JSON and Avro alike, an id is its text: 36 characters, lower case with hyphens.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use uuid::Uuid;

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            pub const fn new(id: Uuid) -> Self {
                Self(id)
            }

            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        /// Lower case with hyphens.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = String::deserialize(from)?;
                text.parse().map_err(|_| not_a_uuid(&text))
            }
        }
    };
}

typed_id!(
    /// The id of a person: an author, an editor, whoever acts.
    PersonId
);
typed_id!(
    /// The id of a post.
    PostId
);
typed_id!(
    /// The id of a comment.
    CommentId
);

fn not_a_uuid<E: Error>(text: &str) -> E {
    E::custom(format!("{text:?} is not a UUID"))
}

/// Serde for a list of ids that have no type of their own, each as its text.
pub(crate) mod texts {
    use super::*;

    pub fn serialize<S: Serializer>(ids: &[Uuid], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(ids.iter().map(Uuid::to_string))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Uuid>, D::Error> {
        let texts = Vec::<String>::deserialize(from)?;
        texts.iter().map(|text| text.parse().map_err(|_| not_a_uuid(text))).collect()
    }
}

/// As [`texts`], for a list that may be absent.
pub(crate) mod optional_texts {
    use super::*;

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Texts(#[serde(with = "super::texts")] Vec<Uuid>);

    pub fn serialize<S: Serializer>(ids: &Option<Vec<Uuid>>, to: S) -> Result<S::Ok, S::Error> {
        match ids {
            Some(ids) => to.serialize_some(&Texts(ids.clone())),
            None => to.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<Uuid>>, D::Error> {
        Ok(Option::<Texts>::deserialize(from)?.map(|Texts(ids)| ids))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_from_its_text_and_its_json() {
        let id = PostId::new(Uuid::from_u128(0xA1));
        assert_eq!(id.to_string(), "00000000-0000-0000-0000-0000000000a1");
        assert_eq!(id.to_string().parse::<PostId>().unwrap(), id);
        assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{id}\""), "no wrapping around the text");
        assert_eq!(serde_json::from_str::<PostId>(&format!("\"{id}\"")).unwrap(), id);
    }
}
