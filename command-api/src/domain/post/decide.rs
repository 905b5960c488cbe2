//! What a command makes of a post.

use chrono::{DateTime, Utc};
use event_schema::event::DomainEvent;
use event_schema::id::PostId;
use event_schema::post::{
    PostCreated, PostDeleted, PostEdited, PostPublished, PostRestored, PostScheduled, PostSlugRefused, PostUnpublished,
};

use super::command::Change;
use super::{ContentHash, PostChanges, PostCommand, PostContents, PostState, Status, slug};
use crate::domain::{Actor, Context, Denial, FieldError, Rejection, Rule};

type Decision = Result<Vec<DomainEvent>, Rejection>;

pub fn decide(state: Option<&PostState>, id: PostId, command: &PostCommand, context: &Context) -> Decision {
    if !context.actor.rights().write_own_posts {
        return Err(Rejection::Forbidden(Denial::WritePosts));
    }
    let state = match (command, state) {
        (PostCommand::Create(contents), None) => return create(contents, context),
        (PostCommand::Create(_), Some(_)) => return Err(Rejection::AlreadyExists),
        (_, None) => return Err(Rejection::NotFound),
        (_, Some(state)) => state,
    };
    authorize(state, command, &context.actor)?;
    if context.expected_version.is_some_and(|expected| expected != context.version) {
        return Err(Rejection::VersionMismatch { current: context.version });
    }
    if matches!(state.status, Status::Deleted { .. }) && !allowed_when_deleted(command) {
        return Err(Rejection::RuleBroken(Rule::DeletedPostsAreOnlyRestored));
    }
    match command {
        PostCommand::Create(_) => Err(Rejection::AlreadyExists),
        PostCommand::Edit(changes) => edit(state, changes.clone()),
        PostCommand::Replace(contents) => edit(state, contents.clone().into()),
        PostCommand::Publish { published_at } => Ok(publish(state, id, None, *published_at, context.now)),
        PostCommand::CheckPublishAs { slug, .. } => may_have(state, slug).map(|()| Vec::new()),
        PostCommand::PublishAs { published_at, slug, token } => {
            may_have(state, slug)?;
            if state.slug.is_none() && *token <= state.refused_token {
                return Err(Rejection::RuleBroken(Rule::SlugReservationLapsed));
            }
            Ok(publish(state, id, Some(slug), *published_at, context.now))
        }
        PostCommand::RefuseSlug { slug, token } => refuse_slug(state, slug, *token),
        PostCommand::Unpublish => Ok(unpublish(state)),
        PostCommand::Schedule { at } => schedule(state, *at, context.now),
        PostCommand::Delete => Ok(vec![PostDeleted {}.into()]),
        PostCommand::Restore => Ok(restore(state)),
        PostCommand::PublishScheduled { at } => Ok(publish_scheduled(state, id, *at)),
    }
}

fn authorize(state: &PostState, command: &PostCommand, actor: &Actor) -> Result<(), Rejection> {
    let rights = actor.rights();
    if !rights.write_any_post && !actor.is(state.author_id) {
        return Err(Rejection::Forbidden(Denial::WritePostsOfOthers));
    }
    let system_only = matches!(command, PostCommand::PublishScheduled { .. } | PostCommand::RefuseSlug { .. });
    if system_only && *actor != Actor::System {
        return Err(Rejection::Forbidden(Denial::SystemOnly));
    }
    if !rights.attribute_posts && attributes(state, command) {
        return Err(Rejection::Forbidden(Denial::AttributePosts));
    }
    Ok(())
}

/// Whether the command would give the post another author or time of publication. Naming the present ones is nothing
/// special: a client may send back what it read.
fn attributes(state: &PostState, command: &PostCommand) -> bool {
    let (author_id, published_at) = match command {
        PostCommand::Edit(changes) => (changes.author_id, changes.published_at),
        PostCommand::Replace(contents) => (contents.author_id, contents.published_at.map_or(Change::Keep, Change::Set)),
        PostCommand::Publish { published_at }
        | PostCommand::CheckPublishAs { published_at, .. }
        | PostCommand::PublishAs { published_at, .. } => (None, published_at.map_or(Change::Keep, Change::Set)),
        _ => (None, Change::Keep),
    };
    let new_time = match published_at {
        Change::Keep => false,
        Change::Set(time) => state.published_at != Some(time),
        Change::Clear => state.published_at.is_some(),
    };
    new_time || author_id.is_some_and(|author| author != state.author_id)
}

/// A schedule that comes due after the deletion decides nothing, and is nothing that anybody needs to hear of. What became of
/// a reservation must be told whatever became of the post.
fn allowed_when_deleted(command: &PostCommand) -> bool {
    matches!(command, PostCommand::Restore | PostCommand::PublishScheduled { .. } | PostCommand::RefuseSlug { .. })
}

fn create(contents: &PostContents, context: &Context) -> Decision {
    let own = match &context.actor {
        Actor::Person { id, .. } => Some(*id),
        Actor::System => None,
    };
    let author_id = contents.author_id.or(own).ok_or_else(|| {
        Rejection::Invalid(vec![FieldError::new("authorId", "required", "This must name the author.")])
    })?;
    let attributed = contents.published_at.is_some() || Some(author_id) != own;
    if attributed && !context.actor.rights().attribute_posts {
        return Err(Rejection::Forbidden(Denial::AttributePosts));
    }
    let contents = contents.clone();
    Ok(vec![
        PostCreated {
            post_type: contents.post_type,
            title: contents.title,
            content: contents.content,
            excerpt: contents.excerpt,
            tags: contents.tags,
            category: contents.category,
            media: contents.media,
            author_id,
            published_at: contents.published_at,
        }
        .into(),
    ])
}

fn edit(state: &PostState, changes: PostChanges) -> Decision {
    let published_at = match changes.published_at {
        Change::Keep => None,
        Change::Set(time) => Some(time),
        Change::Clear if state.published_at.is_none() => None,
        Change::Clear => {
            let message = "This cannot be taken away once it is set; give another time.";
            return Err(Rejection::Invalid(vec![FieldError::new("publishedAt", "not-clearable", message)]));
        }
    };
    let event = PostEdited {
        post_type: changed(changes.post_type, &state.post_type),
        title: changed(changes.title, &state.title),
        content: changes.content.filter(|content| ContentHash::of(content) != state.content),
        excerpt: changed(changes.excerpt, &state.excerpt),
        tags: changed(changes.tags, &state.tags),
        category: changed(changes.category, &state.category),
        media: changed(changes.media, &state.media),
        author_id: changed(changes.author_id, &state.author_id),
        published_at: published_at.filter(|time| Some(*time) != state.published_at),
    };
    Ok(if event == PostEdited::default() { Vec::new() } else { vec![event.into()] })
}

fn changed<T: PartialEq>(wanted: Option<T>, present: &T) -> Option<T> {
    wanted.filter(|wanted| wanted != present)
}

fn publish(
    state: &PostState,
    id: PostId,
    chosen: Option<&str>,
    published_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Vec<DomainEvent> {
    if state.status != Status::Published {
        let published_at = published_at.or(state.published_at).unwrap_or(now);
        return vec![published(state, id, chosen, published_at, false)];
    }
    // Published already: at most under another time.
    match published_at.filter(|time| Some(*time) != state.published_at) {
        Some(time) => vec![PostEdited { published_at: Some(time), ..PostEdited::default() }.into()],
        None => Vec::new(),
    }
}

fn publish_scheduled(state: &PostState, id: PostId, at: DateTime<Utc>) -> Vec<DomainEvent> {
    if state.status == (Status::Scheduled { at }) {
        vec![published(state, id, None, state.published_at.unwrap_or(at), true)]
    } else {
        Vec::new()
    }
}

fn published(
    state: &PostState,
    id: PostId,
    chosen: Option<&str>,
    published_at: DateTime<Utc>,
    scheduled: bool,
) -> DomainEvent {
    let slug = state.slug.as_deref().or(chosen).map_or_else(|| slug(&state.title, id), str::to_owned);
    PostPublished { slug, published_at, scheduled }.into()
}

fn may_have(state: &PostState, slug: &str) -> Result<(), Rejection> {
    match &state.slug {
        Some(present) if present != slug => Err(Rejection::RuleBroken(Rule::SlugIsFixed)),
        _ => Ok(()),
    }
}

fn refuse_slug(state: &PostState, slug: &str, token: u64) -> Decision {
    match &state.slug {
        Some(present) if present == slug => Err(Rejection::RuleBroken(Rule::SlugIsInUse)),
        // It can never be published under another one.
        Some(_) => Ok(Vec::new()),
        None if token <= state.refused_token => Ok(Vec::new()),
        None => Ok(vec![PostSlugRefused { slug: slug.to_owned(), token }.into()]),
    }
}

fn unpublish(state: &PostState) -> Vec<DomainEvent> {
    match state.status {
        Status::Published | Status::Scheduled { .. } => vec![PostUnpublished {}.into()],
        Status::Draft | Status::Deleted { .. } => Vec::new(),
    }
}

fn schedule(state: &PostState, at: DateTime<Utc>, now: DateTime<Utc>) -> Decision {
    match state.status {
        Status::Published => Err(Rejection::RuleBroken(Rule::PublishedPostsAreNotScheduled)),
        Status::Scheduled { at: present } if present == at => Ok(Vec::new()),
        _ if at <= now => {
            Err(Rejection::Invalid(vec![FieldError::new("at", "in-the-past", "This must be in the future.")]))
        }
        _ => Ok(vec![PostScheduled { at }.into()]),
    }
}

fn restore(state: &PostState) -> Vec<DomainEvent> {
    match state.status {
        Status::Deleted { was } => vec![PostRestored { status: was }.into()],
        _ => Vec::new(),
    }
}
