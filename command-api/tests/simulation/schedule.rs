//! One schedule: members of a group over one partition, and everything that befalls them, drawn from a seed.

use std::time::Duration;

use event_log::log::LogEvent;
use event_log::owner::{Now, OwnerConfig};
use event_log::simulated::{Fate, Instance, SimulatedCluster, SimulatedLog};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use crate::group::Group;

pub const PARTITION: u32 = 0;
pub const MEMBERS: usize = 3;
/// 2026-01-01, where the simulated wall clock starts, in milliseconds since the Unix epoch.
pub const START: i64 = 1_767_225_600_000;
/// Rounds after which a healed cluster must have come to rest.
const ROUNDS_TO_REST: usize = 2_000;

/// What runs at a member: the product's code behind the five things that can be done to it.
pub trait Node {
    /// What it leaves behind when it crashes.
    type Disk: Clone + Default;
    /// Starts it and opens its log where its disk says that it stopped.
    fn start(log: SimulatedLog, config: OwnerConfig, seed: u64, disk: Self::Disk) -> Self;
    fn assign(&mut self, now: Now, generation: i32);
    fn hand_over(&mut self, now: Now);
    fn release(&mut self, now: Now);
    fn abandon(&mut self, now: Now);
    fn handle(&mut self, now: Now, event: LogEvent);
    fn tick(&mut self, now: Now);
}

/// Clients of the nodes.
pub trait Clients<N> {
    /// Some client does something with one of the members.
    fn act(&mut self, rng: &mut StdRng, now: Now, member: usize, node: &mut N);
    /// Takes up what the node has said since.
    fn listen(&mut self, member: usize, node: &mut N);
    /// The member's process is gone, and with it whoever waited there.
    fn crashed(&mut self, member: usize);
    /// Makes whoever still waits ask again, now that all is well. Whether anybody still waits.
    fn insist(&mut self, now: Now, member: usize, node: &mut N) -> bool;
}

pub struct Member<N: Node> {
    pub node: N,
    pub disk: N::Disk,
    instance: Instance,
    paused: bool,
}

pub struct Schedule<N: Node, C> {
    pub rng: StdRng,
    pub cluster: SimulatedCluster,
    pub members: Vec<Member<N>>,
    pub clients: C,
    now: Now,
    group: Group,
    next_instance: Instance,
}

impl<N: Node, C: Clients<N>> Schedule<N, C> {
    pub fn new(seed: u64, clients: C) -> Self {
        let mut schedule = Self {
            rng: StdRng::seed_from_u64(seed),
            cluster: SimulatedCluster::default(),
            members: Vec::new(),
            clients,
            now: Duration::from_secs(1),
            group: Group::default(),
            next_instance: 0,
        };
        schedule.pass(1..2);
        for _ in 0..MEMBERS {
            let member = schedule.member(N::Disk::default());
            schedule.members.push(member);
        }
        schedule.rebalance();
        schedule
    }

    pub fn now(&self) -> Now {
        self.now
    }

    /// Lets `steps` things happen.
    pub fn disturb(&mut self, steps: usize) {
        for _ in 0..steps {
            self.step();
        }
    }

    fn step(&mut self) {
        let member = self.rng.random_range(0..MEMBERS);
        match self.rng.random_range(0..1000) {
            0..400 => self.deliver_some(),
            400..620 => self.land_one(),
            620..640 => self.land_half(),
            640..830 if !self.members[member].paused => {
                let Member { node, .. } = &mut self.members[member];
                self.clients.act(&mut self.rng, self.now, member, node);
                self.clients.listen(member, node);
            }
            830..930 => self.pass(1..100),
            930..945 => self.pass(1_000..30_000),
            945..960 => self.rebalance(),
            960..966 => self.crash(member),
            966..980 => self.members[member].paused ^= true,
            _ => self.news(member),
        }
    }

    fn deliver_some(&mut self) {
        for _ in 0..self.rng.random_range(1..6) {
            let awake: Vec<_> = self
                .cluster
                .deliverable()
                .into_iter()
                .filter_map(|(instance, _)| self.members.iter().position(|m| m.instance == instance && !m.paused))
                .collect();
            let Some(member) = awake.choose(&mut self.rng).copied() else { return };
            let report_first = self.rng.random_bool(0.6);
            self.deliver(member, report_first);
        }
    }

    fn deliver(&mut self, member: usize, report_first: bool) -> bool {
        let Member { node, instance, .. } = &mut self.members[member];
        let Some(event) = self.cluster.deliver(*instance, PARTITION, report_first) else { return false };
        node.handle(self.now, event);
        self.clients.listen(member, node);
        true
    }

    fn land_one(&mut self) {
        let Some(route) = self.cluster.in_flight().choose(&mut self.rng).copied() else { return };
        let fate = match self.rng.random_range(0..100) {
            0..80 => Fate::Lands,
            80..85 => Fate::LandsUnreported,
            85..88 => Fate::LandsReportedFailed,
            88..91 => Fate::LandsTwice,
            91..94 => Fate::Fails,
            94..97 => Fate::Vanishes,
            _ => Fate::VanishesReportedDone,
        };
        self.cluster.land(route, fate);
    }

    fn land_half(&mut self) {
        if let Some(route) = self.cluster.in_flight().choose(&mut self.rng).copied() {
            self.cluster.land_partly(route, 1);
        }
    }

    /// Lets time pass; whoever is awake notices.
    fn pass(&mut self, millis: std::ops::Range<u64>) {
        self.now += Duration::from_millis(self.rng.random_range(millis));
        self.cluster.set_clock(START + self.now.as_millis() as i64);
        for (member, Member { node, paused, .. }) in self.members.iter_mut().enumerate() {
            if !*paused {
                node.tick(self.now);
                self.clients.listen(member, node);
            }
        }
    }

    /// The group gives the partition to somebody, who hears of it at once; whoever had it hears of it some time later.
    fn rebalance(&mut self) {
        let awake: Vec<_> = (0..MEMBERS).filter(|member| !self.members[*member].paused).collect();
        let Some(to) = awake.choose(&mut self.rng).copied() else { return };
        self.group.give(to);
        self.hear_of_assignment(to);
    }

    fn news(&mut self, member: usize) {
        if self.members[member].paused {
            return;
        }
        if self.group.owner == Some(member) {
            return self.hear_of_assignment(member);
        }
        if self.group.believers.remove(&member) {
            let how = self.rng.random_range(0..4);
            let node = &mut self.members[member].node;
            match how {
                0 | 1 => node.hand_over(self.now),
                2 => node.release(self.now),
                _ => node.abandon(self.now),
            }
            self.clients.listen(member, node);
        }
    }

    fn hear_of_assignment(&mut self, member: usize) {
        self.group.believers.insert(member);
        let node = &mut self.members[member].node;
        node.assign(self.now, self.group.generation);
        self.clients.listen(member, node);
    }

    fn crash(&mut self, member: usize) {
        self.cluster.crash(self.members[member].instance);
        self.clients.crashed(member);
        // A machine that does not come back is replaced by one with an empty disk.
        let disk = if self.rng.random_bool(0.8) { self.members[member].disk.clone() } else { N::Disk::default() };
        self.members[member] = self.member(disk);
        self.group.believers.remove(&member);
        if self.group.owner == Some(member) {
            self.group.owner = None;
            self.rebalance();
        }
    }

    fn member(&mut self, disk: N::Disk) -> Member<N> {
        let instance = self.next_instance;
        self.next_instance += 1;
        let log = self.cluster.log(instance);
        let config = OwnerConfig { owner: format!("instance-{instance}"), ..OwnerConfig::default() };
        Member { node: N::start(log, config, self.rng.random(), disk.clone()), disk, instance, paused: false }
    }

    /// Everybody wakes up, hears everything, and every append still under way lands. Clients insist until all of them
    /// have an answer, which on a healed cluster they must get.
    pub fn heal(&mut self) {
        for member in 0..MEMBERS {
            self.members[member].paused = false;
        }
        for _ in 0..ROUNDS_TO_REST {
            if self.group.owner.is_none() {
                self.rebalance();
            }
            for member in 0..MEMBERS {
                self.news(member);
            }
            for route in self.cluster.in_flight() {
                self.cluster.land(route, Fate::Lands);
            }
            for member in 0..MEMBERS {
                while self.deliver(member, true) {}
            }
            self.pass(50..500);
            let mut waiting = false;
            for member in 0..MEMBERS {
                let node = &mut self.members[member].node;
                waiting |= self.clients.insist(self.now, member, node);
                self.clients.listen(member, node);
            }
            let quiet = self.cluster.in_flight().is_empty() && self.cluster.deliverable().is_empty();
            if quiet && !waiting && self.group.believers.len() == 1 {
                return;
            }
        }
        panic!("the healed cluster did not come to rest");
    }
}
