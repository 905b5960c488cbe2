//! What is told without asking.

use futures::{StreamExt, TryStreamExt};
use groot_tests::waiting::until;
use read_model::{Post, PostStatus};
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use super::world::{World, post};

/// Follows the stream until something happens to this post, which is made to happen again and again meanwhile.
async fn told_of(world: &World, post: &Post) -> Value {
    let response = world.request("/api/analytics/live").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut pieces = response.bytes_stream();
    let mut text = String::new();
    let wanted = format!("\"aggregateId\":\"{}\"", post.id);
    let hears = async {
        while let Some(piece) = pieces.try_next().await.unwrap() {
            text.push_str(std::str::from_utf8(&piece).unwrap());
            let event =
                text.split("\n\n").find(|event| event.contains(&wanted) && text.contains(&format!("{event}\n\n")));
            if let Some(event) = event {
                let (kind, data) = event.split_once('\n').unwrap();
                assert_eq!(kind, "event: domain");
                return serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            }
        }
        panic!("the stream ended: {text}");
    };
    // What happens before the store is followed is told to nobody.
    let happens = async {
        for version in 2.. {
            world.insert_event(post.id, version).await;
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        told = hears => told,
        () = happens => unreachable!("it happens without end"),
    }
}

#[tokio::test]
async fn what_happens_to_posts_is_told_with_the_titles_of_published_ones_alone() {
    let world = World::start().await;
    let draft = Post { status: PostStatus::Draft, ..post(2) };
    world.insert(&[post(1), draft.clone()]).await;
    let told = told_of(&world, &post(1)).await;
    assert_eq!((&told["type"], &told["title"]), (&"groot.post.PostEdited".into(), &"Post 1".into()));
    assert!(told["time"].is_string());
    let told = told_of(&world, &draft).await;
    assert_eq!(told["title"], Value::Null);
    world.end().await;
}

#[tokio::test]
async fn figures_come_each_second_from_what_is_really_asked() {
    let world = World::start().await;
    let url = world.url("/ws/metrics").replace("http://", "ws://");
    let (mut socket, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
    until("a second in which something was asked", async || {
        for _ in 0..20 {
            world.get("/api/universal/post").await.expect(200);
        }
        let Message::Text(text) = socket.next().await.unwrap().unwrap() else { return None };
        let told: Value = serde_json::from_str(&text).unwrap();
        let data = &told["data"];
        assert!(data["memoryUsage"].as_u64().unwrap() > 1 << 20, "{told}");
        let is_busy =
            data["requestsPerSecond"].as_f64().unwrap() >= 1.0 && data["responseTime"].as_f64().unwrap() > 0.0;
        (is_busy && data["activeConnections"].as_u64().unwrap() >= 1 && data["cpuUsage"].as_f64().unwrap() > 0.0)
            .then_some(())
    })
    .await;
    world.end().await;
}
