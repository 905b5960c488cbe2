//! Kafka in KRaft mode: each process is broker and controller.

use std::path::Path;
use std::process::Command;

use super::{Server, Service, Site, java, write};
use crate::failure::Result;
use crate::packages;
use crate::probe::Probe;
use crate::run;

/// Any 16 bytes will do: a cluster is told from another by its folder and ports.
const CLUSTER_ID: &str = "Z3Jvb3QtbG9jYWwtc3RhYw";

/// Records and requests to 4 MiB: a post of 1 MiB that does not compress must fit with room.
const MESSAGE_MAX_BYTES: u32 = 4 << 20;

pub(super) fn lay_out(site: &Site) -> Result<Vec<Server>> {
    let jars = site.cache.provide(&packages::KAFKA, site.progress)?;
    let class_path = format!("{}/*", jars.display());
    let brokers = site.ports.kafka.len();
    let names = (1..=brokers).map(|id| if brokers == 1 { "kafka".to_owned() } else { format!("kafka-{id}") });
    let mut servers = Vec::new();
    for (index, name) in names.enumerate() {
        let (port, controller) = site.ports.kafka[index];
        let data = site.paths.data(&name);
        let config = data.join("server.properties");
        write(&config, &properties(site, index, &data))?;
        if !data.join("log/meta.properties").exists() {
            site.progress.say(&name, "formatting storage");
            format(&class_path, &config)?;
        }
        let args = [
            // What a broker allocates lives for a request. Where there is room for little of it, it is collected every second, and
            // each time one command in a hundred waits for that.
            "-Xms400m",
            "-Xmx640m",
            "-Xmn320m",
            "-XX:+UseParallelGC",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
            "-Dorg.slf4j.simpleLogger.showThreadName=false",
            "-cp",
            &class_path,
            "kafka.Kafka",
            &config.display().to_string(),
        ];
        servers.push(Server {
            service: Service::Kafka,
            launch: java(&name, site.optimising, args.map(str::to_owned).to_vec(), Vec::new()),
            ports: vec![port, controller],
            probe: Probe::Kafka { port, brokers },
        });
    }
    Ok(servers)
}

fn format(class_path: &str, config: &Path) -> Result<()> {
    let mut command = Command::new("java");
    command
        .args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", class_path, "kafka.tools.StorageTool", "format"])
        .args(["--ignore-formatted", "-t", CLUSTER_ID, "-c"])
        .arg(config);
    run::quietly(&mut command, "formatting Kafka's storage")?;
    Ok(())
}

fn properties(site: &Site, index: usize, data: &Path) -> String {
    let brokers = &site.ports.kafka;
    let (port, controller) = brokers[index];
    let voters: Vec<String> =
        brokers.iter().enumerate().map(|(i, (_, controller))| format!("{}@127.0.0.1:{controller}", i + 1)).collect();
    let mut listeners = format!("PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}");
    let mut advertised = format!("PLAINTEXT://127.0.0.1:{port}");
    let mut protocols = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned();
    for (way, brokers) in (1..).zip(&site.ports.ways) {
        let (listener, proxy) = brokers[index];
        listeners += &format!(",WAY{way}://127.0.0.1:{listener}");
        advertised += &format!(",WAY{way}://127.0.0.1:{proxy}");
        protocols += &format!(",WAY{way}:PLAINTEXT");
    }
    // A broker that is gone or hangs is missed before the group's members would be (6 s): what it led, and the group if it kept
    // it, is with another by then. One that is alone has nobody to take over, and a busy machine may stop it for seconds.
    let missed =
        if brokers.len() > 1 { "broker.heartbeat.interval.ms=500\nbroker.session.timeout.ms=3000\n" } else { "" };
    let settings: String = site.kafka_settings.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    let replicas = brokers.len().min(3);
    let in_sync = if replicas == 3 { 2 } else { 1 };
    format!(
        "process.roles=broker,controller
node.id={id}
controller.quorum.voters={voters}
listeners={listeners}
advertised.listeners={advertised}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map={protocols}
log.dirs={log}
auto.create.topics.enable=false
default.replication.factor={replicas}
min.insync.replicas={in_sync}
unclean.leader.election.enable=false
message.max.bytes={MESSAGE_MAX_BYTES}
replica.fetch.max.bytes={MESSAGE_MAX_BYTES}
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=8
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=8
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.min.heartbeat.interval.ms=300
num.network.threads=2
num.io.threads=4
num.recovery.threads.per.data.dir=2
log.cleaner.threads=1
log.cleaner.dedupe.buffer.size=16777216
{missed}{settings}",
        id = index + 1,
        voters = voters.join(","),
        log = data.join("log").display(),
    )
}
