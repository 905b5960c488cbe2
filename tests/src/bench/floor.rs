//! The floors: bare handlers that do the least for the same effect.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use mongodb::Collection;
use mongodb::bson::{Bson, Document, doc};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{FutureProducer, FutureRecord};
use read_model::stored;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use uuid::Uuid;

/// As the projection calls it.
const POSTS: &str = "posts_v1";
const TOPIC: &str = "floor.events";

#[derive(Deserialize, Serialize)]
struct Post {
    #[serde(rename = "type")]
    kind: String,
    title: String,
    content: String,
    #[serde(default)]
    tags: Vec<String>,
}

/// Serves `POST /api/universal/post`: decodes the body and awaits one idempotent produce that all replicas acknowledge.
/// The producer is set up as the owners' are.
pub async fn serve_writes(address: SocketAddr, brokers: &str, partitions: u32) -> Result<()> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", "0")
        .set("compression.type", "lz4");
    let admin: AdminClient<DefaultClientContext> = config.create()?;
    let topic = NewTopic::new(TOPIC, partitions.cast_signed(), TopicReplication::Fixed(1));
    for made in admin.create_topics([&topic], &AdminOptions::new()).await? {
        match made {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => anyhow::bail!("topic {topic} cannot be made: {code}"),
        }
    }
    let producer: FutureProducer = config.create()?;
    let router = Router::new().route("/api/universal/post", post(create)).with_state(Arc::new(producer));
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    axum::serve(listener, router).await?;
    Ok(())
}

/// Serves `GET /api/universal/post/{id}`: finds the document, and answers with it as JSON.
pub async fn serve_reads(address: SocketAddr, mongodb_uri: &str, database: &str) -> Result<()> {
    let posts = mongodb::Client::with_uri_str(mongodb_uri).await?.database(database).collection(POSTS);
    let router = Router::new().route("/api/universal/post/{id}", get(read)).with_state(posts);
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    axum::serve(listener, router).await?;
    Ok(())
}

async fn read(
    State(posts): State<Collection<Document>>,
    Path(id): Path<Uuid>,
) -> Result<Json<serde_json::Value>, StatusCode> {
    let found = posts.find_one(doc! { "_id": stored::id(id) }).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let document = found.ok_or(StatusCode::NOT_FOUND)?;
    Ok(Json(Bson::Document(document).into_relaxed_extjson()))
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
