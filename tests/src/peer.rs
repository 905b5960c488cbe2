//! Single commands, made as an instance makes them that passes commands on: by them a test does a part of what a request does,
//! and then no more, as an instance that ends half-way.

use command_api::domain::{Actor, Command, Rights};
use command_api::partition::submission::Submission;
use event_schema::hash::CommandHash;
use serde_json::Value;
use uuid::Uuid;
use xtask::stack::Stack;

use crate::client::{Answer, Client};

/// A command that was passed on this often is passed on no further.
pub use command_api::routing::MAX_HOPS;

/// Makes a command of an author at the instance with this admin address, which must own the partition, and gives what the
/// owner answered.
pub async fn make(stack: &Stack, admin: &str, author: Uuid, command: Command) -> Value {
    pass_on(stack, admin, author, command, MAX_HOPS).await["Answered"].take()
}

/// Passes a command of an author on to the instance with this admin address, for the `hops`th time, and gives what became of it.
pub async fn pass_on(stack: &Stack, admin: &str, author: Uuid, command: Command, hops: u8) -> Value {
    let command_id = Uuid::new_v4();
    let submission = Submission {
        command_id,
        command_hash: CommandHash::of(command_id.as_bytes()),
        command,
        expected_version: None,
        actor: Actor::Person { id: author.into(), rights: Rights::AUTHOR },
        correlation_id: command_id,
        traceparent: None,
    };
    let request = Client::default()
        .request("POST", &format!("{admin}/peer/commands"))
        .header("groot-hops", hops.to_string())
        .bearer_auth(&stack.addresses().peer_secret)
        .json(&submission);
    Answer::of(request).await.expect("an answer to the command").body
}
