//! Reading the log by the one reader rule, beside a plain consumer of the same records: all partitions at once, and one that has much to
//! read beside others that have nothing new.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use event_log::kafka::{CommitStream, KafkaConfig, KafkaLog};
use event_log::position::Position;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde::Serialize;
use tokio::task::JoinSet;

use super::PARTITIONS;
use super::fill::{Filler, Posts};
use super::report::{self, Aim, Round, Row};
use crate::servers::Servers;

#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub rounds: usize,
    pub posts: u64,
}

/// How long nothing may come before a consumer counts as stuck.
const PATIENCE: Duration = Duration::from_secs(30);
/// The partition that is read by itself.
const ALONE: u32 = 0;

pub async fn run(options: Options) -> Result<()> {
    let stack = Servers::Bench.stack().await;
    let kafka = KafkaConfig { partitions: PARTITIONS, ..KafkaConfig::local(&stack.addresses().kafka_brokers) };
    Filler::connect(stack, &kafka, Posts::Drafts).await?.fill_to(options.posts).await?;
    let (mut together, mut alone) = (Vec::new(), Vec::new());
    // The first is not counted: it brings the log into the broker's memory.
    for number in 0..=options.rounds {
        let log = KafkaLog::connect(&kafka)?;
        let ends = log.end_offsets().await?;
        let all = ends.iter().sum::<u64>();
        let began = Instant::now();
        let positions = read(&log, &ends).await?;
        let groot = all as f64 / began.elapsed().as_secs_f64();
        let floor = consume(&kafka, vec![0; ends.len()], all).await?;
        let beside_idle = read_one(&log, &positions, &ends).await?;
        let mut from = ends.clone();
        from[ALONE as usize] = 0;
        let one_floor = consume(&kafka, from, ends[ALONE as usize]).await?;
        eprintln!("round {number} of {}: {groot:.0}/s beside {floor:.0}", options.rounds);
        if number > 0 {
            together.push(Round { groot, floor: Some(floor) });
            alone.push(Round { groot: beside_idle, floor: Some(one_floor) });
        }
    }
    let rows = [
        Row::of("log read by the reader rule, all partitions", "records/s", together, Aim::RatioAtLeast(0.8)),
        Row::of("the same, one beside others with nothing new", "records/s", alone, Aim::RatioAtLeast(0.8)),
    ];
    let title = format!("Reading a log of {} posts beside a plain consumer of it", options.posts);
    report::print(&title, &rows);
    #[derive(Serialize)]
    struct Results<'a> {
        posts: u64,
        rows: &'a [Row],
    }
    println!("\nresults in {}", report::write("log", &Results { posts: options.posts, rows: &rows })?.display());
    Ok(())
}

/// Reads each partition to its end, all at once, and gives where their readers stand then.
async fn read(log: &KafkaLog, ends: &[u64]) -> Result<Vec<Position>> {
    let reads = (0..).zip(ends.to_vec()).map(|(partition, end)| {
        let log = log.clone();
        tokio::spawn(async move { read_to(&log, partition, end).await })
    });
    let mut positions = Vec::new();
    for read in reads.collect::<Vec<_>>() {
        positions.push(read.await??);
    }
    Ok(positions)
}

/// Reads a partition from its beginning, and gives where its reader stands then. As `read_partition`, whose future cannot be spawned.
async fn read_to(log: &KafkaLog, partition: u32, end: u64) -> Result<Position> {
    let mut stream = CommitStream::open(log, partition, Position::START);
    while stream.next_offset() < end {
        stream.next_until(end).await?.context("the log was closed")?;
    }
    Ok(stream.position())
}

/// Records a second of one partition, while the others are waited for at their ends.
async fn read_one(log: &KafkaLog, positions: &[Position], ends: &[u64]) -> Result<f64> {
    let mut idle = JoinSet::new();
    for (partition, &position) in (0..).zip(positions).filter(|(partition, _)| *partition != ALONE) {
        let mut stream = CommitStream::open(log, partition, position);
        idle.spawn(async move { stream.next().await });
    }
    let end = ends[ALONE as usize];
    let began = Instant::now();
    read_to(log, ALONE, end).await?;
    let rate = end as f64 / began.elapsed().as_secs_f64();
    ensure!(idle.try_join_next().is_none(), "a partition that was to have nothing new had something");
    idle.shutdown().await;
    Ok(rate)
}

/// Records a second that a consumer with librdkafka's own settings takes from these offsets on.
async fn consume(kafka: &KafkaConfig, from: Vec<u64>, records: u64) -> Result<f64> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &kafka.brokers)
        .set("group.id", "bench-log")
        .set("enable.auto.commit", "false")
        .set("check.crcs", "true")
        .create()?;
    let mut wanted = TopicPartitionList::new();
    for (partition, offset) in (0..).zip(from) {
        let offset = Offset::Offset(i64::try_from(offset)?);
        wanted.add_partition_offset(&kafka.events_topic, partition, offset)?;
    }
    let took = tokio::task::spawn_blocking(move || {
        let began = Instant::now();
        consumer.assign(&wanted)?;
        for _ in 0..records {
            consumer.poll(PATIENCE).context("nothing came")??;
        }
        anyhow::Ok(began.elapsed())
    });
    Ok(records as f64 / took.await??.as_secs_f64())
}
