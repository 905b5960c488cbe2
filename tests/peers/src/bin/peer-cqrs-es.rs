//! Creating posts with cqrs-es on PostgreSQL, as its own documentation does it: `POST /api/universal/post` at
//! GROOT_HTTP_ADDR, on the database at DATABASE_URL.

use std::env;
use std::error::Error;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use postgres_es::{PostgresCqrs, postgres_cqrs};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::postgres::PgPoolOptions;
use tokio::net::TcpListener;
use uuid::Uuid;

/// More than the library's default of ten, so that the pool is not what is measured.
const POOL: u32 = 32;

/// The table that the library asks for.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS events (
    aggregate_type text NOT NULL,
    aggregate_id text NOT NULL,
    sequence bigint CHECK (sequence >= 0) NOT NULL,
    event_type text NOT NULL,
    event_version text NOT NULL,
    payload json NOT NULL,
    metadata json NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id, sequence)
)";

#[derive(Debug, Deserialize)]
struct CreatePost {
    #[serde(rename = "type")]
    kind: String,
    title: String,
    content: String,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum PostEvent {
    Created { kind: String, title: String, content: String, tags: Vec<String> },
}

impl DomainEvent for PostEvent {
    fn event_type(&self) -> String {
        "PostCreated".to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Post {
    created: bool,
    kind: String,
    title: String,
    content: String,
    tags: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("the post is there already")]
    Exists,
    #[error("a title has 1 to 200 characters")]
    Title,
    #[error("content has 1 byte to 1 MiB")]
    Content,
}

impl Aggregate for Post {
    const TYPE: &'static str = "post";
    type Command = CreatePost;
    type Event = PostEvent;
    type Error = Refused;
    type Services = ();

    async fn handle(&mut self, command: CreatePost, _: &(), sink: &EventSink<Self>) -> Result<(), Refused> {
        if self.created {
            return Err(Refused::Exists);
        }
        let CreatePost { kind, title, content, tags } = command;
        if !(1..=200).contains(&title.trim().chars().count()) {
            return Err(Refused::Title);
        }
        if !(1..=1024 * 1024).contains(&content.len()) {
            return Err(Refused::Content);
        }
        sink.write(PostEvent::Created { kind, title, content, tags }, self).await;
        Ok(())
    }

    fn apply(&mut self, event: PostEvent) {
        let PostEvent::Created { kind, title, content, tags } = event;
        *self = Self { created: true, kind, title, content, tags };
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let pool = PgPoolOptions::new().max_connections(POOL).connect(&env::var("DATABASE_URL")?).await?;
    sqlx::query(TABLE).execute(&pool).await?;
    let cqrs = Arc::new(postgres_cqrs::<Post>(pool, Vec::new(), ()));
    let router = Router::new().route("/api/universal/post", post(create)).with_state(cqrs);
    axum::serve(TcpListener::bind(env::var("GROOT_HTTP_ADDR")?).await?, router).await?;
    Ok(())
}

async fn create(
    State(cqrs): State<Arc<PostgresCqrs<Post>>>,
    Json(command): Json<CreatePost>,
) -> Result<(StatusCode, Json<Value>), StatusCode> {
    let id = Uuid::now_v7().to_string();
    cqrs.execute(&id, command).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok((StatusCode::CREATED, Json(json!({ "id": id, "version": 1 }))))
}
