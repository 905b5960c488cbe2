//! What only a whole process can show: exit codes, signals and log lines. Each test runs this test program again,
//! as the process it is about.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use axum::Router;
use axum::routing::get;
use clap::Parser;
use service::problem::Problem;
use service::telemetry::{LogFormat, TelemetryArgs, init_logging};

use crate::support::*;

const ROLE: &str = "CHASSIS_TEST_PROCESS";

fn is_the_process() -> bool {
    std::env::var_os(ROLE).is_some()
}

/// This program again, running the named test as the process under test.
fn process(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--quiet"]).env(ROLE, "yes").env_remove("NO_COLOR");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The arguments of a test program are not ours to read; the environment is.
#[derive(Debug, Parser)]
struct NoArguments {
    #[command(flatten)]
    settings: SettingsArgs,
    #[arg(hide = true, num_args = .., allow_hyphen_values = true, trailing_var_arg = true)]
    rest: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct SettingsArgs {
    #[arg(long, env = "GROOT_SAMPLE_ADDR", default_value = "127.0.0.1:3001", value_parser = service::config::socket_addr)]
    sample_addr: std::net::SocketAddr,
}

#[test]
fn a_bad_variable_ends_the_process_with_code_two_and_its_name() {
    if is_the_process() {
        let read: NoArguments = service::config::read();
        println!("listening on {}", read.settings.sample_addr);
        return;
    }
    let name = "process::a_bad_variable_ends_the_process_with_code_two_and_its_name";
    let bad = process(name).env("GROOT_SAMPLE_ADDR", "nowhere").output().unwrap();
    assert_eq!(bad.status.code(), Some(2));
    let text = String::from_utf8(bad.stderr).unwrap();
    assert!(
        text.contains("GROOT_SAMPLE_ADDR") && text.contains("nowhere") && text.contains("127.0.0.1:3001"),
        "{text}"
    );
    let good = process(name).env("GROOT_SAMPLE_ADDR", "127.0.0.1:4000").output().unwrap();
    assert!(String::from_utf8(good.stdout).unwrap().contains("listening on 127.0.0.1:4000"));
}

#[tokio::test]
async fn a_signal_to_end_is_heard() {
    if is_the_process() {
        let token = service::shutdown::on_signals().unwrap();
        println!("waiting");
        token.cancelled().await;
        println!("ending well");
        return;
    }
    for signal in ["-TERM", "-INT"] {
        let mut child = process("process::a_signal_to_end_is_heard").spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().ends_with("waiting")), "the process did not begin");
        kill(&child, signal);
        assert!(lines.any(|line| line.unwrap().ends_with("ending well")), "{signal} was not heard");
        assert!(child.wait().unwrap().success());
    }
}

fn kill(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

#[tokio::test]
async fn a_failed_request_is_one_line_with_its_cause_and_probes_are_silent() {
    if is_the_process() {
        return log_some_requests().await;
    }
    let name = "process::a_failed_request_is_one_line_with_its_cause_and_probes_are_silent";
    let output = process(name).output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let about = |path: &str| -> Vec<&serde_json::Value> {
        lines.iter().filter(|line| line["span"]["http.path"] == path).collect()
    };
    for silent in ["/health", "/ready", "/good"] {
        assert_eq!(about(silent).len(), 0, "{text}");
    }
    let failed = about("/broken");
    assert_eq!(failed.len(), 1, "{text}");
    assert_eq!(failed[0]["level"], "ERROR");
    assert_eq!(failed[0]["http.status"], 500);
    assert_eq!(failed[0]["problem"], "internal");
    assert_eq!(failed[0]["cause"], "the disk is full");
    assert_eq!(failed[0]["span"]["trace.id"].as_str().unwrap().len(), 32);
    let refused = about("/nowhere");
    assert_eq!((refused.len(), &refused[0]["level"]), (1, &"INFO".into()));
}

#[test]
fn a_log_that_is_no_terminal_has_no_colours() {
    if is_the_process() {
        init_logging(&TelemetryArgs { log: "info".into(), log_format: LogFormat::Text }).unwrap();
        tracing::info!(post.id = 7, "begun");
        return;
    }
    let output = process("process::a_log_that_is_no_terminal_has_no_colours").output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("begun post.id=7") && !text.contains('\u{1b}'), "{text:?}");
}

async fn log_some_requests() {
    let args = TelemetryArgs { log: "info".into(), log_format: LogFormat::Json };
    init_logging(&args).unwrap();
    let health = service::health::Health::new();
    let _closed = health.gate("never", "not yet");
    let routes = Router::new()
        .route("/good", get(async || "here"))
        .route("/broken", get(async || Problem::internal("the disk is full")))
        .merge(health.routes());
    let server = start(routes).await;
    for path in ["/health", "/ready", "/good", "/broken", "/nowhere"] {
        server.get(path).await;
    }
}
