//! What an instance needs to start, and what it does without.

use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use xtask::token::Role;

use super::process::{Instance, run_to_end};
use super::world::{POSTS, World, draft, stack};

/// An address where nobody listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dependency_that_is_down_at_the_start_is_named_with_exit_code_3() {
    let world = World::new(1).await;
    let down = nobody().await;
    let url = format!("http://{down}/apis/ccompat/v7");
    let no_kafka = [("GROOT_KAFKA_BROKERS", down.as_str())];
    let no_registry = [("GROOT_SCHEMA_REGISTRY_URL", url.as_str())];
    let (kafka, registry) = tokio::join!(run_to_end(&world, &no_kafka), run_to_end(&world, &no_registry));
    for ((status, text), name) in [(kafka, "Kafka"), (registry, "the schema registry")] {
        assert_eq!(status.code(), Some(3), "{text}");
        let last = text.lines().last().unwrap();
        assert!(last.contains(name) && last.contains(&down), "{last}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_setting_is_named_with_exit_code_2() {
    let world = World::new(1).await;
    for (variable, value) in
        [("GROOT_EVENTS_PARTITIONS", "none"), ("GROOT_HTTP_ADDR", "here"), ("GROOT_JWKS_FILE", "/nowhere/jwks.json")]
    {
        let (status, text) = run_to_end(&world, &[(variable, value)]).await;
        assert_eq!(status.code(), Some(2), "{text}");
        assert!(text.contains(variable), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_go_on_while_the_registry_is_down() {
    let world = World::new(2).await;
    let proxy = Proxy::start(registry_address()).await;
    let url = format!("http://{}/apis/ccompat/v7", proxy.address);
    let mut instance = Instance::start_with(&world, &[("GROOT_SCHEMA_REGISTRY_URL", &url)]).await;
    let author = world.token(Role::Author);
    world.post(&instance.base, &author).await;
    proxy.cut.cancel();
    for _ in 0..5 {
        world.send(&instance.base, "POST", POSTS, &author, &[], Some(&draft())).await.is(201);
    }
    assert!(instance.is_alive());
    assert!(instance.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_address_takes_commands_only_from_those_who_know_the_secret() {
    let world = World::new(1).await;
    let instance = Instance::start(&world).await;
    let ends = world.ends().await;
    let url = format!("{}/peer/commands", instance.admin);
    for request in [world.http.post(&url), world.http.post(&url).bearer_auth("guess")] {
        assert_eq!(request.json(&serde_json::json!({})).send().await.unwrap().status(), 401);
    }
    let through_clients = format!("{}/peer/commands", instance.base);
    assert_eq!(world.http.post(through_clients).send().await.unwrap().status(), 404);
    assert_eq!(world.ends().await, ends);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_the_docs_page_and_the_metrics_are_served() {
    let world = World::new(1).await;
    let instance = Instance::start(&world).await;
    let author = world.token(Role::Author);
    world.post(&instance.base, &author).await;
    let get = async |url: String| {
        let answer = world.http.get(url).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.text().await.unwrap()
    };
    let api: serde_json::Value =
        serde_json::from_str(&get(format!("{}/api/openapi.json", instance.base)).await).unwrap();
    assert_eq!(api["openapi"], "3.1.0");
    assert_eq!(api["paths"].as_object().unwrap().len(), 11);
    assert!(get(format!("{}/api/docs/", instance.base)).await.contains("swagger"));
    get(format!("{}/health", instance.base)).await;
    let metrics = get(format!("{}/metrics", instance.admin)).await;
    for line in [
        "groot_partition_owned{partition=\"0\"} 1",
        "groot_command_append_seconds_count{partition=\"0\"} 1",
        "groot_log_claims_total{partition=\"0\"} 1",
        "http_requests_total{",
    ] {
        assert!(metrics.contains(line), "{line} is missing in\n{metrics}");
    }
}

fn registry_address() -> String {
    let url = stack().addresses().schema_registry_url.clone();
    let rest = url.strip_prefix("http://").unwrap();
    rest.split('/').next().unwrap().to_owned()
}

/// Passes connections on until it is cut.
struct Proxy {
    address: String,
    cut: CancellationToken,
}

impl Proxy {
    async fn start(to: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let cut = CancellationToken::new();
        let (token, to) = (cut.clone(), Arc::new(to));
        tokio::spawn(cut.clone().run_until_cancelled_owned(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let to = to.clone();
                tokio::spawn(token.clone().run_until_cancelled_owned(async move {
                    let mut far = TcpStream::connect(to.as_str()).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                }));
            }
        }));
        Self { address, cut }
    }
}
