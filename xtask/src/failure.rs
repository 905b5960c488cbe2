//! The one error type of the developer commands: a sentence for a person, with the cure in it.

use std::fmt::Display;

/// What went wrong and how to mend it, in one sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failure(String);

pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

/// Puts a sentence in front of a cause that the person did not ask about.
pub trait Because<T> {
    /// Turns the error into "`sentence`: cause".
    fn because(self, sentence: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Display> Because<T> for std::result::Result<T, E> {
    fn because(self, sentence: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|cause| Failure::new(format!("{}: {cause}", sentence())))
    }
}

impl<T> Because<T> for Option<T> {
    fn because(self, sentence: impl FnOnce() -> String) -> Result<T> {
        self.ok_or_else(|| Failure::new(sentence()))
    }
}
