//! The closed catalogue of problem types: what can go wrong for a client, each with its status and its page.

use axum::http::StatusCode;

/// A kind of failure a client can meet. The `type` member of a problem names it, and `/problems/{slug}` explains it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProblemType {
    MalformedBody,
    InvalidParameter,
    UnsupportedMediaType,
    ValidationFailed,
    Unauthenticated,
    Forbidden,
    NotFound,
    Gone,
    MethodNotAllowed,
    NotAcceptable,
    RuleBroken,
    SlugTaken,
    VersionMismatch,
    VersionRequired,
    BodyTooLarge,
    RequestTimeout,
    IdempotencyKeyReused,
    RateLimited,
    OutcomeUnknown,
    ProjectionBehind,
    DependencyUnavailable,
    NoOwner,
    Overloaded,
    Timeout,
    Internal,
}

/// What the catalogue says about one type.
#[derive(Debug)]
pub(super) struct Entry {
    pub slug: &'static str,
    pub title: &'static str,
    pub status: StatusCode,
    pub meaning: &'static str,
    pub cure: &'static str,
}

impl ProblemType {
    /// Every type, in the order of the index page.
    pub const ALL: [ProblemType; 25] = [
        Self::MalformedBody,
        Self::InvalidParameter,
        Self::UnsupportedMediaType,
        Self::ValidationFailed,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::Gone,
        Self::MethodNotAllowed,
        Self::NotAcceptable,
        Self::RuleBroken,
        Self::SlugTaken,
        Self::VersionMismatch,
        Self::VersionRequired,
        Self::BodyTooLarge,
        Self::RequestTimeout,
        Self::IdempotencyKeyReused,
        Self::RateLimited,
        Self::OutcomeUnknown,
        Self::ProjectionBehind,
        Self::DependencyUnavailable,
        Self::NoOwner,
        Self::Overloaded,
        Self::Timeout,
        Self::Internal,
    ];

    /// The last segment of the type's address, for example `version-mismatch`.
    pub fn slug(self) -> &'static str {
        self.entry().slug
    }

    /// The sentence that is the same for every occurrence of the type.
    pub fn title(self) -> &'static str {
        self.entry().title
    }

    /// The HTTP status the type is answered with.
    pub fn status(self) -> StatusCode {
        self.entry().status
    }

    /// The relative reference in the `type` member, for example `/problems/version-mismatch`.
    pub fn uri(self) -> String {
        format!("/problems/{}", self.slug())
    }

    /// The type with this slug.
    pub fn from_slug(slug: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.slug() == slug)
    }

    /// The type that stands for a bare status, used for answers that were made without a problem.
    pub fn for_status(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED => Self::Unauthenticated,
            StatusCode::FORBIDDEN => Self::Forbidden,
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::NOT_ACCEPTABLE => Self::NotAcceptable,
            StatusCode::REQUEST_TIMEOUT => Self::RequestTimeout,
            StatusCode::CONFLICT => Self::RuleBroken,
            StatusCode::GONE => Self::Gone,
            StatusCode::PRECONDITION_FAILED => Self::VersionMismatch,
            StatusCode::PAYLOAD_TOO_LARGE => Self::BodyTooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::UnsupportedMediaType,
            StatusCode::UNPROCESSABLE_ENTITY => Self::ValidationFailed,
            StatusCode::PRECONDITION_REQUIRED => Self::VersionRequired,
            StatusCode::TOO_MANY_REQUESTS => Self::RateLimited,
            StatusCode::SERVICE_UNAVAILABLE => Self::DependencyUnavailable,
            status if status.is_client_error() => Self::InvalidParameter,
            _ => Self::Internal,
        }
    }

    pub(super) fn entry(self) -> &'static Entry {
        match self {
            Self::MalformedBody => &Entry {
                slug: "malformed-body",
                title: "The body is not readable JSON.",
                status: StatusCode::BAD_REQUEST,
                meaning: "The body could not be read as one JSON value in UTF-8, or it is nested too deeply.",
                cure: "Send one well-formed JSON value. The detail names the line and column where reading stopped.",
            },
            Self::InvalidParameter => &Entry {
                slug: "invalid-parameter",
                title: "A part of the address, the query or a header is not valid.",
                status: StatusCode::BAD_REQUEST,
                meaning: "A path segment, a query parameter or a header has a value that is not allowed, or the query \
                          has a parameter that does not exist here.",
                cure: "Mend or leave out each parameter named in errors.",
            },
            Self::UnsupportedMediaType => &Entry {
                slug: "unsupported-media-type",
                title: "The body has a media type that is not taken here.",
                status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
                meaning: "The Content-Type header is missing or names something this address does not take.",
                cure: "Send the body as application/json (application/merge-patch+json is taken too).",
            },
            Self::ValidationFailed => &Entry {
                slug: "validation-failed",
                title: "Some fields of the body are not valid.",
                status: StatusCode::UNPROCESSABLE_ENTITY,
                meaning: "The body is JSON, but fields are missing, unknown, given twice, of a wrong type or out of \
                          bounds. Every bad field is listed in errors, and nothing was changed.",
                cure: "Mend every field named in errors and send the request again.",
            },
            Self::Unauthenticated => &Entry {
                slug: "unauthenticated",
                title: "The request needs a valid access token.",
                status: StatusCode::UNAUTHORIZED,
                meaning: "The Authorization header is missing, or its token is malformed, expired or not signed by a \
                          key that is trusted here.",
                cure: "Send the header Authorization: Bearer followed by a fresh access token.",
            },
            Self::Forbidden => &Entry {
                slug: "forbidden",
                title: "You may not do this.",
                status: StatusCode::FORBIDDEN,
                meaning: "The token is valid, but its role does not allow what was asked.",
                cure: "Ask someone with the needed role, or sign in as such.",
            },
            Self::NotFound => &Entry {
                slug: "not-found",
                title: "There is nothing here.",
                status: StatusCode::NOT_FOUND,
                meaning: "Nothing exists at this address, or nothing that you may see.",
                cure: "Check the address and its id.",
            },
            Self::Gone => &Entry {
                slug: "gone",
                title: "This was deleted.",
                status: StatusCode::GONE,
                meaning: "What was at this address has been deleted.",
                cure: "Restore it if you may, or drop the link.",
            },
            Self::MethodNotAllowed => &Entry {
                slug: "method-not-allowed",
                title: "This address does not take this method.",
                status: StatusCode::METHOD_NOT_ALLOWED,
                meaning: "The address exists, but not for this HTTP method.",
                cure: "Use one of the methods named in the Allow header.",
            },
            Self::NotAcceptable => &Entry {
                slug: "not-acceptable",
                title: "No answer of the wanted kind can be given.",
                status: StatusCode::NOT_ACCEPTABLE,
                meaning: "The Accept header leaves out every media type this address can answer with.",
                cure: "Accept application/json.",
            },
            Self::RuleBroken => &Entry {
                slug: "rule-broken",
                title: "The command does not fit the present state.",
                status: StatusCode::CONFLICT,
                meaning: "A rule of the domain forbids the command in the state the thing is in now. Nothing was \
                          changed.",
                cure: "Read the thing again and decide anew; the detail says which rule it was.",
            },
            Self::SlugTaken => &Entry {
                slug: "slug-taken",
                title: "Another post has this slug.",
                status: StatusCode::CONFLICT,
                meaning: "A slug belongs to one post for ever, also while that post is not published or deleted; or somebody \
                          else was a moment faster and is being published under it. Nothing was changed.",
                cure: "Choose another slug, or leave it out and have one made of the title.",
            },
            Self::VersionMismatch => &Entry {
                slug: "version-mismatch",
                title: "The thing has changed since you read it.",
                status: StatusCode::PRECONDITION_FAILED,
                meaning: "If-Match names another version than the present one. Nothing was changed.",
                cure: "Read the thing again, apply your change to what you read and send it with the new version.",
            },
            Self::VersionRequired => &Entry {
                slug: "version-required",
                title: "The request must name the version it changes.",
                status: StatusCode::PRECONDITION_REQUIRED,
                meaning: "Replacing a thing without naming the version that was read would undo the work of others \
                          unseen.",
                cure: "Send If-Match with the version, or the ETag, that you read.",
            },
            Self::BodyTooLarge => &Entry {
                slug: "body-too-large",
                title: "The body is too large.",
                status: StatusCode::PAYLOAD_TOO_LARGE,
                meaning: "The body has more bytes than this address takes; the detail says how many it takes.",
                cure: "Send a smaller body.",
            },
            Self::RequestTimeout => &Entry {
                slug: "request-timeout",
                title: "The body came too slowly.",
                status: StatusCode::REQUEST_TIMEOUT,
                meaning: "The body was not complete within the time allowed.",
                cure: "Send the request again over a better connection.",
            },
            Self::IdempotencyKeyReused => &Entry {
                slug: "idempotency-key-reused",
                title: "The Idempotency-Key was used for another request.",
                status: StatusCode::UNPROCESSABLE_ENTITY,
                meaning: "The same key came before with a different request. Nothing was changed.",
                cure: "Use a new key for a new request, and the same key only to repeat the same request.",
            },
            Self::RateLimited => &Entry {
                slug: "rate-limited",
                title: "Too many requests.",
                status: StatusCode::TOO_MANY_REQUESTS,
                meaning: "You sent more requests than you may in the present window of time.",
                cure: "Wait for the seconds in Retry-After, then go on more slowly.",
            },
            Self::OutcomeUnknown => &Entry {
                slug: "outcome-unknown",
                title: "It is not known whether the command took effect.",
                status: StatusCode::SERVICE_UNAVAILABLE,
                meaning: "The command was given to the log, but no proof of its fate came back in time.",
                cure: "Send the same request again with the same Idempotency-Key: it takes effect at most once.",
            },
            Self::ProjectionBehind => &Entry {
                slug: "projection-behind",
                title: "The read side has not got there yet.",
                status: StatusCode::SERVICE_UNAVAILABLE,
                meaning: "The position named in Groot-Min-Position was not reached within the time you were ready to \
                          wait.",
                cure: "Try again after Retry-After, wait longer with Prefer: wait, or take what is there with \
                       Groot-Stale: allow.",
            },
            Self::DependencyUnavailable => &Entry {
                slug: "dependency-unavailable",
                title: "Something this answer needs is not available.",
                status: StatusCode::SERVICE_UNAVAILABLE,
                meaning: "A server behind this address does not answer at the moment.",
                cure: "Try again after the seconds in Retry-After.",
            },
            Self::NoOwner => &Entry {
                slug: "no-owner",
                title: "Nobody serves this partition at the moment.",
                status: StatusCode::SERVICE_UNAVAILABLE,
                meaning: "The part of the data that the command concerns is being handed from one server to another.",
                cure: "Send the same request again after the seconds in Retry-After.",
            },
            Self::Overloaded => &Entry {
                slug: "overloaded",
                title: "The server has too much to do.",
                status: StatusCode::SERVICE_UNAVAILABLE,
                meaning: "More is running than the server takes at a time, in all, in one partition, or in bytes of bodies. This request was not begun.",
                cure: "Try again after the seconds in Retry-After.",
            },
            Self::Timeout => &Entry {
                slug: "timeout",
                title: "The answer took too long.",
                status: StatusCode::SERVICE_UNAVAILABLE,
                meaning: "The request was given up because its answer was not ready in time. A command may still take \
                          effect.",
                cure: "Try again after the seconds in Retry-After; repeat a command with the same Idempotency-Key.",
            },
            Self::Internal => &Entry {
                slug: "internal",
                title: "Something went wrong on our side.",
                status: StatusCode::INTERNAL_SERVER_ERROR,
                meaning: "The server met a fault of its own. The log has the details under the traceId.",
                cure: "Try again; if it stays, report the traceId.",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_type_has_a_slug_of_its_own_that_leads_back_to_it() {
        let slugs: HashSet<&str> = ProblemType::ALL.into_iter().map(ProblemType::slug).collect();
        assert_eq!(slugs.len(), ProblemType::ALL.len());
        for kind in ProblemType::ALL {
            assert_eq!(ProblemType::from_slug(kind.slug()), Some(kind));
            assert!(kind.slug().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
            assert!(kind.status().is_client_error() || kind.status().is_server_error());
        }
    }

    #[test]
    fn the_texts_hold_nothing_that_html_reads_as_markup() {
        for kind in ProblemType::ALL {
            let entry = kind.entry();
            for text in [entry.title, entry.meaning, entry.cure] {
                assert!(text.ends_with('.') && !text.contains(['<', '>', '&']), "{text}");
            }
        }
    }

    #[test]
    fn a_bare_status_stands_for_a_type_of_the_same_status() {
        for kind in ProblemType::ALL {
            assert_eq!(ProblemType::for_status(kind.status()).status(), kind.status(), "{kind:?}");
        }
    }
}
