//! What a client is told when a command comes to nothing: the one place where refusals become problems.

use std::time::Duration;

use service::problem::{FieldError, Problem, ProblemType};

use crate::domain::{self, Rejection, Rule};
use crate::partition::submission::Answer;
use crate::routing::Failure;

/// How long a client is asked to wait while a partition changes hands, or its fate is being settled.
const HAND_OVER_PAUSE: Duration = Duration::from_secs(2);

/// The problem for a command that was answered, but not done.
pub fn refused(answer: Answer) -> Problem {
    match answer {
        Answer::Rejected(rejection) => rejected(rejection),
        Answer::KeyReused => ProblemType::IdempotencyKeyReused.into(),
        Answer::NotOwner => failed(Failure::NoOwner),
        Answer::Overloaded => ProblemType::Overloaded.into(),
        Answer::TooLarge { size, limit } => Problem::new(ProblemType::BodyTooLarge).detail(format!(
            "The command makes an event of {size} bytes, and the log takes {limit}. Send a smaller one."
        )),
        Answer::TooOld => Problem::internal(
            "a fresh command id is older than what the log remembers: the clock of this machine is a day behind the log's",
        ),
        Answer::Done(receipt) => {
            Problem::internal(format!("a command that was done was taken for refused: {receipt:?}"))
        }
    }
}

/// The problem for a command that got no answer.
pub fn failed(failure: Failure) -> Problem {
    match failure {
        Failure::NoOwner => Problem::new(ProblemType::NoOwner).retry_after(HAND_OVER_PAUSE),
        Failure::OutcomeUnknown => Problem::new(ProblemType::OutcomeUnknown).retry_after(HAND_OVER_PAUSE),
    }
}

fn rejected(rejection: Rejection) -> Problem {
    match rejection {
        Rejection::NotFound => Problem::not_found("Nothing was ever created under this id."),
        Rejection::AlreadyExists => Problem::rule_broken("The id is taken already."),
        Rejection::Forbidden(denial) => Problem::forbidden(denial.explanation()),
        Rejection::VersionMismatch { current } => Problem::new(ProblemType::VersionMismatch)
            .detail(format!("The present version is {current}. Read it again and decide anew.")),
        Rejection::RuleBroken(rule @ Rule::SlugTaken) => {
            Problem::new(ProblemType::SlugTaken).detail(rule.explanation())
        }
        Rejection::RuleBroken(rule) => Problem::rule_broken(rule.explanation()),
        // The process of the slug goes on from this, and tells nobody.
        Rejection::ReservationExpired(_) => Problem::new(ProblemType::SlugTaken),
        Rejection::Invalid(errors) => Problem::validation(errors.into_iter().map(field_error).collect()),
    }
}

pub(crate) fn field_error(error: domain::FieldError) -> FieldError {
    FieldError::new(error.field, error.code, error.message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Denial;

    #[test]
    fn every_refusal_has_its_status() {
        let cases = [
            (Answer::Rejected(Rejection::NotFound), 404),
            (Answer::Rejected(Rejection::AlreadyExists), 409),
            (Answer::Rejected(Rejection::Forbidden(Denial::WritePosts)), 403),
            (Answer::Rejected(Rejection::VersionMismatch { current: 3 }), 412),
            (Answer::Rejected(Rejection::RuleBroken(Rule::DeletedPostsAreOnlyRestored)), 409),
            (Answer::Rejected(Rejection::RuleBroken(Rule::SlugTaken)), 409),
            (Answer::Rejected(Rejection::Invalid(vec![domain::FieldError::new("at", "in-the-past", "No.")])), 422),
            (Answer::KeyReused, 422),
            (Answer::NotOwner, 503),
            (Answer::Overloaded, 503),
            (Answer::TooLarge { size: 9, limit: 8 }, 413),
            (Answer::TooOld, 500),
        ];
        for (answer, status) in cases {
            assert_eq!(refused(answer.clone()).status(), status, "{answer:?}");
        }
    }

    #[test]
    fn what_may_have_happened_and_what_did_not_are_two_problems_and_both_say_when_to_come_back() {
        for (failure, kind) in
            [(Failure::NoOwner, ProblemType::NoOwner), (Failure::OutcomeUnknown, ProblemType::OutcomeUnknown)]
        {
            let problem = failed(failure);
            assert_eq!((problem.kind(), problem.body().retry_after), (kind, Some(2)));
        }
    }

    #[test]
    fn a_version_mismatch_names_the_present_version() {
        let problem = refused(Answer::Rejected(Rejection::VersionMismatch { current: 7 }));
        assert!(problem.body().detail.contains("version is 7"));
    }
}
