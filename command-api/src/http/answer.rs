//! The answer to a command that is in the log.

use axum::Json;
use axum::http::header::{ETAG, LOCATION};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use service::problem::Problem;
use service::token::PositionToken;

use super::LogId;
use super::schema::CommandAnswer;
use crate::partition::submission::Receipt;

const GROOT_POSITION: HeaderName = HeaderName::from_static("groot-position");

/// 201 with `Location` under `location` for a command that creates, else 200.
pub fn answer(log: LogId, receipt: &Receipt, location: Option<&str>) -> Result<Response, Problem> {
    let Receipt { aggregate_id, version, partition, offset, .. } = *receipt;
    let position = PositionToken { log_id: log.0, partition, offset }.to_string();
    let status = if location.is_some() { StatusCode::CREATED } else { StatusCode::OK };
    let position_header = HeaderValue::try_from(&position).map_err(Problem::internal)?;
    let etag = HeaderValue::try_from(format!("\"{version}\"")).map_err(Problem::internal)?;
    let body = CommandAnswer { id: aggregate_id, version, position };
    let mut response = (status, [(GROOT_POSITION, position_header), (ETAG, etag)], Json(body)).into_response();
    if let Some(location) = location {
        let location = HeaderValue::try_from(format!("{location}/{aggregate_id}")).map_err(Problem::internal)?;
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}
