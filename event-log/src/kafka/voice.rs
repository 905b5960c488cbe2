//! What the clients of the cluster say of themselves, and the one thing that has to be done because of it.

use std::ffi::CString;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::{Client, ClientContext};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;

use super::{meters, native};

/// Takes what a client says of itself: log lines go to the process's own log, errors to metrics.
pub(super) struct ClientVoice {
    client: &'static str,
    brokers: Option<CString>,
    /// When it last complained that brokers cannot be reached, of which it speaks at every try to connect.
    complained: Mutex<Option<Instant>>,
    /// When it last spoke of any error, once it has said that all brokers are down.
    down: Mutex<Option<Instant>>,
}

/// How often a client may say that brokers cannot be reached: an outage is told of, and does not drown everything else.
const COMPLAIN_EVERY: Duration = Duration::from_secs(30);

/// A client whose brokers are down speaks of each try to reach them, some 1.5 s apart at most. One that is silent for this long
/// has reached one, or has nobody left to try.
const SILENCE: Duration = Duration::from_secs(2);

impl ClientVoice {
    /// The voice of a client that is made with these settings.
    pub fn new(client: &'static str, config: &ClientConfig) -> Self {
        let brokers = config.get("bootstrap.servers").and_then(|brokers| CString::new(brokers).ok());
        Self { client, brokers, complained: Mutex::default(), down: Mutex::default() }
    }

    /// Tells the client of its brokers again if it may have lost them all. Call it now and then, from no call-back of the client.
    ///
    /// A broker that was cut off from its controller, or that was the only one and hung, answers that the cluster has no brokers. The
    /// client then drops all it knows, and neither asks anybody again nor goes back to those it began with
    /// (librdkafka issue 5301, in 2.12.1). One that has reached a broker takes no harm.
    pub fn rescue<C: ClientContext>(&self, client: &Client<C>) {
        let silent = self.down.lock().unwrap_or_else(PoisonError::into_inner).take_if(|last| last.elapsed() >= SILENCE);
        if let Some(brokers) = self.brokers.as_deref().filter(|_| silent.is_some()) {
            tracing::debug!(client = self.client, "telling the kafka client of its brokers again");
            native::add_brokers(client, brokers);
        }
    }

    fn note_error(&self, code: Option<RDKafkaErrorCode>) {
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        if down.is_some() || code == Some(RDKafkaErrorCode::AllBrokersDown) {
            *down = Some(Instant::now());
        }
    }

    fn may_complain(&self) -> bool {
        // A panic elsewhere leaves nothing half-done in a time.
        let mut complained = self.complained.lock().unwrap_or_else(PoisonError::into_inner);
        let may = complained.is_none_or(|last| last.elapsed() >= COMPLAIN_EVERY);
        if may {
            *complained = Some(Instant::now());
        }
        may
    }
}

impl ClientContext for ClientVoice {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            // The setting that it calls experimental is meant.
            _ if facility == "CONFWARN" && message.contains("enable.gapless.guarantee") => {}
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning
                if facility != "FAIL" || self.may_complain() =>
            {
                tracing::warn!(client = self.client, facility, "kafka client: {message}");
            }
            _ => tracing::debug!(client = self.client, facility, "kafka client: {message}"),
        }
    }

    fn error(&self, error: ClientError, reason: &str) {
        meters::client_error(self.client);
        self.note_error(error.rdkafka_error_code());
        // A client goes on by itself after all but fatal errors; one line for the state that matters is enough.
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AllBrokersDown) if self.may_complain() => {
                tracing::warn!(client = self.client, "no broker can be reached: {reason}");
            }
            Some(RDKafkaErrorCode::Fatal) => {
                tracing::error!(client = self.client, "kafka client failed for good: {reason}");
            }
            _ => tracing::debug!(client = self.client, "{error}: {reason}"),
        }
    }
}

impl ConsumerContext for ClientVoice {}

impl ProducerContext for ClientVoice {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            tracing::warn!(client = self.client, "a record could not be sent: {error}");
        }
    }
}
