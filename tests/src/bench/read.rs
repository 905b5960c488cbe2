//! Reads over HTTP, of as many posts as wanted: by id beside a bare handler with one `find_one`; lists, searches and figures.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use chrono::{SecondsFormat, TimeDelta, Utc};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::Serialize;

use super::PARTITIONS;
use super::body;
use super::load::{self, Outcome, Pace, Target};
use super::project::{fill, project};
use super::report::{self, Aim, Round, Row};
use crate::client::{Answer, Client};
use crate::program::Program;
use crate::servers::Servers;
use crate::system::{Fresh, POSTS};
use xtask::stack::Stack;

/// What a person may choose.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub load: load::Options,
    /// Published posts that there are.
    pub posts: u64,
}

/// Bytes of Markdown in each post.
const CONTENT: usize = 300;
const WARM_UP: Duration = Duration::from_secs(2);
/// Different posts that are read, and different searches.
const DIFFERENT: usize = 20_000;
/// Different posts that are read when they are kept in memory: all of them fit.
const KEPT: usize = 1_000;
/// Clients that ask for lists and searches, each one after another.
const FEW: usize = 4;
/// Pages of a hundred, behind which the deep page is.
const DEEP: u64 = 1_000;
/// Posts in a page of the list that is measured.
const PAGE: u64 = 20;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Results<'a> {
    posts: u64,
    rows: &'a [Row],
    projected: &'a [Projected],
}

/// How long the posts took to come into a store.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Projected {
    projection: &'static str,
    events_per_second: f64,
    seconds: f64,
}

pub async fn run(options: Options) -> Result<()> {
    let least = DEEP * 100 + PAGE;
    ensure!(options.posts >= least, "there must be at least {least} posts, so that there is a page behind 100,000");
    let stack = Servers::WholeBench.stack().await;
    let fresh = Fresh::on(stack, "read", PARTITIONS);
    let (filler, events) = fill(stack, &fresh, options.posts, CONTENT).await?;
    let mut projected = Vec::new();
    for projection in ["documents", "search", "analytics"] {
        let began = Instant::now();
        let rate = project(stack, &fresh, projection, events).await?;
        let seconds = began.elapsed().as_secs_f64();
        eprintln!("{projection}: {events} events in {seconds:.0} s, {rate:.0}/s");
        projected.push(Projected { projection, events_per_second: rate, seconds });
    }
    let mut rng = StdRng::seed_from_u64(9);
    let mut ids = |count| -> Vec<_> { (0..count).map(|_| format!("{POSTS}/{}", filler.any(&mut rng))).collect() };
    let uncached = ById { kept: false, ids: ids(DIFFERENT), aim: 0.8 };
    let cached = ById { kept: true, ids: ids(KEPT), aim: 0.7 };
    let mut rows = Vec::new();
    for read in [uncached, cached] {
        rows.push(read.row(stack, &fresh, options.load).await?);
    }
    let queries = Program::start(stack, "read-query-api", "query-api", &[], &fresh.env);
    queries.is_ready().await;
    let deep = deep_cursor(&queries).await?;
    let word = |rng: &mut StdRng, count| body::words(rng, count).replace(' ', "+");
    let searches = |rng: &mut StdRng, count: usize| -> Vec<String> {
        (0..DIFFERENT).map(|_| format!("/api/search?limit=10&q={}", word(rng, count))).collect()
    };
    // All who ask the same share one answer: so each asks something else, of a span that ends a second earlier.
    let now = Utc::now();
    let figures = |figure: &str| -> Vec<String> {
        let end = |ago| (now - TimeDelta::seconds(ago)).to_rfc3339_opts(SecondsFormat::Secs, true);
        (0..DIFFERENT as i64).map(|ago| format!("/api/analytics/{figure}to={}", end(ago))).collect()
    };
    let one = |path: &str| vec![path.to_owned()];
    let asked = [
        ("list, first page of 20 and their total", FEW, one(&format!("{POSTS}?limit=20"))),
        ("list, first 20 by cursor", FEW, one(&format!("{POSTS}?limit=20&cursor="))),
        ("list, 20 behind 100,000 by cursor", FEW, one(&format!("{POSTS}?limit=20&cursor={deep}"))),
        ("search for a word", FEW, searches(&mut rng, 1)),
        ("search for three words", FEW, searches(&mut rng, 3)),
        ("suggest", FEW, (0..DIFFERENT).map(|_| format!("/api/search/suggest?q={}", word(&mut rng, 1))).collect()),
        ("analytics overview", 1, figures("overview?")),
        ("analytics time series, days", 1, figures("timeseries?interval=day&")),
        ("analytics top posts", 1, figures("top-posts?")),
        ("analytics overview, the same for all", FEW, one("/api/analytics/overview")),
    ];
    let mut first = Vec::new();
    for (what, clients, paths) in asked {
        let target = Target::reads(&queries, paths)?;
        let (mut p50, mut p99) = (Vec::new(), Vec::new());
        for _ in 0..options.load.rounds {
            let outcome = load::run(&target, clients, Pace::Closed, WARM_UP, options.load.duration).await?;
            ensure!(outcome.answers > 0, "{what}: no answer within the time of a round");
            p50.push(outcome.millis(0.5));
            p99.push(Round { groot: outcome.millis(0.99), floor: None });
        }
        eprintln!("{what}: p50 {:.1} ms", report::median(p50.iter().copied()));
        let beside = |floor: Option<&Vec<f64>>| -> Vec<Round> {
            let round =
                |(number, groot): (usize, &f64)| Round { groot: *groot, floor: floor.map(|floor| floor[number]) };
            p50.iter().enumerate().map(round).collect()
        };
        if what.contains("behind") {
            let what = format!("{what}, p50 beside the first");
            rows.push(Row::of(what, "ms", beside(Some(&first)), Aim::RatioAtMost(1.5)));
        } else {
            rows.push(Row::of(format!("{what}, p50"), "ms", beside(None), Aim::None));
        }
        rows.push(Row::of(format!("{what}, p99"), "ms", p99, Aim::AtMost(1_000.0)));
        if what.contains("first 20") {
            first = p50;
        }
    }
    let title = format!(
        "Reads of {} published posts of {CONTENT} bytes; by id over {} connections beside a bare handler, lists and searches over {FEW}, \
         figures one after another, each of another span",
        options.posts, options.load.connections
    );
    report::print(&title, &rows);
    for Projected { projection, events_per_second, seconds } in &projected {
        println!("{projection} projected {events} events in {seconds:.0} s ({events_per_second:.0}/s)");
    }
    let results = Results { posts: options.posts, rows: &rows, projected: &projected };
    println!("results in {}", report::write("read", &results)?.display());
    Ok(())
}

/// Reads by id, of posts that are kept in memory or not.
struct ById {
    kept: bool,
    ids: Vec<String>,
    aim: f64,
}

impl ById {
    async fn row(self, stack: &'static Stack, fresh: &Fresh, options: load::Options) -> Result<Row> {
        let (mut env, mut args, mut what) =
            (fresh.env.clone(), vec!["floor-reads"], "read by id, cached, beside JSON from memory");
        if self.kept {
            args.push("--keep");
        } else {
            env.push(("GROOT_POST_CACHE_MIB".to_owned(), "0".to_owned()));
            what = "read by id, uncached, beside find_one";
        }
        let queries = Program::start(stack, "read-by-id-query-api", "query-api", &[], &env);
        let bare = Program::start(stack, "read-by-id-floor", "bench", &args, &fresh.env);
        queries.is_ready().await;
        listens(&bare).await;
        let mut rounds = Vec::new();
        for number in 1..=options.rounds {
            let read = async |program: &Program| -> Result<Outcome> {
                let target = Target::reads(program, self.ids.clone())?;
                load::run(&target, options.connections, Pace::Closed, WARM_UP, options.duration).await
            };
            let (groot, floor) = (read(&queries).await?.per_second(), read(&bare).await?.per_second());
            eprintln!("round {number} of {}: {what}: {groot:.0}/s, floor {floor:.0}/s", options.rounds);
            rounds.push(Round { groot, floor: Some(floor) });
        }
        Ok(Row::of(what, "1/s", rounds, Aim::RatioAtLeast(self.aim)))
    }
}

/// The cursor of the page behind a hundred thousand posts.
async fn deep_cursor(queries: &Program) -> Result<String> {
    let http = Client::default();
    let mut path = format!("{}{POSTS}?limit=100&cursor=", queries.base);
    let mut cursor = None;
    for _ in 0..DEEP {
        let page = Answer::of(http.request("GET", &path)).await?;
        ensure!(page.status == 200, "a page cannot be read: {page:?}");
        let Some(next) = page.body["nextCursor"].as_str() else { break };
        path = format!("{}{POSTS}?limit=100&cursor={next}", queries.base);
        cursor = Some(next.to_owned());
    }
    let cursor = cursor.context("there is only one page")?;
    let page =
        Answer::of(http.request("GET", &format!("{}{POSTS}?limit={PAGE}&cursor={cursor}", queries.base))).await?;
    let found = page.body["data"].as_array().map_or(0, Vec::len) as u64;
    ensure!(found == PAGE, "the deep page has {found} posts, and the first {PAGE}");
    Ok(cursor)
}

async fn listens(program: &Program) {
    let http = Client::default();
    crate::waiting::until("the bare handler", async || {
        http.request("GET", &program.base).send().await.is_ok().then_some(())
    })
    .await;
}
