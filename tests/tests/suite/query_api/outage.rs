use std::process::ExitCode;
use std::time::{Duration, Instant};

use query_api::startup::{self, BuildError};
use service::auth::issue::Issuer;
use tokio::task::block_in_place;
use xtask::server::Service;
use xtask::stack::{Options, Stack};

use super::world::{NOWHERE, World, config, position, post};

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_mongodb_is_said_with_a_time_to_come_back_and_passes_by_itself() {
    let options = Options::for_test(&[Service::Mongodb]);
    let stack = block_in_place(|| Stack::start("test-query-api-outage", &options)).unwrap();
    let world = World::beside(&stack.addresses().mongodb_uri, NOWHERE).await;
    world.insert(&[post(1)]).await;
    world.checkpoint(0, 1).await;
    world.get("/api/universal/post").await.expect(200);

    block_in_place(|| stack.kill("mongodb")).unwrap();
    for path in ["/api/universal/post", "/api/universal/post/post-1", "/api/universal/post/post-1/history"] {
        let answer = world.get(path).await.expect_problem(503, "dependency-unavailable");
        assert!(answer.header("retry-after").parse::<u32>().unwrap() >= 1);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(answer.body["detail"].as_str().unwrap().starts_with("MongoDB is not available"));
    }
    let answer = world.get_at(position(7), &[("Prefer", "wait=0")], "/api/universal/post").await;
    answer.expect_problem(503, "dependency-unavailable");
    world.get("/ready").await.expect(503);
    world.get("/health").await.expect(200);

    block_in_place(|| stack.restart("mongodb")).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while world.get("/api/universal/post/post-1").await.status != 200 {
        assert!(Instant::now() < deadline, "reads did not come back");
    }
    world.get("/ready").await.expect(200);
    world.end().await;
    block_in_place(|| drop(stack));
}

#[tokio::test]
async fn without_mongodb_at_the_start_the_process_gives_up_naming_it_with_exit_code_3() {
    let port = xtask::ports::reserve().unwrap();
    let keys = tempfile::tempdir().unwrap();
    let jwks = keys.path().join("jwks.json");
    std::fs::write(&jwks, Issuer::generate().jwks()).unwrap();
    let uri = format!("mongodb://someone:secret@127.0.0.1:{}/?replicaSet=rs0", port.port);
    let started = startup::build(&config(&uri, NOWHERE, "none", jwks.to_str().unwrap()), None).await;
    let Err(error) = started else {
        panic!("started without MongoDB");
    };
    assert!(matches!(error, BuildError::Mongodb(_)));
    let code = service::startup::exit_code(&error);
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(3)));
    let text = format!("{:#}", anyhow::Error::from(error));
    assert!(text.contains(&format!("MongoDB at mongodb://127.0.0.1:{}", port.port)), "{text}");
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test]
async fn a_key_file_or_connection_string_of_no_use_is_named_with_exit_code_2() {
    let keys = tempfile::tempdir().unwrap();
    let jwks = keys.path().join("jwks.json");
    let missing = keys.path().join("missing.json");
    std::fs::write(&jwks, Issuer::generate().jwks()).unwrap();
    for (variable, uri, keys) in
        [("GROOT_JWKS_FILE", "mongodb://127.0.0.1", &missing), ("GROOT_MONGODB_URI", "mongodb://127.0.0.1:no", &jwks)]
    {
        let started = startup::build(&config(uri, NOWHERE, "none", keys.to_str().unwrap()), None).await;
        let Err(error) = started else {
            panic!("started with a bad {variable}");
        };
        let code = service::startup::exit_code(&error);
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(2)));
        assert!(format!("{:#}", anyhow::Error::from(error)).contains(variable));
    }
}
