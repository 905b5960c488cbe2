//! Who makes a command, and what they say beside the body: read from the headers, every bad one named at once.

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::HeaderMap;
use axum::http::header::IF_MATCH;
use axum::http::request::Parts;
use event_schema::id::PersonId;
use service::auth::{self, Authenticated, Permission};
use service::http::read_body;
use service::json::{self, Fields};
use service::params::Params;
use service::problem::{FieldError, Problem};
use service::telemetry::TraceContext;

use super::Api;
use super::if_match::IfMatch;
use crate::domain::{Actor, Rights};

#[derive(Debug)]
pub struct Caller {
    pub person: PersonId,
    pub actor: Actor,
    pub key: Option<String>,
    pub if_match: Option<IfMatch>,
    pub trace: TraceContext,
}

/// The fields of a body that may be left out altogether.
#[derive(Debug)]
pub struct OptionalFields(pub Fields);

const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
/// Characters of a key.
const KEY_MAX: usize = 255;

impl FromRequestParts<Api> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let Authenticated(person) = Authenticated::from_request_parts(parts, api).await?;
        let mut params = Params::of(parts.uri.query().unwrap_or_default());
        let key = match single(&parts.headers, IDEMPOTENCY_KEY) {
            Ok(key) => key.filter(|key| {
                let good = is_key(key);
                if !good {
                    let message = format!("This must be 1 to {KEY_MAX} visible characters.");
                    params.refuse(IDEMPOTENCY_KEY, "format", message);
                }
                good
            }),
            Err(message) => {
                params.refuse(IDEMPOTENCY_KEY, "format", message);
                None
            }
        };
        let if_match = match single(&parts.headers, IF_MATCH.as_str()) {
            Ok(None) => None,
            Ok(Some(text)) => {
                let parsed = IfMatch::parse(text);
                if parsed.is_none() {
                    params.refuse("If-Match", "format", IfMatch::EXPECTED);
                }
                parsed
            }
            Err(message) => {
                params.refuse("If-Match", "format", message);
                None
            }
        };
        let key = key.map(str::to_owned);
        params.finish()?;
        Ok(Self {
            person: PersonId::new(person.id),
            actor: Actor::Person { id: PersonId::new(person.id), rights: rights(&person) },
            key,
            if_match,
            trace: TraceContext::current(),
        })
    }
}

impl Caller {
    /// The version that was named, if one was.
    pub fn expected_version(&self) -> Option<u64> {
        match self.if_match {
            Some(IfMatch::Version(version)) => Some(version),
            Some(IfMatch::Any) | None => None,
        }
    }

    /// For commands that create: there is no version yet that could have been seen.
    pub fn names_no_version(&self) -> Result<(), Problem> {
        match self.if_match {
            None => Ok(()),
            Some(_) => {
                let message = "There is no version yet of what this creates; leave the header out.";
                Err(Problem::invalid_parameters(vec![FieldError::new("If-Match", "not-allowed", message)]))
            }
        }
    }
}

impl<S: Send + Sync> FromRequest<S> for OptionalFields {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = read_body(body).await?;
        if bytes.is_empty() {
            return json::parse(b"{}").map(Self);
        }
        Fields::from_request(Request::from_parts(parts, Body::from(bytes)), state).await.map(Self)
    }
}

/// What the role allows and the token does not leave out.
fn rights(person: &auth::Actor) -> Rights {
    Rights {
        like_posts: person.may(Permission::LikePosts),
        comment: person.may(Permission::Comment),
        moderate_comments: person.may(Permission::ModerateComments),
        write_own_posts: person.may(Permission::WriteOwnPosts),
        write_any_post: person.may(Permission::WriteAnyPost),
        read_any_post: person.may(Permission::ReadAnyPost),
        attribute_posts: person.may(Permission::AttributePosts),
        manage_people: person.may(Permission::ManagePeople),
    }
}

/// The value of a header that stands at most once, as text.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, &'static str> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err("This header is given more than once; give it once.");
    }
    std::str::from_utf8(value.as_bytes()).map(Some).map_err(|_| "This header is not UTF-8.")
}

fn is_key(key: &str) -> bool {
    (1..=KEY_MAX).contains(&key.chars().count())
        && !key.chars().any(char::is_control)
        && key.chars().any(|c| !c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_1_to_255_visible_characters() {
        for good in ["a", "1790-Washington.json/publish", "ключ", "two words", &"é".repeat(255)] {
            assert!(is_key(good), "{good}");
        }
        for bad in ["", " ", "a\u{0}b", "a\tb", "a\u{9b}", &"é".repeat(256)] {
            assert!(!is_key(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_token_with_fewer_permissions_gives_fewer_rights() {
        let editor = auth::Actor::new(uuid::Uuid::nil(), None, auth::Role::Editor);
        assert_eq!(rights(&editor), Rights::EDITOR);
        let only_own = editor.restricted_to([Permission::WriteOwnPosts].into_iter().collect());
        assert_eq!(rights(&only_own), Rights { like_posts: false, comment: false, ..Rights::AUTHOR });
    }

    #[test]
    fn each_role_has_the_rights_of_the_domain_that_bear_its_name() {
        use auth::Role::*;
        for (role, expected) in
            [(Reader, Rights::READER), (Author, Rights::AUTHOR), (Editor, Rights::EDITOR), (Admin, Rights::ADMIN)]
        {
            assert_eq!(rights(&auth::Actor::new(uuid::Uuid::nil(), None, role)), expected, "{role}");
        }
    }
}
