//! What a program does when a server that it needs is not there at its start.

use futures::future::join_all;
use groot_tests::servers::Servers;
use groot_tests::system::System;

/// A program, and the setting that leads it to where nobody listens.
struct Case {
    program: &'static str,
    args: &'static [&'static str],
    missing: &'static str,
    variable: &'static str,
    value: fn(&str) -> String,
}

const fn case(
    program: &'static str,
    args: &'static [&'static str],
    missing: &'static str,
    variable: &'static str,
    value: fn(&str) -> String,
) -> Case {
    Case { program, args, missing, variable, value }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_at_the_start_is_tried_five_times_then_named_with_exit_code_3() {
    let kafka = |name, args| case(name, args, "Kafka", "GROOT_KAFKA_BROKERS", str::to_owned);
    let registry = |name, args| {
        case(name, args, "the schema registry", "GROOT_SCHEMA_REGISTRY_URL", |at| {
            format!("http://{at}/apis/ccompat/v7")
        })
    };
    let mongodb =
        |name, args| case(name, args, "MongoDB", "GROOT_MONGODB_URI", |at| format!("mongodb://{at}/?replicaSet=rs0"));
    let documents: &[&str] = &["documents"];
    let cases = [
        kafka("command-api", &[]),
        registry("command-api", &[]),
        kafka("projectors", documents),
        registry("projectors", documents),
        mongodb("projectors", documents),
        mongodb("query-api", &[]),
    ];
    let system = System::start(Servers::Steady, "starts").await;
    let nobody = xtask::ports::reserve().unwrap();
    let address = format!("127.0.0.1:{}", nobody.port);
    let runs = (0..).zip(&cases).map(async |(number, case)| {
        let setting = (case.value)(&address);
        let settings = [(case.variable, setting.as_str())];
        let program = system.program(&format!("start-{number}"), case.program, case.args, &settings);
        let (code, said) = program.ended().await;
        assert_eq!(code, Some(3), "{} without {}:\n{said}", case.program, case.missing);
        let pauses = said.lines().filter(|line| line.contains("no connection yet") && line.contains(case.missing));
        assert_eq!(pauses.count(), 4, "five tries:\n{said}");
        let last = said.lines().last().unwrap();
        assert!(last.contains(case.missing) && last.contains(&address), "{last}");
    });
    join_all(runs).await;
    system.assert_all_run();
    system.end().await;
}
