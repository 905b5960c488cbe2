//! A set of real servers under one name: for the developer (documented ports, stays) or for a test (own ports, goes with it).
//!
//! The calls block: in an async test start the stack in `spawn_blocking` or before the runtime.

use std::fs;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::addresses::Addresses;
use crate::cache::Cache;
use crate::failure::{Because, Failure, Result};
use crate::paths::StackPaths;
use crate::probe::Probe;
use crate::process::{Launch, Process};
use crate::progress::Progress;
use crate::server::{self, Ports, Server, Service, Site};
use crate::stack_lock::StackLock;
use crate::watcher::Watcher;
use crate::{disk, keys, ports};

/// Servers start in seconds; on a busy machine of two cores in half a minute.
const READY_WITHIN: Duration = Duration::from_secs(120);
const STOP_WITHIN: Duration = Duration::from_secs(20);
const SPACE_FOR_DATA: u64 = 2 << 30;

/// What to start and for whom.
#[derive(Debug, Clone)]
pub struct Options {
    pub services: Vec<Service>,
    /// How many Kafka brokers; three make a cluster with replication factor 3 and two in-sync replicas.
    pub brokers: u16,
    /// How many ways there are to the brokers through proxies of their own, beside the direct one.
    pub ways: usize,
    /// Lines that go into each broker's configuration.
    pub kafka_settings: Vec<(String, String)>,
    /// Whether Java compiles as far as it can. That pays after minutes, and costs a server of a test more than all it is asked.
    pub optimising: bool,
    pub lifetime: Lifetime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// Documented ports; processes and data outlive this program.
    Stays,
    /// Reserved ports and fresh data; processes and data go with this program, however it ends.
    WithThisProgram,
}

impl Options {
    /// A stack for a test: the services named, one broker, gone afterwards.
    pub fn for_test(services: &[Service]) -> Self {
        Self { optimising: false, ..Self::for_bench(services) }
    }

    /// The same, to be measured.
    pub fn for_bench(services: &[Service]) -> Self {
        Self::new(services, Lifetime::WithThisProgram)
    }

    /// The developer's stack: everything, on the documented ports.
    pub fn for_developer() -> Self {
        Self::new(&Service::ALL, Lifetime::Stays)
    }

    fn new(services: &[Service], lifetime: Lifetime) -> Self {
        Self {
            services: services.to_vec(),
            brokers: 1,
            ways: 0,
            kafka_settings: Vec::new(),
            optimising: true,
            lifetime,
        }
    }

    /// Proxies between programs and brokers; needs [`Service::Toxiproxy`].
    #[must_use]
    pub fn ways(mut self, ways: usize) -> Self {
        self.ways = ways;
        self
    }

    #[must_use]
    pub fn kafka_setting(mut self, name: &str, value: &str) -> Self {
        self.kafka_settings.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn brokers(mut self, brokers: u16) -> Self {
        self.brokers = brokers;
        self
    }
}

/// A running stack. Dropping a test's stack ends its processes and removes its data.
#[derive(Debug)]
pub struct Stack {
    paths: StackPaths,
    addresses: Addresses,
    running: Mutex<Vec<Running>>,
    lifetime: Lifetime,
    // Held for their effect, and let go in this order when the stack is dropped.
    _watcher: Option<Watcher>,
    _ports: Ports,
    _lock: StackLock,
}

#[derive(Debug)]
struct Running {
    server: Server,
    process: Process,
}

impl Stack {
    /// Starts a test's stack in silence. Returns when every server answers; downloads come first where they are missing.
    pub fn start(name: &str, options: &Options) -> Result<Self> {
        Self::start_showing(name, options, &Progress::silent())
    }

    /// Starts what is not running yet; what runs and answers is left alone, so that a second call takes no time.
    pub fn start_showing(name: &str, options: &Options, progress: &Progress) -> Result<Self> {
        let paths = StackPaths::of(name)?;
        let cache = Cache::open()?;
        let lock = StackLock::take(&cache, name)?;
        let ports = match options.lifetime {
            Lifetime::Stays => Ports::documented(options.brokers),
            Lifetime::WithThisProgram => {
                end_all(&paths, Duration::ZERO);
                paths.wipe()?;
                Ports::reserved(options.brokers, options.ways)?
            }
        };
        disk::require(&paths.root, SPACE_FOR_DATA, "the stack")?;
        paths.create()?;
        let watcher = match options.lifetime {
            Lifetime::Stays => None,
            Lifetime::WithThisProgram => Some(Watcher::start(&paths)?),
        };
        let secrets = keys::provide(&paths)?;
        let addresses = Addresses::new(&ports, &options.services, &secrets);
        let site = Site {
            cache: &cache,
            paths: &paths,
            ports: &ports,
            progress,
            kafka_settings: &options.kafka_settings,
            optimising: options.optimising,
        };
        let started = start_all(&options.services, &site);
        let running = match started {
            Ok(running) => running,
            Err(failure) => {
                if options.lifetime == Lifetime::WithThisProgram {
                    end_all(&paths, Duration::ZERO);
                }
                return Err(failure);
            }
        };
        write_addresses(&paths, &addresses)?;
        Ok(Self {
            paths,
            addresses,
            running: Mutex::new(running),
            lifetime: options.lifetime,
            _watcher: watcher,
            _ports: ports,
            _lock: lock,
        })
    }

    /// A stack whose servers `start` brings up by other means, on the documented ports; waits until they answer.
    pub(crate) fn adopt(name: &str, options: &Options, start: impl FnOnce() -> Result<()>) -> Result<Self> {
        let paths = StackPaths::of(name)?;
        let lock = StackLock::take(&Cache::open()?, name)?;
        let ports = Ports::documented(options.brokers);
        paths.create()?;
        let addresses = Addresses::new(&ports, &options.services, &keys::provide(&paths)?);
        start()?;
        for service in &options.services {
            wait(&ports.probe(*service), service.name(), || true)?;
        }
        write_addresses(&paths, &addresses)?;
        let running = Mutex::default();
        let lifetime = Lifetime::Stays;
        Ok(Self { paths, addresses, running, lifetime, _watcher: None, _ports: ports, _lock: lock })
    }

    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Whether a server is one of those that were asked for.
    pub fn has(&self, service: Service) -> bool {
        self.addresses.has(service)
    }

    pub fn paths(&self) -> &StackPaths {
        &self.paths
    }

    /// Asks a server to end (SIGTERM) and waits for it. Names as in `Service::name`; `kafka` means all brokers, `kafka-2` one.
    pub fn stop(&self, name: &str) -> Result<()> {
        self.each(name, |one| {
            one.process.stop(STOP_WITHIN);
            Ok(())
        })
    }

    /// Ends a server without asking (SIGKILL).
    pub fn kill(&self, name: &str) -> Result<()> {
        self.each(name, |one| {
            one.process.kill();
            Ok(())
        })
    }

    /// Stops a server's clock (SIGSTOP): it keeps its connections and answers nothing.
    pub fn pause(&self, name: &str) -> Result<()> {
        self.each(name, |one| {
            one.process.signal(Signal::SIGSTOP);
            Ok(())
        })
    }

    /// Undoes `pause`.
    pub fn resume(&self, name: &str) -> Result<()> {
        self.each(name, |one| {
            one.process.signal(Signal::SIGCONT);
            Ok(())
        })
    }

    /// Starts a stopped or killed server again on its old ports and data; returns when it answers.
    pub fn restart(&self, name: &str) -> Result<()> {
        self.each(name, |one| {
            if !one.process.is_alive() {
                one.process = begin(&self.paths, &one.server)?;
            }
            Ok(())
        })?;
        self.each(name, |one| wait_until_ready(&one.server.probe, &mut one.process))
    }

    /// Starts any program as part of the stack: it is logged beside the servers and ends with them.
    pub fn spawn(&self, launch: &Launch) -> Result<Process> {
        Process::start(&self.paths, launch)
    }

    fn each(&self, name: &str, mut act: impl FnMut(&mut Running) -> Result<()>) -> Result<()> {
        let mut running = self.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut met = false;
        for one in running.iter_mut() {
            if one.server.service.name() == name || one.server.launch.name == name {
                met = true;
                act(one)?;
            }
        }
        if met { Ok(()) } else { Err(Failure::new(format!("the stack was started without {name}"))) }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if self.lifetime == Lifetime::Stays {
            return;
        }
        // Our own children first: only we can reap them.
        let running = self.running.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        running.iter_mut().for_each(|one| one.process.kill());
        end_all(&self.paths, Duration::ZERO);
        let _ = self.paths.wipe();
    }
}

/// Ends every process of the stack at once, each with `patience` before it is killed. Answers their names.
pub fn end_all(paths: &StackPaths, patience: Duration) -> Vec<String> {
    let mut processes = Process::all(paths);
    end(&mut processes, patience);
    processes.into_iter().map(|process| process.name).collect()
}

/// Ends these processes at once, each with `patience` before it is killed.
pub(crate) fn end(processes: &mut [Process], patience: Duration) {
    std::thread::scope(|scope| {
        for process in processes {
            scope.spawn(move || if patience.is_zero() { process.kill() } else { process.stop(patience) });
        }
    });
}

fn write_addresses(paths: &StackPaths, addresses: &Addresses) -> Result<()> {
    fs::write(paths.env(), addresses.to_env_file()).because(|| format!("cannot write {}", paths.env().display()))
}

fn start_all(services: &[Service], site: &Site) -> Result<Vec<Running>> {
    require_ports(services, site)?;
    let results: Vec<Result<Vec<Running>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = services.iter().map(|service| scope.spawn(|| start_one(*service, site))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(Failure::new("a start panicked"))))
            .collect()
    });
    let mut running = Vec::new();
    let mut failures = Vec::new();
    for result in results {
        match result {
            Ok(started) => running.extend(started),
            Err(failure) => failures.push(failure.to_string()),
        }
    }
    if failures.is_empty() { Ok(running) } else { Err(Failure::new(failures.join("\n"))) }
}

/// A taken port is told before anything is started.
fn require_ports(services: &[Service], site: &Site) -> Result<()> {
    let running = Process::all(site.paths);
    let runs = |service: Service| running.iter().any(|process| process.name.starts_with(service.name()));
    for service in services.iter().filter(|service| !runs(**service)) {
        if let Some(port) = site.ports.of(*service).into_iter().find(|port| !ports::is_free(*port)) {
            return Err(ports::taken(port, service.name()));
        }
    }
    Ok(())
}

fn start_one(service: Service, site: &Site) -> Result<Vec<Running>> {
    let name = service.name();
    site.progress.say(name, "preparing");
    let servers = server::lay_out(service, site)?;
    let mut running = Vec::new();
    let mut was_there = true;
    for server in servers {
        let process = match Process::find(site.paths, &server.launch.name) {
            Some(process) => process,
            None => {
                was_there = false;
                begin(site.paths, &server)?
            }
        };
        running.push(Running { server, process });
    }
    site.progress.say(name, "starting");
    for one in &mut running {
        wait_until_ready(&one.server.probe, &mut one.process)?;
    }
    let ports: Vec<String> = running.iter().map(|one| one.server.ports[0].to_string()).collect();
    let state = if was_there { "was running" } else { "ready" };
    site.progress.done(name, &format!("{state} on port {}", ports.join(", ")));
    Ok(running)
}

fn begin(paths: &StackPaths, server: &Server) -> Result<Process> {
    if let Some(port) = server.ports.iter().find(|port| !ports::is_free(**port)) {
        return Err(ports::taken(*port, &server.launch.name));
    }
    Process::start(paths, &server.launch)
}

/// Waits until a process of ours answers, or says why it ended.
pub(crate) fn wait_until_ready(probe: &Probe, process: &mut Process) -> Result<()> {
    let name = process.name.clone();
    match wait(probe, &name, || process.is_alive()) {
        Err(_) if !process.is_alive() => Err(process.death()),
        waited => waited,
    }
}

fn wait(probe: &Probe, name: &str, mut goes_on: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + READY_WITHIN;
    while !probe.is_ready() {
        if !goes_on() {
            return Err(Failure::new(format!("{name} ended before it answered")));
        }
        if Instant::now() > deadline {
            return Err(Failure::new(format!(
                "{name} runs but does not answer after {} s: look at `./dev logs {name}`, or stop it with `./dev down` \
                 and try again",
                READY_WITHIN.as_secs(),
            )));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
