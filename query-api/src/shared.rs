//! What a store says and many want to know: one asks for all.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// What the store said last. Shared by all requests that ask for it. Cheap to clone.
#[derive(Debug)]
pub struct Shared<T, E>(Arc<Mutex<Option<Said<T, E>>>>);

#[derive(Clone, Debug)]
struct Said<T, E> {
    answer: Result<T, E>,
    /// When the store had answered.
    at: Instant,
}

/// For so long the store is not asked again. A version that is not live any more is kept up for as long as an operator may want to go
/// back to it, so that whoever reads it a second longer reads nothing old.
const HOLDS: Duration = Duration::from_secs(1);

impl<T, E> Clone for Shared<T, E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T, E> Default for Shared<T, E> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone, E: Clone> Shared<T, E> {
    /// What the store said within the last second, or says now. One request asks it for all that wait meanwhile; if it does not answer
    /// they are all told so, and do not ask it one after another.
    pub async fn get(&self, ask: impl AsyncFnOnce() -> Result<T, E>) -> Result<T, E> {
        let came = Instant::now();
        let mut said = self.0.lock().await;
        if let Some(Said { answer, at }) = &*said
            && (*at >= came || (answer.is_ok() && at.elapsed() < HOLDS))
        {
            return answer.clone();
        }
        let answer = ask().await;
        *said = Some(Said { answer: answer.clone(), at: Instant::now() });
        answer
    }
}

/// What the store said last to each of several questions. Cheap to clone.
pub struct Answers<T, E>(Arc<Cache<String, Shared<T, E>>>);

impl<T, E> Answers<T, E> {
    /// Of so many questions at the most.
    pub fn of(questions: usize) -> Self {
        Self(Arc::new(Cache::new(questions)))
    }

    pub fn to(&self, question: &str) -> Shared<T, E> {
        let none_yet = || Ok::<_, Infallible>(Shared::default());
        self.0.get_or_insert_with(question, none_yet).unwrap_or_default()
    }
}

impl<T, E> Clone for Answers<T, E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_store_is_asked_once_a_second_at_most() {
        let live = Shared::<u32, ()>::default();
        let says = |version| async move || Ok(version);
        assert_eq!(live.get(says(1)).await, Ok(1));
        assert_eq!(live.get(says(2)).await, Ok(1));
        tokio::time::advance(HOLDS).await;
        assert_eq!(live.get(says(2)).await, Ok(2));
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_while_it_is_asked_gets_that_answer_however_long_it_takes() {
        let figure = Shared::<u32, ()>::default();
        let slow = |says| {
            let figure = figure.clone();
            async move {
                let ask = async || {
                    tokio::time::sleep(HOLDS * 3).await;
                    Ok(says)
                };
                figure.get(ask).await
            }
        };
        let later = async {
            tokio::time::sleep(HOLDS * 2).await;
            slow(2).await
        };
        assert_eq!(tokio::join!(slow(1), later), (Ok(1), Ok(1)));
        assert_eq!(slow(3).await, Ok(1));
    }

    #[tokio::test(start_paused = true)]
    async fn each_question_has_an_answer_of_its_own() {
        let answers = Answers::<u32, ()>::of(10);
        assert_eq!(answers.to("posts").get(async || Ok(1)).await, Ok(1));
        assert_eq!(answers.to("people").get(async || Ok(2)).await, Ok(2));
        assert_eq!(answers.to("posts").get(async || Ok(3)).await, Ok(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_does_not_say_is_asked_again_by_the_next() {
        let live = Shared::default();
        assert_eq!(live.get(async || Err("away")).await, Err("away"));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(live.get(async || Ok(3)).await, Ok(3));
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_while_it_does_not_answer_wait_for_one_question_and_not_for_each_other() {
        let live = Shared::default();
        let slow = async || {
            tokio::time::sleep(Duration::from_secs(3)).await;
            Err::<u32, _>("away")
        };
        let begin = Instant::now();
        let told = futures::future::join_all((0..50).map(|_| live.get(slow))).await;
        assert!(told.iter().all(|told| *told == Err("away")));
        assert_eq!(begin.elapsed(), Duration::from_secs(3));
    }
}
