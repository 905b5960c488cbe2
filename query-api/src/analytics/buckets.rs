//! The pieces that a span of time is cut into, as a calendar of some place has them.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interval {
    Hour,
    Day,
    /// From Monday on.
    Week,
    Month,
}

impl Interval {
    pub const ALL: [Interval; 4] = [Interval::Hour, Interval::Day, Interval::Week, Interval::Month];

    pub fn as_str(self) -> &'static str {
        match self {
            Interval::Hour => "hour",
            Interval::Day => "day",
            Interval::Week => "week",
            Interval::Month => "month",
        }
    }

    /// How long before its end a span begins that nobody has said the beginning of.
    pub fn usual_span(self) -> TimeDelta {
        TimeDelta::days(match self {
            Interval::Hour => 1,
            Interval::Day => 30,
            Interval::Week => 12 * 7,
            Interval::Month => 365,
        })
    }
}

/// When the pieces begin that have a part in the span from `from` until before `to`. None if there are more than `most`.
pub fn begins(
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    interval: Interval,
    zone: Tz,
    most: usize,
) -> Option<Vec<DateTime<Utc>>> {
    let mut begins = Vec::new();
    let mut piece = Piece::with(from, interval, zone)?;
    loop {
        let begin = piece.begin(zone)?;
        if begin >= to {
            return Some(begins);
        }
        if begins.len() == most {
            return None;
        }
        begins.push(begin);
        piece = piece.next(interval)?;
    }
}

/// The moment at which a day of a place begins: midnight, or where clocks jump over it the first moment after.
pub fn begin_of_day(day: NaiveDate, zone: Tz) -> Option<DateTime<Utc>> {
    first_moment(day.and_hms_opt(0, 0, 0)?, zone)
}

enum Piece {
    Hour(DateTime<Utc>),
    /// A day, a week or a month, by its first day.
    Days(NaiveDate),
}

impl Piece {
    fn with(time: DateTime<Utc>, interval: Interval, zone: Tz) -> Option<Self> {
        let day = time.with_timezone(&zone).date_naive();
        Some(match interval {
            Interval::Hour => Self::Hour(DateTime::from_timestamp(time.timestamp().div_euclid(3_600) * 3_600, 0)?),
            Interval::Day => Self::Days(day),
            Interval::Week => Self::Days(day.checked_sub_days(Days::new(day.weekday().num_days_from_monday().into()))?),
            Interval::Month => Self::Days(day.with_day(1)?),
        })
    }

    fn begin(&self, zone: Tz) -> Option<DateTime<Utc>> {
        match self {
            Self::Hour(begin) => Some(*begin),
            Self::Days(day) => begin_of_day(*day, zone),
        }
    }

    fn next(self, interval: Interval) -> Option<Self> {
        Some(match (self, interval) {
            (Self::Hour(begin), _) => Self::Hour(begin.checked_add_signed(TimeDelta::hours(1))?),
            (Self::Days(day), Interval::Week) => Self::Days(day.checked_add_days(Days::new(7))?),
            (Self::Days(day), Interval::Month) => Self::Days(day.checked_add_months(Months::new(1))?),
            (Self::Days(day), _) => Self::Days(day.succ_opt()?),
        })
    }
}

fn first_moment(local: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    // No place has ever left out more than a day.
    (0..=96).find_map(|quarters| {
        let later = local.checked_add_signed(TimeDelta::minutes(15 * quarters))?;
        Some(zone.from_local_datetime(&later).earliest()?.to_utc())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(from: &str, to: &str, interval: Interval, zone: Tz) -> Vec<String> {
        let [from, to] = [from, to].map(|time| time.parse().unwrap());
        let begins = begins(from, to, interval, zone, 2_000).unwrap();
        begins.iter().map(|begin| begin.format("%Y-%m-%dT%H:%M").to_string()).collect()
    }

    #[test]
    fn a_day_is_as_long_as_the_clocks_of_the_place_make_it() {
        // Clocks go back on the 25th, which has 25 hours.
        assert_eq!(
            cut("2026-10-24T12:00:00Z", "2026-10-26T00:00:00Z", Interval::Day, Tz::Europe__Berlin),
            ["2026-10-23T22:00", "2026-10-24T22:00", "2026-10-25T23:00"]
        );
        let hours = cut("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", Interval::Hour, Tz::Europe__Berlin);
        assert_eq!(hours.len(), 25);
    }

    #[test]
    fn a_day_without_a_midnight_begins_with_its_first_moment() {
        // Clocks in Beirut go from 23:59 to 1:00.
        let day = NaiveDate::from_ymd_opt(2025, 3, 30).unwrap();
        assert_eq!(begin_of_day(day, Tz::Asia__Beirut).unwrap().to_rfc3339(), "2025-03-29T22:00:00+00:00");
    }

    #[test]
    fn weeks_begin_on_monday_and_months_with_their_first() {
        assert_eq!(
            cut("2026-11-25T00:00:00Z", "2026-11-30T00:00:01Z", Interval::Week, Tz::UTC),
            ["2026-11-23T00:00", "2026-11-30T00:00"]
        );
        assert_eq!(
            cut("2026-01-31T23:30:00Z", "2026-03-01T00:00:00Z", Interval::Month, Tz::Europe__Berlin),
            ["2026-01-31T23:00", "2026-02-28T23:00"]
        );
    }

    #[test]
    fn too_many_are_none() {
        let from: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
        let cut = |hours| begins(from, from + TimeDelta::hours(hours), Interval::Hour, Tz::UTC, 100);
        assert_eq!(cut(100).unwrap().len(), 100);
        assert_eq!(cut(101), None);
        assert_eq!(cut(0).unwrap().len(), 0);
    }
}
