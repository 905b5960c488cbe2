//! Membership of a consumer group: which partitions this process should own.
//!
//! The group only shares partitions out; nothing is read through it and nothing is committed to it. What it says is advice:
//! the claim protocol keeps the log right also when two members believe that they own the same partition.
//!
//! The client's calls for a partition to be given back are answered later, when the owner has settled what was pending, and
//! not from within its callback: so heartbeats go on, and other partitions are not held up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;
use tokio::sync::mpsc;

use super::config::KafkaConfig;
use super::error::KafkaError;
use super::native;
use super::voice::ClientVoice;

#[derive(Clone, Debug)]
pub struct MembershipConfig {
    /// The name of the group: the same in all processes that share the partitions.
    pub group: String,
    /// How long a hand-over may take. After it the partitions are given back, whatever is pending.
    pub hand_over_limit: Duration,
}

impl MembershipConfig {
    pub fn new(group: impl Into<String>) -> Self {
        Self { group: group.into(), hand_over_limit: Duration::from_secs(20) }
    }
}

#[derive(Debug)]
pub enum MembershipEvent {
    /// These partitions are new here.
    Assigned { partitions: Vec<u32>, generation: i32 },
    /// The group wants these back; it gets them once `done` is finished or dropped. `to_others` says that there are other
    /// members, of which some will get them.
    Revoked { partitions: Vec<u32>, to_others: bool, done: HandOver },
    /// The group has taken these away: others may own them already.
    Lost { partitions: Vec<u32> },
    /// All that is held here is still held in this generation. Follows every assignment.
    Confirmed { generation: i32 },
}

/// Keeps revoked partitions from being given back. Dropping it gives them back.
#[derive(Debug)]
#[must_use = "dropping it gives the partitions back at once"]
pub struct HandOver(Arc<AtomicBool>);

impl HandOver {
    /// What was pending is settled: others may have the partitions.
    pub fn finish(self) {}
}

impl Drop for HandOver {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// A member of a group. Dropping it leaves the group without a hand-over.
#[derive(Debug)]
pub struct Membership {
    events: mpsc::UnboundedReceiver<MembershipEvent>,
    wish: Arc<Wish>,
}

#[derive(Debug, Default)]
struct Wish {
    leave: AtomicBool,
    stop: AtomicBool,
}

impl Membership {
    /// Joins the group for the partitions of the events. Makes no round trip: the first assignment comes as an event.
    pub fn join(config: &KafkaConfig, membership: MembershipConfig) -> Result<Self, KafkaError> {
        let (sender, events) = mpsc::unbounded_channel();
        let client = config.member(&membership.group);
        let context = Context {
            voice: ClientVoice::new("member", &client),
            hand_over_limit: membership.hand_over_limit,
            group: membership.group.clone(),
            state: Mutex::default(),
            events: sender,
        };
        let consumer: BaseConsumer<Context> = client.create_with_context(context).map_err(KafkaError::client)?;
        consumer.subscribe(&[&config.events_topic]).map_err(KafkaError::client)?;
        let wish = Arc::new(Wish::default());
        let seen = wish.clone();
        std::thread::Builder::new().name("groot-membership".to_owned()).spawn(move || run(consumer, &seen))?;
        Ok(Self { events, wish })
    }

    /// The next event; waits for it. None once the group has been left. Cancel safe.
    pub async fn next(&mut self) -> Option<MembershipEvent> {
        self.events.recv().await
    }

    /// Starts to leave the group: all that is held comes as one [`MembershipEvent::Revoked`], and once that is handed over the
    /// group is left.
    pub fn leave(&self) {
        self.wish.leave.store(true, Ordering::Release);
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.wish.stop.store(true, Ordering::Release);
    }
}

/// How often to look whether a hand-over is done, and otherwise whether there is a wish.
const LOOK_OFTEN: Duration = Duration::from_millis(5);
const LOOK: Duration = Duration::from_millis(50);

/// How long the cluster may take to say who is in the group.
const GROUP_QUERY_LIMIT: Duration = Duration::from_secs(1);

fn run(consumer: BaseConsumer<Context>, wish: &Wish) {
    let context = consumer.context().clone();
    let mut asked = Instant::now();
    loop {
        let pause = if context.state().returning.is_empty() { LOOK } else { LOOK_OFTEN };
        match consumer.poll(pause) {
            // A record that was fetched before its partition was paused: nobody reads here.
            None | Some(Ok(_)) => {}
            Some(Err(error)) => tracing::debug!("kafka member: {error}"),
        }
        context.give_back_settled(&consumer);
        if asked.elapsed() >= LOOK {
            asked = Instant::now();
            // The answer is of no interest. But the client looks whether a heartbeat is due only when something wakes its
            // thread: by itself every half second, which would be the pace of every hand-over.
            native::generation(consumer.client());
            context.voice.rescue(consumer.client());
        }
        if wish.stop.load(Ordering::Acquire) {
            break;
        }
        if wish.leave.load(Ordering::Acquire) && context.leave(&consumer) {
            break;
        }
    }
    // Being dropped, the consumer leaves the group; it takes what it still holds back by the callback.
    context.state().departing = true;
    drop(consumer);
}

struct Context {
    voice: ClientVoice,
    hand_over_limit: Duration,
    group: String,
    state: Mutex<State>,
    events: mpsc::UnboundedSender<MembershipEvent>,
}

#[derive(Default)]
struct State {
    held: Vec<u32>,
    returning: Vec<Returning>,
    /// Set once all that is held was announced as revoked, and true when that is handed over. What is assigned or called
    /// back from then on is not told of any more.
    leaving: Option<Arc<AtomicBool>>,
    /// There is no hand-over any more.
    departing: bool,
}

struct Returning {
    partitions: Vec<u32>,
    /// What the client waits for. None for partitions that are handed over before the group knows of it.
    list: Option<TopicPartitionList>,
    done: Arc<AtomicBool>,
    limit: Instant,
}

impl Context {
    fn state(&self) -> MutexGuard<'_, State> {
        // Each change to the state is a single step, so a panic elsewhere leaves nothing half-done in it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, event: MembershipEvent) {
        // Whoever dropped the receiver has left.
        let _ = self.events.send(event);
    }

    /// Announces partitions as revoked, and waits for them.
    fn revoke(
        &self,
        state: &mut State,
        partitions: Vec<u32>,
        to_others: bool,
        list: Option<TopicPartitionList>,
    ) -> Arc<AtomicBool> {
        let done = Arc::new(AtomicBool::new(false));
        self.wait_for(&done, state, partitions.clone(), list);
        self.tell(MembershipEvent::Revoked { partitions, to_others, done: HandOver(done.clone()) });
        done
    }

    fn wait_for(
        &self,
        done: &Arc<AtomicBool>,
        state: &mut State,
        partitions: Vec<u32>,
        list: Option<TopicPartitionList>,
    ) {
        state.returning.push(Returning {
            partitions,
            list,
            done: done.clone(),
            limit: Instant::now() + self.hand_over_limit,
        });
    }

    fn give_back_settled(&self, consumer: &BaseConsumer<Self>) {
        let mut state = self.state();
        let now = Instant::now();
        let (settled, rest) = std::mem::take(&mut state.returning).into_iter().partition(|returning| {
            let late = now >= returning.limit;
            if late {
                tracing::warn!(partitions = ?returning.partitions, "partitions are given back with commands still pending");
            }
            late || returning.done.load(Ordering::Acquire)
        });
        state.returning = rest;
        let settled: Vec<Returning> = settled;
        for returning in &settled {
            state.held.retain(|partition| !returning.partitions.contains(partition));
        }
        drop(state);
        for list in settled.iter().filter_map(|returning| returning.list.as_ref()) {
            unassign(consumer, list);
        }
    }

    /// One step of leaving; true once nothing is held any more.
    fn leave(&self, consumer: &BaseConsumer<Self>) -> bool {
        let mut state = self.state();
        if state.leaving.is_none() {
            let returning = |partition: &u32| state.returning.iter().any(|r| r.partitions.contains(partition));
            let held: Vec<u32> = state.held.iter().copied().filter(|partition| !returning(partition)).collect();
            // The group is told only when these are settled: whoever has unsubscribed sends no heartbeats any more.
            state.leaving = Some(if held.is_empty() {
                Arc::new(AtomicBool::new(true))
            } else {
                let to_others = self.has_others(consumer);
                self.revoke(&mut state, held, to_others, None)
            });
        }
        let settled = state.returning.is_empty();
        if settled {
            state.departing = true;
            drop(state);
            consumer.unsubscribe();
        }
        settled
    }

    /// Whether the group has more members than this one; yes where the cluster does not say.
    fn has_others(&self, consumer: &BaseConsumer<Self>) -> bool {
        match consumer.fetch_group_list(Some(&self.group), GROUP_QUERY_LIMIT) {
            Ok(list) => list.groups().iter().any(|group| group.members().len() > 1),
            Err(error) => {
                tracing::debug!("the cluster does not say who is in the group: {error}");
                true
            }
        }
    }

    fn assigned(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) {
        let mut from_end = list.clone();
        // Nothing is read here, so reading may begin anywhere that costs nothing.
        let taken = from_end.set_all_offsets(Offset::End).and_then(|()| consumer.incremental_assign(&from_end));
        if let Err(error) = taken {
            tracing::error!("an assignment of the group could not be taken: {error}");
            return;
        }
        if let Err(error) = consumer.pause(&from_end) {
            tracing::warn!("records are fetched to be thrown away: {error}");
        }
        let partitions = partitions(list);
        let generation = native::generation(consumer.client()).unwrap_or_default();
        let mut state = self.state();
        state.held.extend(&partitions);
        if state.leaving.is_some() {
            return;
        }
        if !partitions.is_empty() {
            self.tell(MembershipEvent::Assigned { partitions, generation });
        }
        self.tell(MembershipEvent::Confirmed { generation });
    }

    fn revoked(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) {
        let partitions = partitions(list);
        let mut state = self.state();
        let lost = consumer.assignment_lost();
        if !lost && !state.departing && !partitions.is_empty() {
            match state.leaving.clone() {
                // They were announced already, or never told of.
                Some(done) => self.wait_for(&done, &mut state, partitions, Some(list.clone())),
                // The group calls partitions back only to give them to others.
                None => drop(self.revoke(&mut state, partitions, true, Some(list.clone()))),
            }
            return;
        }
        state.held.retain(|partition| !partitions.contains(partition));
        for returning in &mut state.returning {
            returning.partitions.retain(|partition| !partitions.contains(partition));
        }
        drop(state);
        if lost && !partitions.is_empty() {
            self.tell(MembershipEvent::Lost { partitions });
        }
        unassign(consumer, list);
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.voice.log(level, facility, message);
    }

    fn error(&self, error: ClientError, reason: &str) {
        self.voice.error(error, reason);
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, code: RDKafkaRespErr, list: &mut TopicPartitionList) {
        match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assigned(consumer, list),
            _ => self.revoked(consumer, list),
        }
    }
}

fn unassign(consumer: &BaseConsumer<Context>, list: &TopicPartitionList) {
    if let Err(error) = consumer.incremental_unassign(list) {
        tracing::error!("partitions could not be given back to the group: {error}");
    }
}

fn partitions(list: &TopicPartitionList) -> Vec<u32> {
    let mut partitions: Vec<u32> =
        list.elements().iter().filter_map(|element| u32::try_from(element.partition()).ok()).collect();
    partitions.sort_unstable();
    partitions
}
