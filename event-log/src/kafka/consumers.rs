//! The consumers that a process reads its partitions through: one for all that are read as they grow, and one for those that are far behind.
//!
//! A consumer fetches all its partitions at once that have room for more. If these have nothing new, the fetch waits; and one that is far
//! behind is not among them while enough of it lies here already. It would then wait for those that are idle, again and again, and they in
//! turn for its large answers. Shorter waits of all fetches would help it, but each costs the broker more than a millisecond of its processor.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::config::KafkaConfig;
use super::error::KafkaError;
use super::native;
use super::voice::ClientVoice;

pub(super) type Client = BaseConsumer<ClientVoice>;

/// Which of the two a partition is read through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Pace {
    /// As it grows.
    #[default]
    Tail,
    CatchUp,
}

impl Pace {
    /// What a reader that has taken all that had arrived goes on with, if it is so far behind.
    pub fn next(self, behind: u64) -> Self {
        match self {
            Self::Tail if behind > FAR => Self::CatchUp,
            Self::CatchUp if behind < NEAR => Self::Tail,
            same => same,
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Tail => "tail",
            Self::CatchUp => "catch-up",
        }
    }
}

/// Records behind the end: several fetches of small events.
const FAR: u64 = 4096;
/// These come with the next fetch.
const NEAR: u64 = 256;
/// For how long a client is kept that nobody reads through: what comes back soon finds it connected.
const IDLE: Duration = Duration::from_secs(2);

/// Where the client is that comes and goes. Who wants it takes it out under the lock, so that none who asks comes to one that is about to go.
type Slot = Arc<Mutex<Option<Arc<Client>>>>;

pub(super) struct Consumers {
    config: KafkaConfig,
    tail: Arc<Client>,
    /// There while somebody is far behind, which in most processes is at their start alone.
    catch_up: Slot,
    stop: Arc<AtomicBool>,
    pollers: Mutex<Vec<JoinHandle<()>>>,
}

impl Consumers {
    pub fn connect(config: &KafkaConfig) -> Result<Self, KafkaError> {
        let stop = Arc::new(AtomicBool::new(false));
        let (tail, poller) = connect(Pace::Tail.label(), &config.tail(), &stop, None)?;
        let pollers = Mutex::new(vec![poller]);
        Ok(Self { config: config.clone(), tail, catch_up: Slot::default(), stop, pollers })
    }

    pub fn tail(&self) -> &Arc<Client> {
        &self.tail
    }

    pub fn at(&self, pace: Pace) -> Result<Arc<Client>, KafkaError> {
        if pace == Pace::Tail {
            return Ok(self.tail.clone());
        }
        let mut made = locked(&self.catch_up);
        if let Some(client) = &*made {
            return Ok(client.clone());
        }
        let slot = Some(self.catch_up.clone());
        let (client, poller) = connect(pace.label(), &self.config.catch_up(), &self.stop, slot)?;
        let mut pollers = locked(&self.pollers);
        pollers.retain(|poller| !poller.is_finished());
        pollers.push(poller);
        Ok(made.insert(client).clone())
    }

    /// The end of a partition as the last fetch of it told it, without asking the broker.
    pub fn known_end(&self, topic: &str, partition: u32) -> Option<u64> {
        let known = |client: &Client| native::known_end(client.client(), topic, partition as i32);
        // A partition never gets shorter, so the one that fetched it last knows more.
        known(&self.tail).max(locked(&self.catch_up).as_deref().and_then(known))
    }

    /// The threads that end now, soon after which the connections are closed if nobody holds the clients any more.
    pub fn stop_polling(&self) -> Vec<JoinHandle<()>> {
        self.stop.store(true, Ordering::Release);
        std::mem::take(&mut *locked(&self.pollers))
    }
}

impl Drop for Consumers {
    fn drop(&mut self) {
        self.stop_polling();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing is left half-done in them by a panic elsewhere.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect(
    name: &'static str,
    config: &ClientConfig,
    stop: &Arc<AtomicBool>,
    slot: Option<Slot>,
) -> Result<(Arc<Client>, JoinHandle<()>), KafkaError> {
    let voice = ClientVoice::new(name, config);
    let client: Client = config.create_with_context(voice).map_err(KafkaError::client)?;
    let client = Arc::new(client);
    let poller = spawn_poller(client.clone(), stop.clone(), slot)?;
    Ok((client, poller))
}

/// The client wants to be polled for what concerns no single partition: its log lines and its errors. One that comes and goes is given up here,
/// since that waits for its threads to end.
fn spawn_poller(client: Arc<Client>, stop: Arc<AtomicBool>, slot: Option<Slot>) -> Result<JoinHandle<()>, KafkaError> {
    let poll = move || {
        let mut used_at = Instant::now();
        while !stop.load(Ordering::Acquire) {
            match client.poll(Duration::from_millis(100)) {
                None => {}
                // Its reader will notice the gap and halt, so nothing is read over.
                Some(Ok(_)) => tracing::error!("the kafka client delivered a record outside its partition's queue"),
                Some(Err(error)) => tracing::debug!("kafka client: {error}"),
            }
            client.context().rescue(client.client());
            if let Some(slot) = &slot {
                let mut held = locked(slot);
                // The slot's and this thread's.
                if Arc::strong_count(&client) > 2 {
                    used_at = Instant::now();
                } else if used_at.elapsed() > IDLE {
                    *held = None;
                    return;
                }
            }
        }
    };
    Ok(std::thread::Builder::new().name("groot-log-client".to_owned()).spawn(poll)?)
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Weak;

    use super::*;

    /// Waits until nobody holds a client any more.
    pub fn goes(client: &Weak<Client>) {
        let limit = Instant::now() + Duration::from_secs(30);
        while client.upgrade().is_some() {
            assert!(Instant::now() < limit, "it is still there");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn a_reader_far_behind_catches_up_apart_until_it_is_near_the_end() {
        assert_eq!(Pace::Tail.next(FAR), Pace::Tail);
        assert_eq!(Pace::Tail.next(FAR + 1), Pace::CatchUp);
        assert_eq!(Pace::CatchUp.next(NEAR), Pace::CatchUp);
        assert_eq!(Pace::CatchUp.next(NEAR - 1), Pace::Tail);
    }

    /// Nobody listens there; a client is made all the same.
    #[test]
    fn the_client_for_those_far_behind_goes_when_nobody_reads_through_it_and_comes_again() {
        let consumers = Consumers::connect(&KafkaConfig::local("127.0.0.1:1")).unwrap();
        let first = consumers.at(Pace::CatchUp).unwrap();
        assert!(Arc::ptr_eq(&first, &consumers.at(Pace::CatchUp).unwrap()));
        std::thread::sleep(IDLE + Duration::from_secs(1));
        assert!(locked(&consumers.catch_up).is_some(), "it is read through");
        let gone = Arc::downgrade(&first);
        drop(first);
        goes(&gone);
        assert!(locked(&consumers.catch_up).is_none());
        let again = consumers.at(Pace::CatchUp).unwrap();
        assert!(Arc::ptr_eq(&again, &consumers.at(Pace::CatchUp).unwrap()));
    }
}
