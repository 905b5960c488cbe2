//! The dashboard: a page that was built beforehand from `query-api/dashboard/` and is part of the program.

use axum::Router;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::{EmbeddedFile, RustEmbed};
use service::problem::Problem;

use crate::etag;

#[derive(RustEmbed)]
#[folder = "dashboard/dist"]
struct Files;

/// The page itself is asked for anew each time; the names of everything else change with what is in it.
const PAGE: &str = "no-cache";
const ASSET: &str = "public, max-age=31536000, immutable";

/// `/dashboard` and what it loads.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/dashboard", get(page))
        .route("/dashboard/", get(page))
        .route("/dashboard/assets/{name}", get(asset))
}

async fn page(headers: HeaderMap) -> Result<Response, Problem> {
    answer("index.html", PAGE, &headers)
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    answer(&format!("assets/{name}"), ASSET, &headers)
}

fn answer(path: &str, keeping: &'static str, headers: &HeaderMap) -> Result<Response, Problem> {
    let Some(EmbeddedFile { data, metadata }) = Files::get(path) else {
        return Err(Problem::not_found("The dashboard has no such part; load it anew."));
    };
    let tag = etag::of(None, &data);
    let unchanged = etag::if_none_match(headers).is_some_and(|header| etag::matches(&header, &tag));
    let mut response =
        if unchanged { StatusCode::NOT_MODIFIED.into_response() } else { data.into_owned().into_response() };
    let kind = HeaderValue::try_from(metadata.mimetype()).map_err(Problem::internal)?;
    let tag = HeaderValue::try_from(tag).map_err(Problem::internal)?;
    let kept = HeaderValue::from_static(keeping);
    for (name, value) in [(CONTENT_TYPE, kind), (ETAG, tag), (CACHE_CONTROL, kept)] {
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}
