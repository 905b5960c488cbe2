use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use service::params::{FromParams, Params};

use super::buckets::{Interval, begin_of_day, begins};
use crate::page::limit;

/// From when until before when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
}

/// What an overview is of.
#[derive(Clone, Debug, PartialEq)]
pub struct OverviewParams {
    pub span: Span,
}

/// A number for each piece of a time.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesParams {
    pub interval: Interval,
    pub zone: Tz,
    /// When the pieces begin.
    pub begins: Vec<DateTime<Utc>>,
    pub to: DateTime<Utc>,
    pub event_type: Option<String>,
}

/// The same for each hour.
#[derive(Clone, Debug, PartialEq)]
pub struct HourlyParams(pub SeriesParams);

/// The most frequent of something.
#[derive(Clone, Debug, PartialEq)]
pub struct TopParams {
    pub span: Span,
    pub limit: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CountriesParams {
    pub top: TopParams,
    pub event_type: Option<String>,
}

const MOST_BUCKETS: usize = 2_000;
const MAX_TYPE_CHARS: usize = 100;
/// What the tables can hold.
const YEARS: std::ops::RangeInclusive<&str> = "1970-01-01"..="2105-12-31";

impl FromParams for OverviewParams {
    fn from_params(params: &mut Params) -> Option<Self> {
        let zone = zone(params);
        Some(Self { span: span(params, zone, None)? })
    }
}

impl FromParams for SeriesParams {
    fn from_params(params: &mut Params) -> Option<Self> {
        let choices = Interval::ALL.map(|interval| (interval.as_str(), interval));
        let interval = params.opt_choice("interval", &choices).unwrap_or(Interval::Day);
        series(params, interval)
    }
}

impl FromParams for HourlyParams {
    fn from_params(params: &mut Params) -> Option<Self> {
        series(params, Interval::Hour).map(Self)
    }
}

impl FromParams for TopParams {
    fn from_params(params: &mut Params) -> Option<Self> {
        let zone = zone(params);
        let limit = limit(params);
        Some(Self { span: span(params, zone, None)?, limit })
    }
}

impl FromParams for CountriesParams {
    fn from_params(params: &mut Params) -> Option<Self> {
        let event_type = event_type(params);
        Some(Self { top: TopParams::from_params(params)?, event_type })
    }
}

fn series(params: &mut Params, interval: Interval) -> Option<SeriesParams> {
    let zone = zone(params);
    let event_type = event_type(params);
    let Span { from, to } = span(params, zone, Some(interval.usual_span()))?;
    let Some(begins) = begins(from, to, interval, zone, MOST_BUCKETS) else {
        let message = format!("From here to the end there are more than {MOST_BUCKETS} {}s.", interval.as_str());
        params.refuse("from", "range", message);
        return None;
    };
    Some(SeriesParams { interval, zone, begins, to, event_type })
}

fn zone(params: &mut Params) -> Tz {
    let zone = params.opt_parsed("tz", "the name of a time zone such as Europe/Berlin", |text| text.parse().ok());
    zone.unwrap_or(Tz::UTC)
}

fn event_type(params: &mut Params) -> Option<String> {
    let expected =
        format!("the type of an event such as groot.post.PostPublished or view, to {MAX_TYPE_CHARS} characters");
    params.opt_parsed("type", &expected, |text| {
        let is_type = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        (!text.is_empty() && text.len() <= MAX_TYPE_CHARS && text.chars().all(is_type)).then(|| text.to_owned())
    })
}

/// Without `usual` it is all that there is, if nothing else is said. None if an error was noted.
fn span(params: &mut Params, zone: Tz, usual: Option<TimeDelta>) -> Option<Span> {
    let from = bound(params, "from", zone, Bound::From);
    let to = bound(params, "to", zone, Bound::To);
    let to = match to {
        Given::Time(to) => to,
        Given::Nothing => Utc::now(),
        Given::Wrong => {
            return None;
        }
    };
    let from = match from {
        Given::Time(from) => from,
        Given::Nothing => usual.and_then(|usual| to.checked_sub_signed(usual)).unwrap_or(DateTime::UNIX_EPOCH),
        Given::Wrong => return None,
    };
    if from >= to {
        params.refuse("from", "range", "This must be earlier than to.");
        return None;
    }
    Some(Span { from: from.max(DateTime::UNIX_EPOCH), to })
}

enum Bound {
    From,
    To,
}

enum Given {
    Nothing,
    Time(DateTime<Utc>),
    Wrong,
}

/// A time, or a day of the place that is taken whole on either end.
fn bound(params: &mut Params, name: &str, zone: Tz, end: Bound) -> Given {
    let expected = format!(
        "a time such as 2026-01-31T09:30:00Z or a day such as 2026-01-31, from {} to {}",
        YEARS.start(),
        YEARS.end()
    );
    let mut given = false;
    let read = params.opt_parsed(name, &expected, |text| {
        given = true;
        if let Ok(time) = DateTime::parse_from_rfc3339(text) {
            let day = time.to_utc().date_naive().to_string();
            return YEARS.contains(&day.as_str()).then(|| time.to_utc());
        }
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| YEARS.contains(&text))?;
        match end {
            Bound::From => begin_of_day(day, zone),
            Bound::To => begin_of_day(day.succ_opt()?, zone),
        }
    });
    match read {
        Some(time) => Given::Time(time),
        None if given => Given::Wrong,
        None => Given::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use service::problem::Problem;

    fn parse<T: FromParams>(query: &str) -> Result<T, Problem> {
        let mut params = Params::of(query);
        let built = T::from_params(&mut params);
        params.finish_with(built)
    }

    fn refused<T: FromParams>(query: &str) -> Vec<String> {
        let Err(problem) = parse::<T>(query) else { panic!("{query} is taken") };
        let mut names: Vec<_> = problem.field_errors().iter().map(|error| error.field.clone()).collect();
        names.sort();
        names
    }

    #[test]
    fn every_bad_parameter_is_named() {
        let query = "interval=year&tz=Mars&from=yesterday&to=2026-13-01&type=a%20b&limit=5&colour=red";
        let all = ["colour", "from", "interval", "limit", "to", "type", "tz"];
        assert_eq!(refused::<SeriesParams>(query), all);
        assert_eq!(refused::<OverviewParams>("interval=day&type=view"), ["interval", "type"]);
        assert_eq!(refused::<TopParams>("limit=101&from=1790-01-01"), ["from", "limit"]);
        assert_eq!(refused::<CountriesParams>("from=2026-01-02&to=2026-01-01"), ["from"]);
        assert_eq!(refused::<HourlyParams>("from=2026-01-01&to=2026-06-01"), ["from"], "too many hours");
    }

    #[test]
    fn days_are_those_of_the_place_and_taken_whole() {
        let params: OverviewParams = parse("from=2026-10-25&to=2026-10-25&tz=Europe/Berlin").unwrap();
        assert_eq!(params.span.from.to_rfc3339(), "2026-10-24T22:00:00+00:00");
        assert_eq!(params.span.to.to_rfc3339(), "2026-10-25T23:00:00+00:00");
    }

    #[test]
    fn nothing_asked_is_thirty_days_of_utc() {
        let params: SeriesParams = parse("").unwrap();
        assert!((30..=32).contains(&params.begins.len()));
        assert_eq!((params.interval, params.zone), (Interval::Day, Tz::UTC));
        let hourly: HourlyParams = parse("").unwrap();
        assert!((24..=25).contains(&hourly.0.begins.len()));
    }
}
