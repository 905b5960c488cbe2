//! The commands over HTTP: what a client sends is read and validated here, judged by the domain on the owner of its
//! partition, and answered.

mod activity;
mod answer;
mod caller;
mod comments;
mod if_match;
mod likes;
mod people;
mod post_fields;
mod posts;
pub mod schema;
mod submit;

use axum::extract::FromRef;
use event_log::kafka::ActivityWriter;
use service::auth::Verifier;
use service::http::TrustedProxies;
use std::sync::Arc;
use utoipa::openapi::OpenApi as Description;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::routing::Routing;

/// What the handlers share.
#[derive(Clone)]
pub struct Api {
    pub verifier: Verifier,
    pub routing: Arc<Routing>,
    pub log: LogId,
    pub activity: ActivityWriter,
    pub trusted_proxies: TrustedProxies,
}

impl FromRef<Api> for Verifier {
    fn from_ref(api: &Api) -> Self {
        api.verifier.clone()
    }
}

/// The log that positions are of.
#[derive(Clone, Copy, Debug)]
pub struct LogId(pub u64);

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Groot commands",
        description = "Every change to posts, comments, likes and people. A command is answered once it is in the log; the answer's \
                       position lets any later read wait until it can be seen. A request under an Idempotency-Key that was used before gets the \
                       first answer again; one that changed nothing, or was refused, is not remembered and is judged anew.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    modifiers(&Bearer),
    security(("bearer" = [])),
    tags((name = "posts"), (name = "comments"), (name = "likes"), (name = "people"), (name = "activity"))
)]
struct Commands;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, api: &mut Description) {
        let scheme = Http::builder().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        api.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// The routes of the commands, and their description.
pub fn routes(api: Api) -> (axum::Router, Description) {
    let (router, description) = OpenApiRouter::with_openapi(Commands::openapi())
        .routes(routes!(posts::create))
        .routes(routes!(posts::edit, posts::replace, posts::delete))
        .routes(routes!(posts::publish))
        .routes(routes!(posts::unpublish))
        .routes(routes!(posts::schedule))
        .routes(routes!(posts::restore))
        .routes(routes!(likes::like, likes::unlike))
        .routes(routes!(comments::add))
        .routes(routes!(comments::edit, comments::delete))
        .routes(routes!(people::create))
        .routes(routes!(activity::tell))
        .split_for_parts();
    (router.with_state(api), description)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_names_every_route_with_a_version_of_openapi_that_is_3_1() {
        let json = serde_json::to_value(
            OpenApiRouter::<Api>::with_openapi(Commands::openapi())
                .routes(routes!(posts::create))
                .routes(routes!(posts::edit, posts::replace, posts::delete))
                .into_openapi(),
        )
        .unwrap();
        assert_eq!(json["openapi"], "3.1.0");
        let item = &json["paths"]["/api/universal/post/{id}"];
        for method in ["patch", "put", "delete"] {
            assert!(item[method]["responses"]["412"].is_object(), "{method}");
        }
        let create = &json["paths"]["/api/universal/post"]["post"];
        assert!(create["requestBody"]["content"]["application/json"]["example"]["title"].is_string(), "{create}");
    }
}
