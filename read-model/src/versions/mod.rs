//! Which versions of a projection its store has, and which of them readers read.
//!
//! Each store keeps that beside its data, as one small document that is replaced as a whole: a writer replaces only the revision that
//! it has read. What is here is pure; the three stores keep it in [`documents`], [`search`] and [`analytics`].

pub mod analytics;
pub mod documents;
pub mod search;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The version that a store without any word about versions has.
pub const FIRST: u32 = 1;

/// The versions of one projection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Versions {
    /// How often it was changed.
    pub rev: i64,
    /// The highest number that was given to a version: none comes again.
    pub last: u32,
    /// The one that readers read.
    pub live: u32,
    /// The one that they read before, if it is still kept.
    pub previous: Option<u32>,
    /// Those that projectors keep up with the log, the live one among them.
    pub followed: Vec<u32>,
    /// The one that is being filled beside them.
    pub filling: Option<Filling>,
    /// Those that stand at a time in the past, to be looked at: nobody goes on with them.
    pub standing: Vec<Standing>,
    /// Those that were compared with the log and found to be what it says.
    pub verified: Vec<Verified>,
}

/// A version that is being filled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Filling {
    pub version: u32,
    pub since: DateTime<Utc>,
    /// Up to what was in the log at that time; else up to now, and then on and on.
    pub until: Option<DateTime<Utc>>,
}

/// A version that shows a time in the past.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    pub version: u32,
    pub until: DateTime<Utc>,
}

/// That a version was found to be what the log says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    pub version: u32,
    pub at: DateTime<Utc>,
}

/// What cannot be done with the versions as they are, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("version {0} is being filled; go on with it by `rebuild`, or give it up by `retire`")]
    Filling(u32),
    #[error("version {0} is being filled up to {1}; say so again by --until, or give it up by `retire`")]
    FillingUntil(u32, DateTime<Utc>),
    #[error("there is no version {0} that follows the log; `status` shows the versions")]
    NotFollowed(u32),
    #[error("version {0} is live already")]
    Live(u32),
    #[error("version {0} is live: readers read it; promote another one first")]
    StillLive(u32),
    #[error("version {0} shows a time in the past; it can be looked at, and not be promoted")]
    Standing(u32),
    #[error("version {0} was not verified since it was filled; run `verify --version {0}` first")]
    NotVerified(u32),
    #[error("there is no version before the live one to go back to")]
    NoPrevious,
    #[error("there is no version {0}")]
    Unknown(u32),
}

impl Default for Versions {
    /// Of a store that nobody has rebuilt yet.
    fn default() -> Self {
        Self {
            rev: 0,
            last: FIRST,
            live: FIRST,
            previous: None,
            followed: vec![FIRST],
            filling: None,
            standing: Vec::new(),
            verified: Vec::new(),
        }
    }
}

impl Versions {
    /// All that the store has something of, in order.
    pub fn all(&self) -> Vec<u32> {
        let filling = self.filling.iter().map(|filling| filling.version);
        let standing = self.standing.iter().map(|standing| standing.version);
        let mut all: Vec<u32> = self.followed.iter().copied().chain(filling).chain(standing).collect();
        all.sort_unstable();
        all
    }

    /// Whether there was such a version, and is no more. Something of it may be left.
    pub fn was_retired(&self, version: u32) -> bool {
        (FIRST..=self.last).contains(&version) && !self.all().contains(&version)
    }

    /// Whether this is the version that is being filled.
    pub fn is_filling(&self, version: u32) -> bool {
        self.filling.as_ref().is_some_and(|filling| filling.version == version)
    }

    /// When a version was last found to be what the log says.
    pub fn verified_at(&self, version: u32) -> Option<DateTime<Utc>> {
        self.verified.iter().find(|verified| verified.version == version).map(|verified| verified.at)
    }

    /// Begins a new version, or goes on with the one that is being filled.
    ///
    /// # Errors
    /// When another one is being filled, up to another time.
    pub fn fill(&self, now: DateTime<Utc>, until: Option<DateTime<Utc>>) -> Result<(Self, u32), Refusal> {
        if let Some(filling) = &self.filling {
            return match filling.until {
                of if of == until => Ok((self.clone(), filling.version)),
                Some(of) => Err(Refusal::FillingUntil(filling.version, of)),
                None => Err(Refusal::Filling(filling.version)),
            };
        }
        let version = self.last + 1;
        let filling = Some(Filling { version, since: now, until });
        Ok((Self { filling, last: version, ..self.next() }, version))
    }

    /// The version that was being filled has what it should have: projectors follow the log for it from now on, unless it is to stand
    /// still.
    pub fn filled(&self) -> Self {
        let mut next = self.next();
        if let Some(Filling { version, until, .. }) = next.filling.take() {
            match until {
                Some(until) => next.standing.push(Standing { version, until }),
                None => next.followed.push(version),
            }
        }
        next
    }

    /// A version was compared with the log, and was or was not what that says.
    pub fn compared(&self, version: u32, is_equal: bool, at: DateTime<Utc>) -> Self {
        let mut next = self.next();
        next.verified.retain(|verified| verified.version != version);
        if is_equal {
            next.verified.push(Verified { version, at });
        }
        next
    }

    /// Readers read another version from now on.
    ///
    /// # Errors
    /// When it does not follow the log, or was not verified.
    pub fn promote(&self, version: u32) -> Result<Self, Refusal> {
        self.can_be_live(version)?;
        if self.verified_at(version).is_none() {
            return Err(Refusal::NotVerified(version));
        }
        Ok(Self { live: version, previous: Some(self.live), ..self.next() })
    }

    /// Readers read the version again that they read before.
    ///
    /// # Errors
    /// When there is none.
    pub fn roll_back(&self) -> Result<Self, Refusal> {
        let version = self.previous.ok_or(Refusal::NoPrevious)?;
        self.can_be_live(version)?;
        Ok(Self { live: version, previous: Some(self.live), ..self.next() })
    }

    /// Nobody goes on with a version any more: what the store has of it can be removed.
    ///
    /// # Errors
    /// When readers read it, or there is no such version.
    pub fn retire(&self, version: u32) -> Result<Self, Refusal> {
        if self.live == version {
            return Err(Refusal::StillLive(version));
        }
        if !self.all().contains(&version) {
            return Err(Refusal::Unknown(version));
        }
        let mut next = self.next();
        next.previous = next.previous.filter(|previous| *previous != version);
        next.followed.retain(|of| *of != version);
        next.filling = next.filling.filter(|filling| filling.version != version);
        next.standing.retain(|standing| standing.version != version);
        next.verified.retain(|verified| verified.version != version);
        Ok(next)
    }

    fn can_be_live(&self, version: u32) -> Result<(), Refusal> {
        if self.live == version {
            return Err(Refusal::Live(version));
        }
        if self.followed.contains(&version) {
            return Ok(());
        }
        if self.filling.as_ref().is_some_and(|filling| filling.version == version) {
            return Err(Refusal::Filling(version));
        }
        if self.standing.iter().any(|standing| standing.version == version) {
            return Err(Refusal::Standing(version));
        }
        Err(Refusal::NotFollowed(version))
    }

    fn next(&self) -> Self {
        Self { rev: self.rev + 1, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn filled(versions: &Versions) -> Versions {
        versions.fill(NOW, None).unwrap().0.filled()
    }

    #[test]
    fn a_version_is_filled_then_followed_then_verified_then_live_and_can_be_gone_back_from() {
        let (filling, version) = Versions::default().fill(NOW, None).unwrap();
        assert_eq!((version, filling.live, filling.all()), (2, 1, vec![1, 2]));
        assert_eq!(filling.followed, [1], "projectors leave it to whoever fills it");
        assert_eq!(filling.promote(2), Err(Refusal::Filling(2)));

        let filled = filling.filled();
        assert_eq!((filled.live, filled.followed.as_slice()), (1, [1, 2].as_slice()));
        assert_eq!(filled.promote(2), Err(Refusal::NotVerified(2)));

        let promoted = filled.compared(2, true, NOW).promote(2).unwrap();
        assert_eq!((promoted.live, promoted.previous), (2, Some(1)));
        assert_eq!(promoted.followed, [1, 2], "the old one is kept up, to go back to");

        let back = promoted.roll_back().unwrap();
        assert_eq!((back.live, back.previous), (1, Some(2)));
        assert_eq!(back.rev, 5, "each change counts");
    }

    #[test]
    fn a_version_that_was_found_to_differ_is_verified_no_longer() {
        let verified = filled(&Versions::default()).compared(2, true, NOW);
        assert_eq!(verified.compared(2, false, NOW).promote(2), Err(Refusal::NotVerified(2)));
    }

    #[test]
    fn filling_goes_on_with_the_version_that_was_begun() {
        let (filling, version) = Versions::default().fill(NOW, None).unwrap();
        assert_eq!(filling.fill(NOW, None), Ok((filling.clone(), version)));
        assert_eq!(filling.fill(NOW, Some(NOW)), Err(Refusal::Filling(2)));
    }

    #[test]
    fn a_version_of_a_time_in_the_past_is_never_promoted() {
        let (filling, version) = Versions::default().fill(NOW, Some(NOW)).unwrap();
        let standing = filling.filled().compared(version, true, NOW);
        assert_eq!((standing.followed.as_slice(), standing.all()), ([1].as_slice(), vec![1, 2]));
        assert_eq!(standing.promote(2), Err(Refusal::Standing(2)));
    }

    #[test]
    fn what_readers_read_is_not_retired_and_what_is_retired_is_not_gone_back_to() {
        let promoted = filled(&Versions::default()).compared(2, true, NOW).promote(2).unwrap();
        assert_eq!(promoted.retire(2), Err(Refusal::StillLive(2)));
        assert_eq!((promoted.retire(7), promoted.was_retired(7)), (Err(Refusal::Unknown(7)), false));
        let retired = promoted.retire(1).unwrap();
        assert_eq!((retired.followed.as_slice(), retired.roll_back()), ([2].as_slice(), Err(Refusal::NoPrevious)));
        assert_eq!((retired.was_retired(1), retired.was_retired(2)), (true, false));
        assert_eq!(retired.fill(NOW, None).unwrap().1, 3);
    }

    #[test]
    fn a_version_that_was_given_up_while_it_was_filled_never_comes_again() {
        let (filling, _) = Versions::default().fill(NOW, None).unwrap();
        let retired = filling.retire(2).unwrap();
        assert_eq!((&retired.filling, retired.fill(NOW, None).unwrap().1), (&None, 3));
    }
}
