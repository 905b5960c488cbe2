//! Loads the corpus: every speaker a person, every address a post that is created and then published.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::address::Address;
use super::client::{Client, ClientError};

/// Requests under way at once.
const CONCURRENCY: usize = 8;

/// Whose names the load is done in.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Creates the speakers.
    pub admin: String,
    /// Writes the posts in the speakers' names.
    pub editor: String,
}

/// What a load did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    pub people: usize,
    pub posts: usize,
    /// The position token of every person and of every post's publication, which a reader can wait for.
    pub positions: Vec<String>,
}

/// Loads the addresses into the command API at `base`, telling `progress` after each post. Loading them again sends the
/// same commands under the same keys, which changes nothing.
pub async fn load(
    base: &str,
    tokens: &Tokens,
    addresses: &[Address],
    progress: impl Fn(usize),
) -> Result<Loaded, ClientError> {
    let client = Client::new(base);
    let mut loaded = Loaded::default();
    let mut speakers = BTreeMap::new();
    for address in addresses {
        if speakers.contains_key(&address.speaker) {
            continue;
        }
        let answer =
            client.post("/api/users", &tokens.admin, &address.speaker, &json!({ "name": address.speaker })).await?;
        loaded.positions.extend(position(&answer));
        speakers.insert(address.speaker.clone(), id(&answer));
    }
    loaded.people = speakers.len();
    let speakers = Arc::new(speakers);

    let mut waiting = addresses.iter();
    let mut running = JoinSet::new();
    loop {
        while running.len() < CONCURRENCY
            && let Some(address) = waiting.next()
        {
            let (client, token, speakers, address) =
                (client.clone(), tokens.editor.clone(), speakers.clone(), address.clone());
            running.spawn(async move { publish(&client, &token, &speakers, &address).await });
        }
        match running.join_next().await {
            None => return Ok(loaded),
            Some(Ok(answer)) => {
                loaded.positions.extend(position(&answer?));
                loaded.posts += 1;
                progress(loaded.posts);
            }
            Some(Err(stopped)) => std::panic::resume_unwind(stopped.into_panic()),
        }
    }
}

async fn publish(
    client: &Client,
    token: &str,
    speakers: &BTreeMap<String, String>,
    address: &Address,
) -> Result<Value, ClientError> {
    let post = json!({
        "type": "article",
        "title": address.title(),
        "content": address.content(),
        "tags": address.tags(),
        "category": "State of the Union",
        "authorId": speakers.get(&address.speaker),
        "publishedAt": address.published_at(),
    });
    let created = client.post("/api/universal/post", token, &address.key, &post).await?;
    let path = format!("/api/universal/post/{}/publish", id(&created));
    client.post(&path, token, &format!("{}/publish", address.key), &json!({})).await
}

fn id(answer: &Value) -> String {
    answer["id"].as_str().unwrap_or_default().to_owned()
}

fn position(answer: &Value) -> Option<String> {
    answer["position"].as_str().map(str::to_owned)
}
