//! What clients tell of what people do. It decides nothing and is no command: it goes past the log of events, to be counted.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::header::USER_AGENT;
use axum::http::{HeaderMap, StatusCode};
use chrono::{DateTime, TimeDelta, Utc};
use event_schema::activity::{ACTIVITY_TYPES, Activity, Origin};
use serde_json::Value;
use service::auth::MaybeAuthenticated;
use service::http::Whereabouts;
use service::json::{Fields, FromFields, FromJson, Nested};
use service::problem::{FieldError, Problem};
use uuid::Uuid;

use super::Api;
use super::schema::{Accepted, AcceptedAnswer, ActivityBody, ActivityRefusals};
use crate::meters;

const MOST_EVENTS: usize = 500;
const MOST_PROPERTIES: usize = 20;
/// Characters of a session's id, of a property's name and of its value, and of the client's own name.
const SESSION_MAX: usize = 100;
const NAME_MAX: usize = 40;
const VALUE_MAX: usize = 200;
const AGENT_MAX: usize = 300;
/// How far the time of an event may lie back: a client that was offline for long; and ahead: its clock may be wrong.
const OLDEST: TimeDelta = TimeDelta::days(7);
const AHEAD: TimeDelta = TimeDelta::minutes(5);

/// Tell what people do
///
/// Views and other events of clients, to be counted. No token is needed; with one they are counted as that person's. They are
/// answered when they are stored, and counted within moments. A batch that was answered with 503, or not at all, may have been
/// stored in part: sent again some of it may be counted twice.
#[utoipa::path(
    post, path = "/api/analytics/events", tag = "activity",
    security((), ("bearer" = [])),
    request_body(content = ActivityBody, example = json!({
        "events": [{ "type": "view", "postId": "01930a5d-ac96-774b-bcce-b302099a8057", "sessionId": "5f0c", "properties": { "referrer": "newsletter" } }]
    })),
    responses(Accepted, ActivityRefusals)
)]
pub async fn tell(
    State(api): State<Api>,
    MaybeAuthenticated(person): MaybeAuthenticated,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    mut body: Fields,
) -> Result<(StatusCode, Json<AcceptedAnswer>), Problem> {
    let now = Utc::now();
    let events = body.required::<Vec<Nested<Told>>>("events").and_then(|events| checked(&mut body, events, now));
    let events = body.finish_with(events)?;
    let Whereabouts { address, country, region } = api.trusted_proxies.whereabouts(peer.ip(), &headers);
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    let origin = Origin {
        user_id: person.map(|person| person.id),
        ip_address: Some(address),
        user_agent: agent.map(|agent| agent.chars().take(AGENT_MAX).collect()),
        country,
        region,
    };
    let values: Vec<_> = events.into_iter().map(|told| told.by(&origin, now).to_value()).collect();
    let outcome = api.activity.append(&values).await;
    meters::activity(values.len(), outcome.is_ok());
    match outcome {
        Ok(()) => Ok((StatusCode::ACCEPTED, Json(AcceptedAnswer { accepted: values.len() }))),
        Err(error) => Err(Problem::dependency_unavailable("Kafka", error)),
    }
}

/// An event as a client tells it.
#[derive(Debug)]
struct Told {
    activity_type: &'static str,
    post_id: Option<Uuid>,
    session_id: Option<String>,
    /// When it came, where the client does not say.
    timestamp: Option<DateTime<Utc>>,
    properties: BTreeMap<String, String>,
}

impl Told {
    fn by(self, origin: &Origin, now: DateTime<Utc>) -> Activity {
        Activity {
            activity_type: self.activity_type.to_owned(),
            // A clock that is ahead by little is wrong, and nothing has happened yet that is counted.
            timestamp: self.timestamp.unwrap_or(now).min(now),
            post_id: self.post_id,
            session_id: self.session_id,
            properties: self.properties,
            personal: origin.clone(),
        }
    }
}

impl FromFields for Told {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let activity_type = fields.choice("type", &ACTIVITY_TYPES.map(|name| (name, name)));
        let post_id = fields.opt_uuid("postId");
        let session_id = fields.opt_string("sessionId");
        if session_id.as_deref().is_some_and(|id| !is_text(id, SESSION_MAX)) {
            let message = format!("This must be 1 to {SESSION_MAX} characters, none of them a control character.");
            fields.refuse("sessionId", "format", message);
        }
        let timestamp = fields.opt_datetime("timestamp");
        let properties = fields.optional::<Properties>("properties").map(|Properties(properties)| properties);
        Some(Self {
            activity_type: activity_type?,
            post_id,
            session_id,
            timestamp,
            properties: properties.unwrap_or_default(),
        })
    }
}

/// Texts by name. Numbers and truth values are taken as they are written.
struct Properties(BTreeMap<String, String>);

impl FromJson for Properties {
    const EXPECTED: &'static str = "an object whose values are strings, numbers or booleans";

    fn from_json(value: Value, path: &str, errors: &mut Vec<FieldError>) -> Option<Self> {
        let Value::Object(found) = value else {
            errors.push(FieldError::new(path, "type", format!("This must be {}.", Self::EXPECTED)));
            return None;
        };
        if found.len() > MOST_PROPERTIES {
            let message = format!("There may be at most {MOST_PROPERTIES} properties.");
            errors.push(FieldError::new(path, "length", message));
            return None;
        }
        let mut properties = BTreeMap::new();
        for (name, value) in found {
            let text = match value {
                Value::String(text) => Some(text),
                Value::Number(number) => Some(number.to_string()),
                Value::Bool(truth) => Some(truth.to_string()),
                Value::Null | Value::Array(_) | Value::Object(_) => None,
            };
            // Names come from the client and may be of any length.
            let shown: String = name.chars().take(NAME_MAX).collect();
            let mut refuse =
                |code, message: String| errors.push(FieldError::new(format!("{path}.{shown}"), code, message));
            match text {
                _ if !is_name(&name) => refuse(
                    "name",
                    format!("The name must be 1 to {NAME_MAX} letters, digits, underscores, dots or hyphens."),
                ),
                None => refuse("type", "This must be a string, a number, true or false.".to_owned()),
                Some(text) if text.chars().count() > VALUE_MAX || text.chars().any(char::is_control) => refuse(
                    "format",
                    format!("This must be at most {VALUE_MAX} characters, none of them a control character."),
                ),
                Some(text) => {
                    properties.insert(name, text);
                }
            }
        }
        Some(Self(properties))
    }
}

/// What depends on the moment and on the number of events.
fn checked(body: &mut Fields, events: Vec<Nested<Told>>, now: DateTime<Utc>) -> Option<Vec<Told>> {
    if !(1..=MOST_EVENTS).contains(&events.len()) {
        body.refuse("events", "length", format!("There must be 1 to {MOST_EVENTS} events."));
        return None;
    }
    let events: Vec<_> = events.into_iter().map(|Nested(told)| told).collect();
    for (index, told) in events.iter().enumerate() {
        if told.timestamp.is_some_and(|time| time < now - OLDEST || time > now + AHEAD) {
            let message = "This must be within the last 7 days, and not more than 5 minutes ahead.";
            body.refuse(&format!("events[{index}].timestamp"), "range", message);
        }
    }
    Some(events)
}

fn is_text(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

fn is_name(name: &str) -> bool {
    (1..=NAME_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use service::json::parse;

    fn now() -> DateTime<Utc> {
        "2026-02-03T04:05:06.789Z".parse().unwrap()
    }

    fn read(body: &Value) -> Result<Vec<Activity>, Vec<(String, String)>> {
        let mut body = parse(body.to_string().as_bytes()).unwrap();
        let events = body.required::<Vec<Nested<Told>>>("events").and_then(|events| checked(&mut body, events, now()));
        let errors: Vec<_> =
            body.errors().iter().map(|error| (error.field.to_string(), error.code.to_string())).collect();
        if errors.is_empty() {
            let origin = Origin { country: Some("DE".to_owned()), ..Origin::default() };
            Ok(events.unwrap().into_iter().map(|told| told.by(&origin, now())).collect())
        } else {
            Err(errors)
        }
    }

    #[test]
    fn an_event_is_as_it_was_told_and_by_whom() {
        let activity = read(&json!({ "events": [{
            "type": "view", "postId": Uuid::from_u128(1), "sessionId": "s", "timestamp": "2026-02-03T04:00:00Z",
            "properties": { "depth": 0.5, "first": true, "referrer": "a" }
        }] }));
        let properties = [("depth", "0.5"), ("first", "true"), ("referrer", "a")];
        assert_eq!(
            activity,
            Ok(vec![Activity {
                activity_type: "view".into(),
                timestamp: "2026-02-03T04:00:00Z".parse().unwrap(),
                post_id: Some(Uuid::from_u128(1)),
                session_id: Some("s".into()),
                properties: properties.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
                personal: Origin { country: Some("DE".into()), ..Origin::default() },
            }])
        );
    }

    #[test]
    fn what_is_told_without_a_time_or_with_one_a_little_ahead_happened_when_it_came() {
        for timestamp in [Value::Null, json!("2026-02-03T04:10:00Z")] {
            let activity = read(&json!({ "events": [{ "type": "view", "timestamp": timestamp }] })).unwrap();
            assert_eq!(activity[0].timestamp, now());
        }
    }

    #[test]
    fn every_bad_field_of_every_event_is_named() {
        let long = "x".repeat(201);
        let refused = read(&json!({ "events": [
            { "type": "groot.post.PostCreated" },
            { "type": "view", "postId": "7", "sessionId": "" },
            { "type": "view", "properties": { "long": long } },
            { "type": "view", "properties": { "list": [] } },
            { "type": "view", "properties": { "": "a" } },
            { "type": "view", "properties": [] },
            { "type": "view", "colour": "red" },
        ] }));
        let expected = [
            ("events[0].type", "choice"),
            ("events[1].postId", "format"),
            ("events[1].sessionId", "format"),
            ("events[2].properties.long", "format"),
            ("events[3].properties.list", "type"),
            ("events[4].properties.", "name"),
            ("events[5].properties", "type"),
            ("events[6].colour", "unknown"),
        ];
        assert_eq!(refused, Err(expected.map(|(field, code)| (field.to_owned(), code.to_owned())).to_vec()));
    }

    #[test]
    fn a_time_that_is_too_old_or_too_far_ahead_is_refused() {
        for timestamp in ["2026-01-27T04:05:06.788Z", "2026-02-03T04:10:06.790Z"] {
            let refused = read(&json!({ "events": [{ "type": "view", "timestamp": timestamp }] }));
            assert_eq!(refused, Err(vec![("events[0].timestamp".to_owned(), "range".to_owned())]), "{timestamp}");
        }
    }

    #[test]
    fn there_are_1_to_500_events() {
        let events = |count| json!({ "events": vec![json!({ "type": "view" }); count] });
        for count in [0, 501] {
            assert_eq!(read(&events(count)), Err(vec![("events".to_owned(), "length".to_owned())]), "{count}");
        }
        assert_eq!(read(&events(500)).map(|events| events.len()), Ok(500));
    }
}
