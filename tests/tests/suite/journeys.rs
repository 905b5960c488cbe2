//! The whole system as its users meet it: programs as processes on real servers, over HTTP, while parts of it are taken away.

mod analytics;
mod chosen_slugs;
mod dashboard;
mod killed_writer;
mod likes_and_comments;
mod outages;
mod projections;
mod ranking;
mod read_your_writes;
mod rebuild;
mod replaced;
mod replay_tool;
mod sample_corpus;
mod starts;
mod two_writers;

use groot_tests::client::{Answer, Client};
use groot_tests::system::{Caller, System};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use xtask::cache::Cache;
use xtask::corpus::{Address, Loaded, Tokens};
use xtask::progress::Progress;
use xtask::token::Role;
use xtask::{corpus, packages};

/// Tells of two views.
async fn view(system: &System, post: &str) {
    let events =
        json!({ "events": [{ "type": "view", "postId": post, "sessionId": "a" }, { "type": "view", "postId": post }] });
    let request = Client::default().request("POST", &format!("{}/api/analytics/events", system.commands.base));
    Answer::of(request.json(&events)).await.unwrap().expect(202);
}

/// The 233 addresses of the sample corpus.
async fn addresses() -> &'static [Address] {
    static ADDRESSES: OnceCell<Vec<Address>> = OnceCell::const_new();
    let read =
        || corpus::read(&packages::corpus_folder(&Cache::open()?, &Progress::silent())?).map_err(anyhow::Error::from);
    ADDRESSES.get_or_init(async || tokio::task::spawn_blocking(read).await.unwrap().unwrap()).await
}

/// Those who load the corpus.
fn loaders(system: &System) -> Tokens {
    Tokens { admin: system.caller(Role::Admin).token, editor: system.caller(Role::Editor).token }
}

/// Loads into the first command-api.
async fn load(system: &System, tokens: &Tokens, addresses: &[Address], progress: impl Fn(usize)) -> Loaded {
    corpus::load(&system.commands.base, tokens, addresses, progress).await.unwrap()
}

/// Loads again what was loaded: the answers are the first ones, and nothing is appended.
async fn assert_a_second_load_changes_nothing(system: &System, tokens: &Tokens, addresses: &[Address], first: &Loaded) {
    let before = system.ends().await;
    let second = load(system, tokens, addresses, |_| ()).await;
    assert_eq!(sorted(&second.positions), sorted(&first.positions));
    assert_eq!((second.people, second.posts), (first.people, first.posts));
    assert_eq!(system.ends().await, before);
}

fn sorted(positions: &[String]) -> Vec<&str> {
    let mut positions: Vec<_> = positions.iter().map(String::as_str).collect();
    positions.sort_unstable();
    positions
}

/// Waits until the read side has everything up to these positions.
async fn is_served(system: &System, positions: &[String]) {
    for some in positions.chunks(100) {
        groot_tests::waiting::until("the read side to catch up", async || {
            let answer = system.read_at(&some.join(","), "/api/universal/post?limit=1", None).await;
            (answer.status == 200).then_some(())
        })
        .await;
    }
}

pub fn draft(title: &str) -> Value {
    json!({ "type": "note", "title": title, "content": "It *travels*.", "tags": ["physics"] })
}

pub async fn publish(system: &System, caller: &Caller, id: &str) -> groot_tests::client::Answer {
    system.command("POST", &format!("/api/universal/post/{id}/publish"), caller, &[], None).await.expect(200)
}
