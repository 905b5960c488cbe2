//! From a validated command to its answer.

use axum::response::Response;
use chrono::{DateTime, Utc};
use event_schema::event::AggregateKind;
use event_schema::hash::CommandHash;
use event_schema::id::{CommentId, PersonId, PostId};
use serde::Serialize;
use service::problem::Problem;
use uuid::Uuid;

use super::Api;
use super::answer::answer;
use super::caller::Caller;
use crate::domain::Command;
use crate::domain::comment::CommentCommand;
use crate::domain::like::LikeCommand;
use crate::domain::post::PostCommand;
use crate::error::{failed, refused};
use crate::named_id::named_id;
use crate::partition::submission::{Answer, Submission};
use crate::routing::Failure;
use crate::slug_process::{self, Wish};

const POSTS: &str = "/api/universal/post";
const PEOPLE: &str = "/api/users";

/// Makes a command on a post that is there, and answers 200.
pub async fn on_post(api: &Api, caller: Caller, id: Uuid, command: PostCommand) -> Result<Response, Problem> {
    on_existing(api, caller, Command::Post { id: PostId::new(id), command }).await
}

/// Makes a command on a comment that is there, and answers 200.
pub async fn on_comment(
    api: &Api,
    caller: Caller,
    [post, id]: [Uuid; 2],
    command: CommentCommand,
) -> Result<Response, Problem> {
    on_existing(api, caller, Command::Comment { post: PostId::new(post), id: CommentId::new(id), command }).await
}

/// Makes a command on the like of the one who asks, and answers 200.
pub async fn on_like(api: &Api, caller: Caller, post: Uuid, command: LikeCommand) -> Result<Response, Problem> {
    let person = caller.person;
    on_existing(api, caller, Command::Like { post: PostId::new(post), person, command }).await
}

/// Publishes a post that is there under a slug that was chosen for it, and answers 200.
pub async fn on_post_under_slug(
    api: &Api,
    caller: Caller,
    id: Uuid,
    slug: String,
    published_at: Option<DateTime<Utc>>,
) -> Result<Response, Problem> {
    let post = PostId::new(id);
    let check = PostCommand::CheckPublishAs { published_at, slug: slug.clone() };
    let expected_version = caller.expected_version();
    let command_hash = command_hash(&Command::Post { id: post, command: check }, expected_version)?;
    let wish = Wish {
        post,
        slug,
        published_at,
        expected_version,
        command_id: command_id(&caller, id),
        correlation_id: Uuid::from_u128(caller.trace.id()),
        traceparent: Some(caller.trace.traceparent()),
        actor: caller.actor,
    };
    respond(api, slug_process::run(&api.routing, wish, command_hash).await, None)
}

async fn on_existing(api: &Api, caller: Caller, command: Command) -> Result<Response, Problem> {
    let command_id = command_id(&caller, command.aggregate_id());
    submit(api, caller, command_id, command).await
}

fn command_id(caller: &Caller, aggregate: Uuid) -> Uuid {
    match &caller.key {
        Some(key) => command_id_of(caller.person, aggregate, key),
        None => Uuid::now_v7(),
    }
}

/// Makes a command that creates what `command` says of a new id, and answers 201. `root` is what it is created under.
pub async fn creating(
    api: &Api,
    caller: Caller,
    kind: AggregateKind,
    root: Option<Uuid>,
    command: impl FnOnce(Uuid) -> Command,
) -> Result<Response, Problem> {
    caller.names_no_version()?;
    let (id, command_id) = match &caller.key {
        Some(key) => {
            // A retry must meet the same aggregate, wherever and whenever it is made.
            let id = aggregate_id_of(kind, caller.person, root, key);
            (id, command_id_of(caller.person, id, key))
        }
        None => {
            // Under a root it stands in the partition of that, whatever its id.
            let id = if root.is_some() { Uuid::now_v7() } else { api.routing.fresh_id() };
            (id, Uuid::now_v7())
        }
    };
    submit(api, caller, command_id, command(id)).await
}

async fn submit(api: &Api, caller: Caller, command_id: Uuid, command: Command) -> Result<Response, Problem> {
    let location = command.is_create().then(|| match &command {
        Command::Comment { post, .. } => format!("{POSTS}/{post}/comments"),
        Command::Post { .. } | Command::Like { .. } | Command::Slug { .. } => POSTS.to_owned(),
        Command::Person { .. } => PEOPLE.to_owned(),
    });
    let expected_version = caller.expected_version();
    let submission = Submission {
        command_id,
        command_hash: command_hash(&command, expected_version)?,
        command,
        expected_version,
        actor: caller.actor,
        correlation_id: Uuid::from_u128(caller.trace.id()),
        traceparent: Some(caller.trace.traceparent()),
    };
    respond(api, api.routing.execute(submission).await, location.as_deref())
}

fn respond(api: &Api, result: Result<Answer, Failure>, location: Option<&str>) -> Result<Response, Problem> {
    match result {
        Ok(Answer::Done(receipt)) => answer(api.log, &receipt, location),
        Ok(other) => Err(refused(other)),
        Err(failure) => Err(failed(failure)),
    }
}

/// Tells a repeated request from another one under the same key. It is written down with each event: how it is made must
/// stay as it is for as long as keys are remembered.
fn command_hash(command: &Command, expected_version: Option<u64>) -> Result<CommandHash, Problem> {
    #[derive(Serialize)]
    struct Canonical<'a> {
        command: &'a Command,
        expected_version: Option<u64>,
    }
    // Struct fields are written in their order and there are no maps, so equal commands give equal bytes.
    let bytes = serde_json::to_vec(&Canonical { command, expected_version }).map_err(Problem::internal)?;
    Ok(CommandHash::of(bytes))
}

/// The same key under another root makes another aggregate: it stands in another partition, where nobody would notice
/// that the id is taken.
fn aggregate_id_of(kind: AggregateKind, person: PersonId, root: Option<Uuid>, key: &str) -> Uuid {
    let (kind, person) = (kind.as_str().as_bytes(), person.as_uuid());
    match root {
        Some(root) => named_id("groot:aggregate", &[kind, person.as_bytes(), root.as_bytes(), key.as_bytes()]),
        None => named_id("groot:aggregate", &[kind, person.as_bytes(), key.as_bytes()]),
    }
}

fn command_id_of(person: PersonId, aggregate: Uuid, key: &str) -> Uuid {
    named_id("groot:command", &[person.as_uuid().as_bytes(), aggregate.as_bytes(), key.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: PersonId = PersonId::new(Uuid::from_u128(1));
    const BEN: PersonId = PersonId::new(Uuid::from_u128(2));

    #[test]
    fn a_keyed_create_names_the_same_aggregate_each_time_and_for_each_person_another() {
        let id = aggregate_id_of(AggregateKind::Post, ANN, None, "k");
        assert_eq!(id, aggregate_id_of(AggregateKind::Post, ANN, None, "k"));
        assert_eq!(id.get_version_num(), 8);
        for other in [
            aggregate_id_of(AggregateKind::Post, BEN, None, "k"),
            aggregate_id_of(AggregateKind::Post, ANN, None, "l"),
            aggregate_id_of(AggregateKind::Person, ANN, None, "k"),
        ] {
            assert_ne!(other, id);
        }
    }

    #[test]
    fn a_key_names_another_comment_under_each_post() {
        let id = |post| aggregate_id_of(AggregateKind::Comment, ANN, Some(Uuid::from_u128(post)), "k");
        assert_eq!(id(1), id(1));
        assert_ne!(id(1), id(2));
    }

    #[test]
    fn a_key_counts_for_one_person_and_one_aggregate() {
        let aggregate = Uuid::from_u128(7);
        let id = command_id_of(ANN, aggregate, "k");
        assert_eq!(id, command_id_of(ANN, aggregate, "k"));
        assert_ne!(id, command_id_of(BEN, aggregate, "k"));
        assert_ne!(id, command_id_of(ANN, Uuid::from_u128(8), "k"));
    }

    #[test]
    fn the_hash_tells_commands_and_expected_versions_apart() {
        let command = |command| Command::Post { id: PostId::new(Uuid::from_u128(7)), command };
        let hash = |command: &Command, version| command_hash(command, version).unwrap();
        let delete = command(PostCommand::Delete);
        assert_eq!(hash(&delete, None), hash(&delete.clone(), None));
        assert_ne!(hash(&delete, None), hash(&delete, Some(1)));
        assert_ne!(hash(&delete, None), hash(&command(PostCommand::Restore), None));
    }
}
