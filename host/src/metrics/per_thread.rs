//! One of something for each thread, so that threads need not meet over it.
//!
//! A shard lies on cache lines of its own.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Threads beyond this many share.
pub(crate) const SHARDS: usize = 16;

/// Two cache lines, since processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard<T>(T);

/// One for each thread. Clones share them.
#[derive(Debug)]
pub(crate) struct Shards<T>(Arc<[Shard<T>; SHARDS]>);

impl<T> Shards<T> {
    /// That of the thread that asks.
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

    /// Those of all threads.
    pub(crate) fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|shard| &shard.0)
    }
}

impl<T> Clone for Shards<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Default> Default for Shards<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}
