use axum::Router;
use utoipa::openapi::{Info, OpenApiBuilder};

use crate::support::*;

async fn server() -> Server {
    let api = OpenApiBuilder::new().info(Info::new("Sample", "1.0.0")).build();
    start(Router::new().merge(service::openapi::router(api))).await
}

#[tokio::test]
async fn the_description_is_served() {
    let server = server().await;
    let json: serde_json::Value = server.get("/api/openapi.json").await.json().await.unwrap();
    assert!(json["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(json["info"]["title"], "Sample");
}

#[tokio::test]
async fn the_docs_page_works_under_a_policy_without_inline_script() {
    let server = server().await;
    let entry = server.get("/api/docs").await;
    assert!(entry.status().is_redirection());
    assert_eq!(entry.headers()["location"], "/api/docs/");
    let page = server.get("/api/docs/").await;
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'self';") && !policy.contains("script-src"), "{policy}");
    let html = page.text().await.unwrap();

    let scripts: Vec<&str> = html.split("<script").skip(1).collect();
    assert!(!scripts.is_empty());
    for script in scripts {
        let (tag, rest) = script.split_once('>').unwrap();
        assert!(tag.contains("src=\"./"), "an inline script: {script}");
        assert_eq!(rest.split("</script>").next().unwrap().trim(), "");
    }
    let files = html.split(['"', '\'']).filter(|text| text.ends_with(".js") || text.ends_with(".css"));
    for file in files {
        let path = format!("/api/docs/{}", file.trim_start_matches("./"));
        assert_eq!(server.get(&path).await.status(), 200, "{path}");
    }
    let script = server.get("/api/docs/swagger-initializer.js").await.text().await.unwrap();
    assert!(script.contains("/api/openapi.json") && !script.contains("petstore"), "{script}");
}

#[tokio::test]
async fn other_pages_keep_the_strict_policy() {
    let server = server().await;
    let policy = server.get("/api/openapi.json").await.headers()["content-security-policy"].clone();
    assert!(!policy.to_str().unwrap().contains("unsafe"));
    problem(server.get("/api/docs/none-such.js").await, 404, "not-found").await;
}
