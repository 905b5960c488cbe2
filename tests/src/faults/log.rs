//! What the log says, as the one reader rule has it, in the words of the checker.

use service::token::PositionToken;
use uuid::Uuid;

use crate::evidence::Fact;

/// A commit that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The operation whose trace its events carry.
    pub operation: u64,
    pub command: Uuid,
    pub aggregate: Uuid,
    /// Of its events, in order.
    pub versions: Vec<u64>,
    pub position: PositionToken,
}

impl Written {
    pub fn of(fact: &Fact) -> Self {
        let versions = fact.events.iter().map(|event| event.meta.version).collect();
        let trace = fact.events.first().map_or(Uuid::nil(), |event| event.meta.correlation_id);
        Self {
            operation: operation_of(trace),
            command: fact.command,
            aggregate: fact.aggregate,
            versions,
            position: fact.position,
        }
    }

    /// The version of the aggregate after it.
    pub fn version(&self) -> u64 {
        self.versions.last().copied().unwrap_or_default()
    }
}

/// The `traceparent` of one attempt. Its trace names the operation: events carry it as their correlation id.
pub fn traceparent(operation: u64, attempt: u64) -> String {
    format!("00-{:032x}-{:016x}-01", trace_of(operation).as_u128(), attempt + 1)
}

pub fn trace_of(operation: u64) -> Uuid {
    Uuid::from_u128(MARK | u128::from(operation))
}

/// Tells the traces of operations from those that programs make up.
const MARK: u128 = 0xFA17 << 112;

/// 0 for a trace that is no operation's.
fn operation_of(trace: Uuid) -> u64 {
    let (mark, operation) = (trace.as_u128() & !u128::from(u64::MAX), trace.as_u128() as u64);
    if mark == MARK { operation } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_names_its_operation_and_others_name_none() {
        assert_eq!(operation_of(trace_of(42)), 42);
        assert_eq!(operation_of(Uuid::now_v7()), 0);
        assert!(traceparent(42, 0).contains(&trace_of(42).simple().to_string()));
    }
}
