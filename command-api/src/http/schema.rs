//! Bodies and answers as the API's description shows them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use service::problem::ProblemBody;
use utoipa::{IntoResponses, ToSchema};
use uuid::Uuid;

/// A post as it is written. Control characters other than line feed and tab are refused everywhere.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct PostBody {
    /// `article` where left out.
    #[schema(rename = "type", default = "article")]
    pub post_type: Option<PostKind>,
    /// One line, counted after trimming.
    #[schema(min_length = 1, max_length = 200)]
    pub title: String,
    /// Markdown of 1 byte to 1 MiB.
    #[schema(min_length = 1)]
    pub content: String,
    #[schema(max_length = 500)]
    pub excerpt: Option<String>,
    /// Each of 1 to 50 characters, trimmed; one that stands twice is kept once.
    #[schema(max_items = 20)]
    pub tags: Option<Vec<String>>,
    #[schema(max_length = 50)]
    pub category: Option<String>,
    /// Ids of media; one that stands twice is kept once.
    #[schema(max_items = 50)]
    pub media: Option<Vec<Uuid>>,
    /// The person who asks, where left out. Set to another by editors and admins.
    pub author_id: Option<Uuid>,
    /// The time to be published under, in the years 0001 to 9999. Set by editors and admins.
    pub published_at: Option<DateTime<Utc>>,
}

/// What is to change of a post.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct PostPatch {
    #[schema(rename = "type", nullable = false)]
    pub post_type: Option<PostKind>,
    #[schema(min_length = 1, max_length = 200, nullable = false)]
    pub title: Option<String>,
    #[schema(min_length = 1, nullable = false)]
    pub content: Option<String>,
    #[schema(max_length = 500)]
    pub excerpt: Option<String>,
    #[schema(max_items = 20)]
    pub tags: Option<Vec<String>>,
    #[schema(max_length = 50)]
    pub category: Option<String>,
    #[schema(max_items = 50)]
    pub media: Option<Vec<Uuid>>,
    #[schema(nullable = false)]
    pub author_id: Option<Uuid>,
    pub published_at: Option<DateTime<Utc>>,
}

#[derive(Debug, ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum PostKind {
    Article,
    Note,
    Link,
}

/// How a post is published.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct PublishBody {
    /// The time to be published under. Set by editors and admins.
    pub published_at: Option<DateTime<Utc>>,
    /// Its name in addresses, for ever: words of a-z and 0-9 with single hyphens between them. It must not be a UUID, nor end in
    /// a word of 8 characters that are all 0-9 or a-f. One that another post has is 409.
    #[schema(min_length = 3, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$")]
    pub slug: Option<String>,
}

/// When a post is published.
#[derive(Debug, ToSchema)]
pub struct ScheduleBody {
    /// In the future.
    pub at: DateTime<Utc>,
}

/// What a comment says.
#[derive(Debug, ToSchema)]
pub struct CommentBody {
    /// Markdown of 1 to 10,000 characters, counted after trimming.
    #[schema(min_length = 1, max_length = 10_000)]
    pub content: String,
}

/// What is to change of a comment.
#[derive(Debug, ToSchema)]
pub struct CommentPatch {
    /// Left out, it stays.
    #[schema(min_length = 1, max_length = 10_000, nullable = false)]
    pub content: Option<String>,
}

/// A new person.
#[derive(Debug, ToSchema)]
pub struct PersonBody {
    /// One line, counted after trimming.
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
}

/// What people did, in one batch.
#[derive(Debug, ToSchema)]
pub struct ActivityBody {
    #[schema(min_items = 1, max_items = 500)]
    pub events: Vec<ActivityEvent>,
}

/// Something that somebody did.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct ActivityEvent {
    #[schema(rename = "type")]
    pub activity_type: ActivityKind,
    /// The post that it is about.
    pub post_id: Option<Uuid>,
    /// Of the client: different ones of these are counted as sessions.
    #[schema(min_length = 1, max_length = 100)]
    pub session_id: Option<String>,
    /// Within the last 7 days, and at most 5 minutes ahead, which is taken as now. The time of arrival where left out.
    pub timestamp: Option<DateTime<Utc>>,
    /// To 20 strings to 200 characters, numbers or booleans. Names are 1 to 40 letters, digits, underscores, dots or hyphens.
    pub properties: Option<std::collections::BTreeMap<String, String>>,
}

#[derive(Debug, ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum ActivityKind {
    View,
    Read,
    Share,
    Click,
    Search,
    Download,
}

/// How many events will be counted.
#[derive(Debug, Serialize, ToSchema)]
pub struct AcceptedAnswer {
    #[schema(example = 1)]
    pub accepted: usize,
}

#[derive(Debug, IntoResponses)]
pub enum Accepted {
    /// All of them are stored
    #[response(status = 202)]
    Accepted(AcceptedAnswer),
}

#[derive(Debug, IntoResponses)]
pub enum ActivityRefusals {
    /// The body is not JSON in UTF-8
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(ProblemBody),
    /// There is an access token, and it is not valid
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(ProblemBody),
    /// The body has more than 2 MiB
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemBody),
    /// The body is not application/json
    #[response(status = 415, content_type = "application/problem+json")]
    UnsupportedMediaType(ProblemBody),
    /// Fields are not valid, all of them named; nothing is stored
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(ProblemBody),
    /// Not all of them are known to be stored: try again later
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemBody),
}

/// Where a command left what it was for.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "id": "01930a5d-ac96-774b-bcce-b302099a8057", "version": 1, "position": "AQAAAAAAAAAHAAAAAwAAAAAAAAAqZ1Zp0w"
}))]
pub struct CommandAnswer {
    pub id: Uuid,
    /// The number of its events; 0 only of a like that never was and was taken back.
    #[schema(minimum = 0)]
    pub version: u64,
    /// Send it back in `Groot-Min-Position` to read what was written.
    pub position: String,
}

#[derive(Debug, IntoResponses)]
pub enum Created {
    /// It is in the log. Headers: `Location`, `ETag`, `Groot-Position`.
    #[response(status = 201)]
    Created(CommandAnswer),
}

#[derive(Debug, IntoResponses)]
pub enum Done {
    /// It is in the log, or was already as asked for. Headers: `ETag`, `Groot-Position`.
    #[response(status = 200)]
    Done(CommandAnswer),
}

#[derive(Debug, IntoResponses)]
pub enum Refusals {
    /// The body is not JSON in UTF-8, or an id, parameter or header is not valid
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(ProblemBody),
    /// No valid access token
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(ProblemBody),
    /// The role does not allow it
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(ProblemBody),
    /// Nothing was ever created under this id
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(ProblemBody),
    /// A rule forbids it in the present state, or the slug is another post's
    #[response(status = 409, content_type = "application/problem+json")]
    RuleBroken(ProblemBody),
    /// If-Match names another version than the present one
    #[response(status = 412, content_type = "application/problem+json")]
    VersionMismatch(ProblemBody),
    /// The body has more than 2 MiB
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemBody),
    /// The body is not application/json
    #[response(status = 415, content_type = "application/problem+json")]
    UnsupportedMediaType(ProblemBody),
    /// Fields are not valid, all of them named; or the Idempotency-Key was used for another request
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(ProblemBody),
    /// The version that was read must be named (only where all fields are replaced)
    #[response(status = 428, content_type = "application/problem+json")]
    VersionRequired(ProblemBody),
    /// Nobody serves it at the moment, or its outcome is unknown: send it again with the same Idempotency-Key
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemBody),
}
