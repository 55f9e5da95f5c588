//! Counters and timers that threads write without sharing cache lines.

mod meter;
pub(crate) mod per_thread;
pub(crate) mod sharded;

pub use meter::Meter;
pub(crate) use meter::{RunTimer, SandboxGuard};
pub use sharded::Histogram;
