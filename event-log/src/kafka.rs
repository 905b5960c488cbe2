//! The log on a Kafka cluster: topics, producers, the reader of partitions, group membership and owner hints.
//!
//! - [`provision`] makes the topics and gives the log its identity; [`identify`] only reads it
//! - [`KafkaLog`] is the process's one connection for reading and appending events
//! - [`Membership`] says which partitions this process should own; [`OwnerHints`] says where the others are
//! - [`Subscription`] shares partitions among projectors, and gives each as a [`CommitStream`]
//! - [`ActivityWriter`] appends to the topic of facts that decide nothing, and a [`RecordStream`] reads it as it stands
//! - [`read_all`] reads everything there is, once
//! - [`Restore`] brings a log back from its archive; [`Retention`] deletes from the cluster what the archive has
//!
//! Nothing here decides what counts: that is the reader rule of [`crate::reader`]. Nothing here retries on behalf of an
//! owner either: what went wrong is reported, and [`crate::owner`] draws its line with a claim.

mod activity;
mod archived;
mod config;
mod consumers;
mod convert;
mod error;
mod lanes;
mod log_id;
mod membership;
mod meters;
mod native;
mod owners;
mod partition_log;
mod partitioning;
mod record_stream;
mod replay;
mod restore;
mod retention;
mod settled;
mod stream;
mod subscription;
mod tail;
mod topics;
mod voice;

pub use activity::{ActivityWriter, NotStored};
pub use config::{KafkaConfig, MAX_RECORD_BYTES};
pub use error::KafkaError;
pub use membership::{HandOver, Membership, MembershipConfig, MembershipEvent};
pub use meters::{describe_metrics, epoch_changed, record_skipped};
pub use owners::{OwnerHint, OwnerHints};
pub use partition_log::{Inbox, KafkaLog, PartitionLog};
pub use partitioning::partition_for;
pub use record_stream::{Gone, RecordStream, Records};
pub use replay::{ReadError, read_all, read_partition, walk_partition};
pub use restore::{Look, PartitionLook, Restore, RestoreError, Restored, Wanted};
pub use retention::Retention;
pub use stream::{CommitStream, Delivery};
pub use subscription::{Alone, AssignedPartition, Subscription};
pub use topics::{LogIdentity, answers, check_activity, identify, provision};
