//! Counters and timers that threads write without sharing cache lines.

mod meter;
mod per_thread;
mod sharded;

pub use meter::Meter;
pub(crate) use meter::{RunTimer, SandboxGuard};
pub(crate) use per_thread::PerThread;
pub(crate) use sharded::{BUCKETS, ShardedHistogram, bound, bucket};
