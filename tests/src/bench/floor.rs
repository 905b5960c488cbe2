//! The floors: bare handlers that do the least for the same effect.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use mongodb::Collection;
use mongodb::bson::{Bson, Document, doc};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::RwLock;
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

/// The posts that are read; where they are kept each is found once.
#[derive(Clone)]
struct Posts {
    stored: Collection<Document>,
    kept: Option<Arc<RwLock<HashMap<Uuid, Value>>>>,
}

/// Serves `GET /api/universal/post/{id}`: finds the document, and answers with it as JSON. Or it answers with what it found before and
/// keeps for ever.
pub async fn serve_reads(address: SocketAddr, mongodb_uri: &str, database: &str, keep: bool) -> Result<()> {
    let stored = mongodb::Client::with_uri_str(mongodb_uri).await?.database(database).collection(POSTS);
    let posts = Posts { stored, kept: keep.then(Arc::default) };
    let router = Router::new().route("/api/universal/post/{id}", get(read)).with_state(posts);
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    axum::serve(listener, router).await?;
    Ok(())
}

async fn read(State(Posts { stored, kept }): State<Posts>, Path(id): Path<Uuid>) -> Result<Response, StatusCode> {
    if let Some(kept) = &kept
        && let Some(post) = kept.read().await.get(&id)
    {
        return Ok(Json(post).into_response());
    }
    let found = stored
        .find_one(doc! { "_id": read_model::stored::id(id) })
        .await
        .map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let post = Bson::Document(found.ok_or(StatusCode::NOT_FOUND)?).into_relaxed_extjson();
    let answer = Json(&post).into_response();
    if let Some(kept) = &kept {
        kept.write().await.insert(id, post);
    }
    Ok(answer)
}

async fn create(
    State(producer): State<Arc<FutureProducer>>,
    Json(post): Json<Post>,
) -> Result<(StatusCode, Json<Value>), StatusCode> {
    let id = Uuid::now_v7().to_string();
    let value = serde_json::to_vec(&post).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let record = FutureRecord::to(TOPIC).key(&id).payload(&value);
    let delivery = producer.send(record, Duration::from_secs(8)).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok((StatusCode::CREATED, Json(serde_json::json!({ "id": id, "version": 1, "offset": delivery.offset }))))
}
