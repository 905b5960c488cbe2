//! The one segment that these routes take from the path.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use service::problem::Problem;
use uuid::Uuid;

/// An id or a slug, percent-decoded. What is not UTF-8 names nothing: 404.
#[derive(Debug)]
pub struct Segment(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(segment)) => Ok(Self(segment)),
            Err(_) => Err(Problem::not_found("The address is not readable text.")),
        }
    }
}

/// Only the hyphenated form is an id; a slug is never shaped like one.
pub fn id(text: &str) -> Option<Uuid> {
    (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_hyphenated_uuid_is_an_id_and_all_else_a_slug() {
        let uuid = Uuid::from_u128(0x0199_a3c0_8d4e_7c11_9f6e_2b1f_6c1d_2e3f);
        assert_eq!(id(&uuid.to_string()), Some(uuid));
        assert_eq!(id(&uuid.to_string().to_uppercase()), Some(uuid));
        assert_eq!(id(&uuid.simple().to_string()), None);
        assert_eq!(id(&uuid.braced().to_string()), None);
        assert_eq!(id("george-washington-1790-6c1d2e3f"), None);
    }
}
