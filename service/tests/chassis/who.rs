use axum::Router;
use axum::routing::get;
use service::auth::issue::Issuer;
use service::auth::{Actor, Authenticated, Claims, MaybeAuthenticated, Role, Verifier};
use uuid::Uuid;

use crate::support::*;

fn name(actor: Option<Actor>) -> String {
    actor.map_or("anonymous".to_owned(), |actor| actor.role.to_string())
}

async fn server(issuer: &Issuer) -> Server {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("jwks.json");
    std::fs::write(&file, issuer.jwks()).unwrap();
    let routes = Router::new()
        .route("/must", get(async |Authenticated(actor): Authenticated| name(Some(actor))))
        .route("/may", get(async |MaybeAuthenticated(actor): MaybeAuthenticated| name(actor)))
        .with_state(Verifier::from_file(&file).unwrap());
    start(routes).await
}

fn token(issuer: &Issuer, expires_in: i64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let mut claims = Claims::access(&Actor::new(Uuid::from_u128(7), None, Role::Editor), None, now, 900);
    claims.exp = now.saturating_add_signed(expires_in);
    issuer.issue(&claims).unwrap()
}

#[tokio::test]
async fn a_route_knows_who_asks() {
    let issuer = Issuer::generate();
    let server = server(&issuer).await;
    for path in ["/must", "/may"] {
        let request = client().get(server.url(path)).bearer_auth(token(&issuer, 900));
        assert_eq!(request.send().await.unwrap().text().await.unwrap(), "editor");
    }
    assert_eq!(server.get("/may").await.text().await.unwrap(), "anonymous");
}

#[tokio::test]
async fn without_a_token_the_answer_challenges_and_names_no_error() {
    let server = server(&Issuer::generate()).await;
    let response = server.get("/must").await;
    assert_eq!(response.headers()["www-authenticate"], r#"Bearer realm="groot""#);
    problem(response, 401, "unauthenticated").await;
}

#[tokio::test]
async fn a_token_that_is_there_but_not_valid_is_refused_everywhere() {
    let issuer = Issuer::generate();
    let server = server(&issuer).await;
    let good = token(&issuer, 900);
    let values = [
        format!("Bearer {}", token(&issuer, -60)),
        format!("Bearer {}", token(&Issuer::generate(), 900)),
        "Bearer nonsense".to_owned(),
        "Bearer".to_owned(),
        format!("Basic {good}"),
        good.clone(),
    ];
    for path in ["/must", "/may"] {
        for value in &values {
            let response = client().get(server.url(path)).header("authorization", value).send().await.unwrap();
            let challenge = response.headers()["www-authenticate"].to_str().unwrap();
            assert!(challenge.contains(r#"error="invalid_token""#), "{challenge}");
            problem(response, 401, "unauthenticated").await;
        }
        let twice = client().get(server.url(path)).bearer_auth(&good).header("authorization", "Bearer x");
        problem(twice.send().await.unwrap(), 401, "unauthenticated").await;
    }
}
