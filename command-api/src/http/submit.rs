//! From a validated command to its answer.

use axum::response::Response;
use event_schema::event::AggregateKind;
use event_schema::hash::CommandHash;
use event_schema::id::{PersonId, PostId};
use serde::Serialize;
use service::problem::Problem;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Api;
use super::answer::answer;
use super::caller::Caller;
use crate::domain::Command;
use crate::domain::post::PostCommand;
use crate::error::{failed, refused};
use crate::partition::submission::{Answer, Submission};

const POSTS: &str = "/api/universal/post";
const PEOPLE: &str = "/api/users";

/// Makes a command on a post that is there, and answers 200.
pub async fn on_post(api: &Api, caller: Caller, id: Uuid, command: PostCommand) -> Result<Response, Problem> {
    let command = Command::Post { id: PostId::new(id), command };
    let command_id = match &caller.key {
        Some(key) => command_id_of(caller.person, id, key),
        None => Uuid::now_v7(),
    };
    submit(api, caller, command_id, command).await
}

/// Makes a command that creates what `command` says of a new id, and answers 201.
pub async fn creating(
    api: &Api,
    caller: Caller,
    kind: AggregateKind,
    command: impl FnOnce(Uuid) -> Command,
) -> Result<Response, Problem> {
    caller.names_no_version()?;
    let (id, command_id) = match &caller.key {
        Some(key) => {
            // A retry must meet the same aggregate, wherever and whenever it is made.
            let id = aggregate_id_of(kind, caller.person, key);
            (id, command_id_of(caller.person, id, key))
        }
        None => (Uuid::now_v7(), Uuid::now_v7()),
    };
    submit(api, caller, command_id, command(id)).await
}

async fn submit(api: &Api, caller: Caller, command_id: Uuid, command: Command) -> Result<Response, Problem> {
    let location = command.is_create().then(|| match command.kind() {
        AggregateKind::Post => POSTS,
        AggregateKind::Person => PEOPLE,
    });
    let expected_version = caller.expected_version();
    let submission = Submission {
        command_id,
        command_hash: command_hash(&command, expected_version)?,
        command,
        expected_version,
        actor: caller.actor,
        correlation_id: Uuid::parse_str(&caller.trace.trace_id()).unwrap_or(command_id),
        traceparent: Some(caller.trace.traceparent()),
    };
    match api.routing.execute(submission).await {
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

fn aggregate_id_of(kind: AggregateKind, person: PersonId, key: &str) -> Uuid {
    hashed("groot:aggregate", &[kind.as_str().as_bytes(), person.as_uuid().as_bytes(), key.as_bytes()])
}

fn command_id_of(person: PersonId, aggregate: Uuid, key: &str) -> Uuid {
    hashed("groot:command", &[person.as_uuid().as_bytes(), aggregate.as_bytes(), key.as_bytes()])
}

/// A UUIDv8 of SHA-256 over the parts.
fn hashed(domain: &str, parts: &[&[u8]]) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(domain.as_bytes());
    for part in parts {
        // The length goes in first, so that no two lists of parts feed the hash the same bytes.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Uuid::new_v8(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: PersonId = PersonId::new(Uuid::from_u128(1));
    const BEN: PersonId = PersonId::new(Uuid::from_u128(2));

    #[test]
    fn a_keyed_create_names_the_same_aggregate_each_time_and_for_each_person_another() {
        let id = aggregate_id_of(AggregateKind::Post, ANN, "k");
        assert_eq!(id, aggregate_id_of(AggregateKind::Post, ANN, "k"));
        assert_eq!(id.get_version_num(), 8);
        for other in [
            aggregate_id_of(AggregateKind::Post, BEN, "k"),
            aggregate_id_of(AggregateKind::Post, ANN, "l"),
            aggregate_id_of(AggregateKind::Person, ANN, "k"),
        ] {
            assert_ne!(other, id);
        }
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
