//! The description of an API, generated from its code, and a page to read it.

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

/// The page draws its icons as `data:` images and sets inline styles; its scripts are files of ours like any other.
const DOCS_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
);

/// Serves `/api/openapi.json` and the docs page at `/api/docs`.
pub fn router(api: OpenApi) -> Router {
    let config = Config::default().use_base_layout().validator_url("none");
    let docs: Router = SwaggerUi::new("/api/docs").config(config).url("/api/openapi.json", api).into();
    docs.layer(from_fn(docs_policy))
}

/// The one place where the policy is looser than everywhere else.
async fn docs_policy(request: Request, next: Next) -> Response {
    let page = request.uri().path().starts_with("/api/docs");
    let mut response = next.run(request).await;
    if page {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, DOCS_POLICY);
    }
    response
}
