//! One value for each thread, so that threads do not share cache lines.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Values of a [`PerThread`]. With more threads than this, some share a value.
pub(crate) const SHARDS: usize = 16;

/// Two cache lines, since processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard<T>(T);

/// A value for each thread. Clones share the values.
#[derive(Debug)]
pub(crate) struct PerThread<T>(Arc<[Shard<T>; SHARDS]>);

impl<T> PerThread<T> {
    /// The value of the current thread.
    pub(crate) fn own(&self) -> &T {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static OWN: Cell<Option<usize>> = const { Cell::new(None) };
        }
        let index = OWN.get().unwrap_or_else(|| {
            let index = THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS;
            OWN.set(Some(index));
            index
        });
        &self.0[index].0
    }

    /// The values of all threads.
    pub(crate) fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|shard| &shard.0)
    }
}

impl<T> Clone for PerThread<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Default> Default for PerThread<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}
