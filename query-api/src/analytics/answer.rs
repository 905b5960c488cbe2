//! Answering with figures: who asks the same at a time shares one answer.

use axum::response::Response;
use serde::Serialize;
use service::problem::Problem;

use super::query::{FiguresError, Tables, TablesOf};
use crate::progress::Progress;
use crate::read::{Asked, Rendered};
use crate::shared::Answers;

/// The tables, how far they have come, and what was answered last. Cheap to clone.
#[derive(Clone)]
pub struct Figures {
    tables: Tables,
    pub progress: Progress<Tables>,
    answers: Answers<Rendered, Problem>,
}

/// Questions whose last answers are remembered, the longest of which are of some 130 KB.
const QUESTIONS: usize = 100;

impl Figures {
    pub fn new(tables: Tables) -> Self {
        Self { progress: Progress::new(tables.clone()), tables, answers: Answers::of(QUESTIONS) }
    }

    /// Answers with what the tables say. A figure of many posts takes the server a second, so all who ask the same while it is counted, or
    /// within a second after it, get that answer; whoever names a position has it counted anew.
    pub async fn answer<T: Serialize>(
        &self,
        asked: Asked,
        ask: impl AsyncFnOnce(TablesOf) -> Result<T, FiguresError>,
    ) -> Result<Response, Problem> {
        let shared = asked.takes_what_is_there().then(|| self.answers.to(&asked.question()));
        let (moment, reply) = asked.admit(&self.progress).await?;
        let ask = async || -> Result<Rendered, Problem> {
            let tables = self.tables.at(moment).await?;
            Rendered::of(&ask(tables).await?, None)
        };
        let answer = match shared {
            Some(shared) => shared.get(ask).await,
            None => ask().await,
        };
        Ok(reply.not_kept().rendered(&answer?))
    }
}
