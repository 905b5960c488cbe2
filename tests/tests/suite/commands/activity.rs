//! What clients tell of what people do is stored as they told it, beside the log of events.

use event_schema::activity::Activity;
use groot_tests::activity;
use serde_json::{Value, json};
use uuid::Uuid;
use xtask::token::Role;

use super::process::Instance;
use super::world::{Answer, World, answer, header_map};

const PATH: &str = "/api/analytics/events";

async fn tell(world: &World, instance: &Instance, headers: &[(&str, &str)], body: &Value) -> Answer {
    let request = world.http.post(format!("{}{PATH}", instance.base)).headers(header_map(headers)).json(body);
    answer(request.send().await.unwrap()).await
}

async fn stored(world: &World) -> Vec<Activity> {
    let records = activity::records(&world.kafka).await;
    records.iter().map(|record| Activity::from_value(record.value.as_deref().unwrap()).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_clients_are_stored_with_who_tells_them_and_from_where() {
    let world = World::new(2).await;
    let instance = Instance::start(&world).await;
    let before = world.ends().await;
    let (post, reader) = (Uuid::now_v7(), world.token(Role::Reader));
    let bearer = format!("Bearer {}", reader.bearer);
    let from = [
        ("authorization", bearer.as_str()),
        ("user-agent", "Browser/1.0"),
        ("x-forwarded-for", "198.51.100.1, 192.0.2.7"),
        ("x-geo-country", "DE"),
        ("x-geo-region", "BE"),
    ];
    let event = json!({ "type": "view", "postId": post, "sessionId": "s", "properties": { "depth": 3 } });
    let told = tell(&world, &instance, &from, &json!({ "events": [event] })).await;
    assert_eq!(told.is(202).body, json!({ "accepted": 1 }));
    let found = stored(&world).await;
    assert_eq!(found.len(), 1);
    let Activity { activity_type, post_id, session_id, properties, personal, .. } = &found[0];
    assert_eq!((activity_type.as_str(), *post_id, session_id.as_deref()), ("view", Some(post), Some("s")));
    assert_eq!(properties["depth"], "3");
    assert_eq!((personal.user_id, personal.user_agent.as_deref()), (Some(reader.person), Some("Browser/1.0")));
    assert_eq!(personal.ip_address.map(|address| address.to_string()).as_deref(), Some("192.0.2.7"));
    assert_eq!((personal.country.as_deref(), personal.region.as_deref()), (Some("DE"), Some("BE")));

    let many = vec![json!({ "type": "read" }); 500];
    tell(&world, &instance, &[], &json!({ "events": many })).await.is(202);
    let found = stored(&world).await;
    let anonymous = found.iter().filter(|activity| activity.personal.user_id.is_none()).count();
    assert_eq!((found.len(), anonymous), (501, 500));
    assert_eq!(world.ends().await, before, "the log of events has none of it");
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_batch_with_a_bad_event_nothing_is_stored() {
    let world = World::new(2).await;
    let instance = Instance::start(&world).await;
    let bad = json!({ "events": [{ "type": "view" }, { "type": "groot.post.PostPublished" }, { "type": "view", "postId": "x" }] });
    let refused = tell(&world, &instance, &[], &bad).await;
    refused.is_problem(422, "validation-failed");
    assert_eq!(refused.fields(), ["events[1].type", "events[2].postId"]);
    let good = json!({ "events": [{ "type": "view" }] });
    let foreign = [("authorization", "Bearer no.such.token")];
    tell(&world, &instance, &foreign, &good).await.is_problem(401, "unauthenticated");
    assert_eq!(stored(&world).await, []);
    instance.stop().await;
}
