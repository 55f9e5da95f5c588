//! What the sandboxes of an engine keep alive.
//!
//! Each sandbox holds one reference. An engine for one thread has a count of its own, since a
//! count that threads share moves between their caches for each sandbox.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::ticker::Ticker;
use crate::blocking::BlockingPool;

/// The parts of an engine that its sandboxes use.
#[derive(Clone)]
pub(crate) struct Shared {
    /// Memory that is left for places that are idle, in MiB.
    #[cfg_attr(
        not(all(feature = "service", feature = "compiler")),
        expect(dead_code, reason = "without a compiler there are no copies")
    )]
    pub(super) idle_memory: Arc<Semaphore>,
    /// Descriptors that are left for files that sandboxes open.
    pub(crate) open_files: Arc<Semaphore>,
    /// Threads for calls that may block.
    pub(crate) blocking: BlockingPool,
    /// Interrupts sandboxes even after the last other owner of the engine is gone.
    pub(super) ticker: Arc<Ticker>,
}
