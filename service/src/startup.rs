//! Starting up: waiting for what the process needs, within bounds, and the exit codes.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use tokio::time::timeout;

use crate::config::ConfigError;
use crate::problem::chain;

/// The process ended as it should.
pub const EXIT_OK: u8 = 0;
/// The process met a fault that has no code of its own.
pub const EXIT_FAILURE: u8 = 1;
/// The configuration is wrong.
pub const EXIT_CONFIG: u8 = 2;
/// A server that is needed to start did not answer.
pub const EXIT_DEPENDENCY: u8 = 3;

/// How often a dependency is tried.
const TRIES: usize = 5;
/// The pauses between tries: 15 s in all.
const PAUSES: [Duration; TRIES - 1] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];
/// A try may take this long: five of them and the pauses make 60 s.
const TRY_LIMIT: Duration = Duration::from_secs(9);

/// A dependency was not there at start-up.
#[derive(Debug, thiserror::Error)]
#[error("{name} at {address} did not answer in {TRIES} tries; start it or correct its address")]
pub struct StartupError {
    pub name: String,
    pub address: String,
    /// What the last try met.
    pub source: AttemptError,
}

/// What one try met.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    #[error("no answer within {} s", TRY_LIMIT.as_secs())]
    TimedOut,
    #[error("{0}")]
    Failed(String),
}

/// Tries to reach a dependency five times in at most 60 s, with growing pauses, and logs each failure. `address` is
/// for people: give it without user names and passwords.
pub async fn connect_with_retries<T, E>(
    name: &str,
    address: &str,
    mut attempt: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T, StartupError>
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let mut pauses = PAUSES.into_iter();
    loop {
        let source = match timeout(TRY_LIMIT, attempt()).await {
            Ok(Ok(connected)) => {
                tracing::info!(dependency.name = name, dependency.address = address, "connected");
                return Ok(connected);
            }
            Ok(Err(error)) => AttemptError::Failed(chain(error.into().as_ref())),
            Err(_) => AttemptError::TimedOut,
        };
        let Some(pause) = pauses.next() else {
            return Err(StartupError { name: name.to_owned(), address: address.to_owned(), source });
        };
        tracing::warn!(
            dependency.name = name,
            dependency.address = address,
            error = %source,
            "no connection yet, next try in {} s",
            pause.as_secs()
        );
        tokio::time::sleep(pause).await;
    }
}

/// Says on standard error why the process ends and gives the exit code that belongs to the error: 3 for a
/// [`StartupError`], 2 for a [`ConfigError`] anywhere in the chain, else 1.
pub fn exit_code(error: &(dyn Error + 'static)) -> ExitCode {
    eprintln!("error: {}", chain(error));
    ExitCode::from(code_of(error))
}

fn code_of(error: &(dyn Error + 'static)) -> u8 {
    let mut link = Some(error);
    while let Some(error) = link {
        if error.is::<StartupError>() {
            return EXIT_DEPENDENCY;
        }
        if error.is::<ConfigError>() {
            return EXIT_CONFIG;
        }
        link = error.source();
    }
    EXIT_FAILURE
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn a_dependency_that_refuses_is_tried_five_times_and_then_named() {
        let tries = Cell::new(0);
        let error = connect_with_retries::<(), _>("MongoDB", "127.0.0.1:27017", async || {
            tries.set(tries.get() + 1);
            Err("refused")
        })
        .await
        .unwrap_err();
        assert_eq!(tries.get(), 5);
        assert_eq!(
            chain(&error),
            "MongoDB at 127.0.0.1:27017 did not answer in 5 tries; start it or correct its address: refused"
        );
        assert_eq!(code_of(&error), EXIT_DEPENDENCY);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dependency_that_hangs_is_given_up_within_a_minute() {
        let begin = Instant::now();
        let hang = async || std::future::pending::<Result<(), String>>().await;
        let error = connect_with_retries("Kafka", "127.0.0.1:9092", hang).await.unwrap_err();
        assert!(matches!(error.source, AttemptError::TimedOut));
        assert!(begin.elapsed() <= Duration::from_secs(60), "{:?}", begin.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_dependency_that_comes_late_is_taken() {
        let tries = Cell::new(0);
        let answer = connect_with_retries("Kafka", "127.0.0.1:9092", async || {
            tries.set(tries.get() + 1);
            if tries.get() < 5 { Err("not yet") } else { Ok("here") }
        })
        .await;
        assert_eq!(answer.unwrap(), "here");
    }

    #[test]
    fn the_exit_code_is_found_beneath_any_context() {
        let error = anyhow::Error::from(StartupError {
            name: "Kafka".into(),
            address: "x".into(),
            source: AttemptError::TimedOut,
        })
        .context("starting");
        assert_eq!(code_of(error.as_ref()), EXIT_DEPENDENCY);
        assert_eq!(code_of(&std::fmt::Error), EXIT_FAILURE);
    }
}
