//! Why a command is refused.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::slug_reservation::Holding;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rejection {
    NotFound,
    /// The id is taken.
    AlreadyExists,
    Forbidden(Denial),
    /// The aggregate is not at the version that was named.
    VersionMismatch {
        current: u64,
    },
    RuleBroken(Rule),
    /// The slug is reserved for this post, and that long ago that it may be asked whether it still wants it. No answer to a
    /// person, but what the next step is decided by.
    ReservationExpired(Holding),
    /// Fields that are valid by themselves but not in this state or at this time.
    Invalid(Vec<FieldError>),
}

/// What the person lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Denial {
    /// Liking posts, which only a token can leave out.
    LikePosts,
    /// Commenting, which only a token can leave out.
    Comment,
    EditCommentsOfOthers,
    DeleteCommentsOfOthers,
    WritePosts,
    WritePostsOfOthers,
    /// Setting author or time of publication.
    AttributePosts,
    ManagePeople,
    /// Only Groot itself makes this command.
    SystemOnly,
}

impl Denial {
    /// One sentence for the person, which says who may.
    pub fn explanation(self) -> &'static str {
        match self {
            Denial::LikePosts => "This token does not allow liking posts.",
            Denial::Comment => "This token does not allow commenting.",
            Denial::EditCommentsOfOthers => "This comment is another person's; only its author may change it.",
            Denial::DeleteCommentsOfOthers => {
                "This comment is another person's; only its author, an editor or an admin may delete it."
            }
            Denial::WritePosts => "Writing posts needs the role author, editor or admin.",
            Denial::WritePostsOfOthers => {
                "This post is another author's; only its author, an editor or an admin may change it."
            }
            Denial::AttributePosts => {
                "Only an editor or an admin may set authorId and publishedAt to other values; leave them out."
            }
            Denial::ManagePeople => "Creating people needs the role admin.",
            Denial::SystemOnly => "This is done by the system alone.",
        }
    }
}

/// A rule of the domain that the command does not keep in the present state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rule {
    DeletedPostsAreOnlyRestored,
    PublishedPostsAreNotScheduled,
    OnlyPublishedPostsTakeResponses,
    DeletedCommentsStayDeleted,
    /// Another post has it, or is about to.
    SlugTaken,
    /// A post keeps the slug of its first publication.
    SlugIsFixed,
    /// The post has refused the token under which the slug was reserved.
    SlugReservationLapsed,
    /// A post does not refuse the slug that it is published under. The system alone is told.
    SlugIsInUse,
}

impl Rule {
    /// The rule in one sentence, with the way out.
    pub fn explanation(self) -> &'static str {
        match self {
            Rule::DeletedPostsAreOnlyRestored => "The post is deleted. Restore it first.",
            Rule::PublishedPostsAreNotScheduled => "The post is published already. Unpublish it before scheduling it.",
            Rule::OnlyPublishedPostsTakeResponses => {
                "The post is not published. Publish it before it can be liked or commented on."
            }
            Rule::DeletedCommentsStayDeleted => "The comment is deleted, for good. Write another one.",
            Rule::SlugTaken => "Another post has this slug, or is about to be published under it. Choose another one.",
            Rule::SlugIsFixed => {
                "The post keeps the slug of its first publication. Leave the slug out, or name the one it has."
            }
            Rule::SlugReservationLapsed => {
                "Publishing took so long that the slug was no longer kept for the post. Publish it again."
            }
            Rule::SlugIsInUse => "The post is published under this slug, and keeps it.",
        }
    }
}

/// A value that is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// A path such as `tags[3]`.
    pub field: String,
    /// What is wrong, for programs.
    pub code: Cow<'static, str>,
    /// What is wrong and what is allowed, for people.
    pub message: String,
}

impl FieldError {
    pub fn new(field: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self { field: field.into(), code: Cow::Borrowed(code), message: message.into() }
    }
}
