//! Copies of a component, one for each thread that makes many sandboxes of it.
//!
//! Each has its own engine: with a shared one, the memory of a sandbox is mostly in the cache of
//! another thread. They are made after some sandboxes, and live as long as the component.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::SANDBOXES_BEFORE_COPIES;
use crate::metrics::per_thread::PerThread;

/// The copies of a component `C`.
pub(super) struct ThreadCopies<C> {
    /// Sandboxes so far, up to [`SANDBOXES_BEFORE_COPIES`].
    sandboxes: AtomicU64,
    threads: PerThread<OnceLock<Option<Box<Places<C>>>>>,
}

/// A copy, and its free places.
pub(super) struct Places<C> {
    component: C,
    free: Arc<Semaphore>,
}

impl<C> Places<C> {
    /// The `places` of `component`.
    pub(super) fn new(component: C, places: u32) -> Self {
        Self {
            component,
            free: Arc::new(Semaphore::new(places as usize)),
        }
    }

    /// Places that are free.
    pub(super) fn free(&self) -> usize {
        self.free.available_permits()
    }

    /// The component with one of its places, unless all are taken.
    pub(super) fn take(&self) -> Option<(&C, OwnedSemaphorePermit)> {
        let place = Arc::clone(&self.free).try_acquire_owned().ok()?;
        Some((&self.component, place))
    }
}

impl<C> ThreadCopies<C> {
    pub(super) fn new() -> Self {
        Self {
            sandboxes: AtomicU64::new(0),
            threads: PerThread::default(),
        }
    }

    /// The copy of this thread, with a place in it, which `copy` makes.
    /// `None` for the first sandboxes, where all places are taken, and where it cannot be made.
    pub(super) fn own(
        &self,
        copy: impl FnOnce() -> Option<Places<C>>,
    ) -> Option<(&C, OwnedSemaphorePermit)> {
        // The counter is read-only once it is reached, so threads do not contend for it.
        if self.sandboxes.load(Ordering::Relaxed) < SANDBOXES_BEFORE_COPIES {
            self.sandboxes.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let places = self.threads.own().get_or_init(|| copy().map(Box::new));
        places.as_ref()?.take()
    }
}
