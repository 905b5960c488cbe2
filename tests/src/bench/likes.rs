//! How many likes one post takes, which all go through its partition, as it has more and more of them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use bytes::Bytes;
use hyper::Method;
use serde::Serialize;
use xtask::stack::Stack;
use xtask::token::{Issuer, Person, Role};

use super::PARTITIONS;
use super::load::{self, Outcome, Pace, Target};
use super::report::{self, Aim, Round, Row};
use crate::client::{Answer, Client};
use crate::program::Program;
use crate::servers::Servers;
use crate::system::{Fresh, POSTS};

const WARM_UP: Duration = Duration::from_secs(1);
const FIRST_WARM_UP: Duration = Duration::from_secs(8);
/// Posts over which the floor's likes are spread.
const MANY: usize = 24 * PARTITIONS as usize;
/// More people than can like anything in a second.
const PEOPLE_PER_SECOND: usize = 25_000;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Results<'a> {
    rows: &'a [Row],
    rounds: &'a [OnePost],
}

/// What one post took while it had so many likes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OnePost {
    likes: u64,
    likes_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// Goes on until the post has this many likes, each of another person.
pub async fn run(connections: usize, duration: Duration, likes: u64) -> Result<()> {
    let stack = Servers::Bench.stack().await;
    let env = Fresh::on(stack, "likes", PARTITIONS).env;
    let program = Program::start(stack, "likes-command-api", "command-api", &[], &env);
    program.is_ready().await;
    let author = load::author(stack)?;
    let many = published(&program, &author, MANY).await?;
    let one = published(&program, &author, 1).await?;
    eprintln!("warming up");
    like(stack, &program, connections, &many, FIRST_WARM_UP, Duration::ZERO).await?;
    let (mut has, mut ones, mut rounds) = (0, Vec::new(), Vec::new());
    while has < likes {
        eprintln!("{has} likes");
        let spread = like(stack, &program, connections, &many, WARM_UP, duration).await?;
        let taken = like(stack, &program, connections, &one, WARM_UP, duration).await?;
        rounds.push(Round { groot: taken.per_second(), floor: Some(spread.per_second()) });
        ones.push(OnePost {
            likes: has,
            likes_per_second: taken.per_second(),
            p50_ms: taken.millis(0.5),
            p99_ms: taken.millis(0.99),
        });
        // Those of the warm-up are not counted, so it is a few more.
        has += taken.answers;
    }
    println!("|   likes | likes/s | p50, ms | p99, ms |");
    println!("|--------:|--------:|--------:|--------:|");
    for OnePost { likes, likes_per_second, p50_ms, p99_ms } in &ones {
        println!("| {likes:>7} | {likes_per_second:>7.0} | {p50_ms:>7.2} | {p99_ms:>7.2} |");
    }
    let rows = [Row::of("likes of one post", "1/s", rounds, Aim::RatioAtLeast(0.8))];
    report::print(
        &format!(
            "Likes by {connections} connections, each of another person; the floor is likes of {MANY} posts in all partitions"
        ),
        &rows,
    );
    println!("results in {}", report::write("likes", &Results { rows: &rows, rounds: &ones })?.display());
    Ok(())
}

/// Likes these posts, each time as somebody who has never liked anything.
async fn like(
    stack: &Stack,
    program: &Program,
    connections: usize,
    posts: &[String],
    warm_up: Duration,
    duration: Duration,
) -> Result<Outcome> {
    let issuer = Issuer::of(stack.paths()).map_err(|failure| anyhow!("{failure}"))?;
    let people = PEOPLE_PER_SECOND * (warm_up + duration).as_secs() as usize;
    let reader = Person { role: Role::Reader, user: None, name: None };
    let tokens: Result<Vec<_>, _> = (0..people).map(|_| issuer.issue(&reader)).collect();
    let target = Target {
        method: Method::PUT,
        paths: Arc::new(posts.iter().map(|id| format!("{POSTS}/{id}/like")).collect()),
        apart: people / connections,
        tokens: Arc::new(tokens.map_err(|failure| anyhow!("{failure}"))?),
        bodies: Arc::new(vec![Bytes::new()]),
        status: 200,
        ..Target::posts(program, None, 1)?
    };
    let outcome = load::run(&target, connections, Pace::Closed, warm_up, duration).await?;
    let enough = PEOPLE_PER_SECOND as u64 * duration.as_secs();
    ensure!(outcome.answers <= enough, "there were too few people for so many likes");
    Ok(outcome)
}

/// Makes posts that can be liked, and gives their ids.
async fn published(program: &Program, author: &str, count: usize) -> Result<Vec<String>> {
    let http = Client::default();
    let ids = load::make_posts(program, author, count).await?;
    for id in &ids {
        let request = http.request("POST", &format!("{}{POSTS}/{id}/publish", program.base)).bearer_auth(author);
        let answer = Answer::of(request).await?;
        ensure!(answer.status == 200, "a post could not be published: {answer:?}");
    }
    Ok(ids)
}
