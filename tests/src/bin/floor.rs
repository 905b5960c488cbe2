//! The floors that Groot's speed is held against: the least that a server can do for the same durable effect.
//!
//! `floor write` serves `POST /api/universal/post` with a bare axum handler that decodes the same body and awaits one
//! idempotent `acks=all` produce. `floor insert` writes the posts of a database that a projector filled, unchanged, into
//! an empty collection with `insert_many`, and prints documents per second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use futures::TryStreamExt;
use mongodb::bson::{Document, doc};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const TOPIC: &str = "floor.events";
/// Documents of one `insert_many`: as many as a projector's batch may hold at the most.
const BATCH: usize = 10_000;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("write") => write(&arguments.next().unwrap_or_else(|| "127.0.0.1:3099".to_owned())).await,
        Some("insert") => insert().await,
        _ => bail!("usage: floor write [address] | floor insert   (with the variables of the stack's env file)"),
    }
}

#[derive(Deserialize, Serialize)]
struct Post {
    #[serde(rename = "type")]
    kind: String,
    title: String,
    content: String,
    #[serde(default)]
    tags: Vec<String>,
}

async fn write(address: &str) -> Result<()> {
    let brokers = variable("GROOT_KAFKA_BROKERS")?;
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", "0")
        .set("compression.type", "lz4");
    let admin: AdminClient<DefaultClientContext> = config.create()?;
    admin.create_topics([&NewTopic::new(TOPIC, 12, TopicReplication::Fixed(1))], &AdminOptions::new()).await?;
    let producer: FutureProducer = config.create()?;
    let router = Router::new().route("/api/universal/post", post(create)).with_state(Arc::new(producer));
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("the bare handler listens on {address}");
    axum::serve(listener, router).await?;
    Ok(())
}

async fn create(
    State(producer): State<Arc<FutureProducer>>,
    Json(post): Json<Post>,
) -> Result<(StatusCode, Json<serde_json::Value>), StatusCode> {
    let id = Uuid::now_v7().to_string();
    let value = serde_json::to_vec(&post).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let record = FutureRecord::to(TOPIC).key(&id).payload(&value);
    let delivery = producer.send(record, Duration::from_secs(8)).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok((StatusCode::CREATED, Json(serde_json::json!({ "id": id, "version": 1, "offset": delivery.offset }))))
}

async fn insert() -> Result<()> {
    let client = mongodb::Client::with_uri_str(variable("GROOT_MONGODB_URI")?).await?;
    let database = client.database(&variable("GROOT_MONGODB_DATABASE")?);
    let posts: Vec<Document> = database.collection("posts_v1").find(doc! {}).await?.try_collect().await?;
    if posts.is_empty() {
        bail!("posts_v1 is empty: let the projector fill it first");
    }
    let floor = database.collection::<Document>("floor_posts");
    for round in 1..=3 {
        floor.drop().await?;
        let start = Instant::now();
        for batch in posts.chunks(BATCH) {
            floor.insert_many(batch).await?;
        }
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "round {round}: {} documents in {seconds:.3} s: {:.0} documents/s",
            posts.len(),
            posts.len() as f64 / seconds
        );
    }
    floor.drop().await?;
    Ok(())
}

fn variable(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set: `set -a; . .groot/dev/env`"))
}
