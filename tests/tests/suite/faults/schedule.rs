//! The short form of `./dev faults`.

use std::time::Duration;

use groot_tests::faults::history::Told;
use groot_tests::faults::report::Report;
use groot_tests::faults::run;
use groot_tests::system::System;

const LASTS: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_true_and_every_reader_agrees_while_owners_and_brokers_are_taken_away() {
    let (_alone, stack) = super::alone().await;
    // Other faults each time: the failure names the seed, and the variable repeats it.
    let seed = std::env::var("GROOT_FAULTS_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    let system = System::laid_out(stack, "schedule").through(0).start().await;
    let report = run::run(&system, seed, LASTS, 6, |_| ()).await;
    println!("{report}");
    if !report.is_good() {
        let folder = Report::folder(seed);
        report.leave(&folder).unwrap();
        run::keep_logs(&system, &folder.join("logs")).unwrap();
        panic!("evidence in {}\n{report}", folder.display());
    }
    let done = report.history.attempts.iter().filter(|attempt| matches!(attempt.told, Told::Done { .. })).count();
    assert!(done > 100 && report.faults.len() > 5, "hardly anything happened:\n{report}");
    system.end().await;
}
