//! The operators' tool, as they call it.

use std::process::Stdio;

use serde_json::Value;
use tokio::process::{Child, Command};
use xtask::stack::Stack;

use crate::binaries::binary;
use crate::system::System;

/// What the tool said, and its exit code.
#[derive(Clone, Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// Runs `replay-tool` against these servers, with some settings beside their addresses.
pub async fn replay_tool(stack: &Stack, arguments: &[&str], settings: &[(&str, &str)]) -> Said {
    let output = command(stack, arguments, settings).await.output().await.expect("the tool runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the tool says UTF-8");
    let code = output.status.code().expect("the tool ends by itself");
    Said { code, out: text(output.stdout), err: text(output.stderr) }
}

async fn command(stack: &Stack, arguments: &[&str], settings: &[(&str, &str)]) -> Command {
    let program = tokio::task::spawn_blocking(|| binary("replay-tool")).await.expect("the programs are built");
    let mut command = Command::new(program);
    command.args(arguments).envs(stack.addresses().env()).envs(settings.iter().copied());
    command
}

impl Said {
    /// Everything that it said.
    pub fn all(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}", self.all());
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.all()))
    }

    /// Of what it prints a line at a time.
    #[track_caller]
    pub fn lines(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }
}

impl System {
    /// Runs the tool in the surroundings of this system.
    pub async fn tool(&self, arguments: &[&str]) -> Said {
        replay_tool(self.stack, arguments, &self.settings()).await
    }

    /// Begins to run the tool, and does not wait for its end; what it prints is to be read from it. It is killed when it is dropped.
    pub async fn begin_tool(&self, arguments: &[&str]) -> Child {
        let mut command = command(self.stack, arguments, &self.settings()).await;
        command.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn().expect("the tool runs")
    }

    fn settings(&self) -> Vec<(&str, &str)> {
        self.env().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }
}
