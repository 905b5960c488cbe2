//! Ways to get the protocol wrong. Each takes out one thing that a rule asks for.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// The protocol as it is.
    None,
    /// An event counts whatever its epoch.
    EpochIgnored,
    /// An event counts whatever its `seq`.
    SeqIgnored,
    /// Claims at the same offset are the same epoch.
    NonceIgnored,
    /// A new claim voids what is pending when it is written, not when it is read.
    SettledBeforeTheClaimStands,
    /// A command is answered when the broker has all of its records.
    ReportTrusted,
    /// The same, with a producer that may report what it has lost.
    WrongReportTrusted,
    /// A reader resumes with its offset, and without the epoch and the `seq` that it had reached.
    OffsetAloneResumed,
    /// Positions are taken inside commits too.
    ResumedInsideACommit,
    /// Nobody looks whether a command is in the fold already.
    DeduplicationLeftOut,
    /// An owner serves when its claim is acknowledged, before it has read as far as the claim.
    ServedBeforeTheClaimIsRead,
    /// An owner serves when it has read its claim, whether or not the producer still means to send it again.
    ServedOnAnUnacknowledgedClaim,
    /// Each record of a commit counts as it comes.
    CommitsReleasedInParts,
    /// A resume compares the id of the record before its offset, and not the time of its appending.
    AppendTimeNotCompared,
}
