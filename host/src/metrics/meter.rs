//! Counts and times of an engine's jobs: the queue, the sandboxes, their memory, and the
//! limits that stopped jobs.
//!
//! A meter lives as long as its engine, whose pools and sandboxes write to it. A guard
//! counts each thing that exists now (a place in the queue, a sandbox), so a job that is
//! dropped halfway leaves nothing behind. The number of series is fixed.
//!
//! A part of an engine's jobs may have a meter of its own, which counts for the engine's, too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::sharded::{Histogram, ShardedGauge, ShardedHistogram};
use crate::error::RunError;
use crate::limits::{Limit, PLACE_BYTES};

/// The metrics of an engine's jobs, or of a part of them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Meter {
    counts: Arc<Counts>,
    /// The meter of the engine, if this is the meter of a part.
    all: Option<Arc<Counts>>,
}

#[derive(Debug)]
struct Counts {
    queue_length: AtomicU64,
    queue_wait: ShardedHistogram,
    sandboxes_live: ShardedGauge,
    sandboxes_max: u32,
    /// Memory that jobs hold in the lane for large ones.
    large_memory_bytes: AtomicU64,
    memory_max_bytes: u64,
    instantiation: ShardedHistogram,
    run: ShardedHistogram,
    /// In the order of [`Limit::ALL`].
    limits_hit: [AtomicU64; Limit::ALL.len()],
}

impl Meter {
    pub(crate) fn new(sandboxes_max: u32, memory_max_bytes: u64) -> Self {
        let counts = Counts {
            queue_length: AtomicU64::default(),
            queue_wait: ShardedHistogram::default(),
            sandboxes_live: ShardedGauge::default(),
            sandboxes_max,
            large_memory_bytes: AtomicU64::default(),
            memory_max_bytes,
            instantiation: ShardedHistogram::default(),
            run: ShardedHistogram::default(),
            limits_hit: [const { AtomicU64::new(0) }; Limit::ALL.len()],
        };
        Self {
            counts: Arc::new(counts),
            all: None,
        }
    }

    /// The meter of a part of these jobs, which has at most `sandboxes_max` sandboxes. Its events
    /// count in `self`, too.
    #[cfg(any(test, all(feature = "service", feature = "compiler")))]
    pub(crate) fn of_part(&self, sandboxes_max: u32) -> Self {
        let part = Self::new(sandboxes_max, self.memory_max_bytes());
        Self {
            all: Some(Arc::clone(self.all.as_ref().unwrap_or(&self.counts))),
            ..part
        }
    }

    /// The counts to write.
    fn written(&self) -> impl Iterator<Item = &Counts> {
        [Some(&self.counts), self.all.as_ref()]
            .into_iter()
            .flatten()
            .map(|counts| &**counts)
    }

    /// Jobs that wait for a sandbox or for memory.
    pub fn queue_length(&self) -> u64 {
        self.counts.queue_length.load(Ordering::Relaxed)
    }

    /// Waits for a sandbox or for memory. A job that found room waited for 0 s.
    pub fn queue_wait(&self) -> Histogram {
        self.counts.queue_wait.read()
    }

    /// Sandboxes that exist.
    pub fn sandboxes_live(&self) -> u64 {
        // A sum of shards is negative for an instant where a thread decrements what another one
        // incremented.
        u64::try_from(self.counts.sandboxes_live.get()).unwrap_or(0)
    }

    /// Sandboxes that can exist at once.
    pub fn sandboxes_max(&self) -> u64 {
        self.counts.sandboxes_max.into()
    }

    /// The sum of the memory caps of all sandboxes.
    pub fn memory_bytes(&self) -> u64 {
        let large_bytes = self.counts.large_memory_bytes.load(Ordering::Relaxed);
        large_bytes + self.sandboxes_live() * PLACE_BYTES
    }

    /// The most that the memory caps of all sandboxes may add up to.
    pub fn memory_max_bytes(&self) -> u64 {
        self.counts.memory_max_bytes
    }

    /// Times of instantiations.
    pub fn instantiation(&self) -> Histogram {
        self.counts.instantiation.read()
    }

    /// Lives of sandboxes, from the end of the instantiation.
    pub fn run(&self) -> Histogram {
        self.counts.run.read()
    }

    /// As [`Meter::run`], of all jobs of the engine.
    #[cfg(all(feature = "service", feature = "compiler"))]
    pub(crate) fn run_of_all(&self) -> Histogram {
        self.all.as_ref().unwrap_or(&self.counts).run.read()
    }

    /// Jobs that were refused or stopped by `limit`.
    pub fn limits_hit(&self, limit: Limit) -> u64 {
        self.counts.limits_hit[limit as usize].load(Ordering::Relaxed)
    }

    /// Counts a job that is refused or stopped by `limit`.
    pub fn hit(&self, limit: Limit) {
        for counts in self.written() {
            counts.limits_hit[limit as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts the limit that the error of `result` names, if any, and returns `result`.
    ///
    /// Call it once for each job, where its error is returned to the caller: several
    /// sandboxes of one job may meet the same limit.
    pub(crate) fn watch<T>(&self, result: Result<T, RunError>) -> Result<T, RunError> {
        result.inspect_err(|error| {
            if let Some(limit) = error.limit() {
                self.hit(limit);
            }
        })
    }

    /// Records that a job waited for nothing.
    pub(crate) fn record_no_wait(&self) {
        for counts in self.written() {
            counts.queue_wait.observe(Duration::ZERO);
        }
    }

    /// Counts a job in the queue until the guard is dropped.
    pub(crate) fn enter_queue(&self) -> QueueGuard<'_> {
        for counts in self.written() {
            counts.queue_length.fetch_add(1, Ordering::Relaxed);
        }
        QueueGuard {
            meter: self,
            since: Instant::now(),
        }
    }

    /// Counts a sandbox's place and its memory in the lane for large jobs until the guard is
    /// dropped.
    pub(crate) fn hold(&self, large_bytes: u64) -> SandboxGuard {
        for counts in self.written() {
            counts.sandboxes_live.add(1);
            if large_bytes > 0 {
                let held = &counts.large_memory_bytes;
                held.fetch_add(large_bytes, Ordering::Relaxed);
            }
        }
        SandboxGuard {
            meter: self.clone(),
            large_bytes,
        }
    }

    /// Times a sandbox whose instantiation began at `start` and has just ended, until the
    /// timer is dropped.
    pub(crate) fn start_run(&self, start: Instant) -> RunTimer {
        let since = Instant::now();
        for counts in self.written() {
            counts.instantiation.observe(since.duration_since(start));
        }
        RunTimer {
            meter: self.clone(),
            since,
        }
    }
}

/// Counts a job in the queue.
pub(crate) struct QueueGuard<'a> {
    meter: &'a Meter,
    since: Instant,
}

impl Drop for QueueGuard<'_> {
    fn drop(&mut self) {
        let waited = self.since.elapsed();
        for counts in self.meter.written() {
            counts.queue_length.fetch_sub(1, Ordering::Relaxed);
            counts.queue_wait.observe(waited);
        }
    }
}

/// Counts a sandbox's place.
#[derive(Debug)]
pub(crate) struct SandboxGuard {
    meter: Meter,
    large_bytes: u64,
}

impl SandboxGuard {
    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }
}

impl Drop for SandboxGuard {
    fn drop(&mut self) {
        for counts in self.meter.written() {
            counts.sandboxes_live.add(-1);
            if self.large_bytes > 0 {
                let held = &counts.large_memory_bytes;
                held.fetch_sub(self.large_bytes, Ordering::Relaxed);
            }
        }
    }
}

/// Times an instance.
#[derive(Debug)]
pub(crate) struct RunTimer {
    meter: Meter,
    since: Instant,
}

impl Drop for RunTimer {
    fn drop(&mut self) {
        let ran = self.since.elapsed();
        for counts in self.meter.written() {
            counts.run.observe(ran);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guards_count_until_they_are_dropped() {
        let meter = Meter::new(2, 8 << 20);
        let small = meter.hold(0);
        let large = meter.hold(4 << 20);
        let queued = meter.enter_queue();
        assert_eq!(meter.sandboxes_live(), 2);
        assert_eq!(meter.memory_bytes(), (4 << 20) + 2 * PLACE_BYTES);
        assert_eq!(meter.queue_length(), 1);
        drop((small, large, queued));
        assert_eq!(meter.sandboxes_live(), 0);
        assert_eq!(meter.memory_bytes(), 0);
        assert_eq!(meter.queue_length(), 0);
    }

    #[test]
    fn a_part_counts_for_all() {
        let all = Meter::new(4, 8 << 20);
        let parts = [all.of_part(1), all.of_part(2)];
        let held = parts.each_ref().map(|part| part.hold(1 << 20));
        let queued = parts[1].enter_queue();
        parts[0].hit(Limit::Queue);
        drop(parts[0].start_run(Instant::now()));
        assert_eq!(all.sandboxes_live(), 2);
        assert_eq!(all.memory_bytes(), 2 * ((1 << 20) + PLACE_BYTES));
        assert_eq!(all.queue_length(), 1);
        assert_eq!(all.limits_hit(Limit::Queue), 1);
        assert_eq!(all.run().count, 1);
        assert_eq!(parts[0].sandboxes_live(), 1);
        assert_eq!(parts[0].sandboxes_max(), 1);
        assert_eq!(parts[1].limits_hit(Limit::Queue), 0);
        drop((held, queued));
        assert_eq!(all.sandboxes_live(), 0);
        assert_eq!(all.queue_wait().count, 1);
    }

    #[test]
    fn watch_counts_the_limit_of_an_error() {
        let meter = Meter::new(1, 1 << 20);
        let (limit, value) = (Limit::Deadline, 1);
        let stopped = RunError::Stopped { limit, value };
        for error in [
            stopped.clone(),
            RunError::OverPromise { promised_bytes: 1 },
            // The writer's own job counted this one.
            RunError::Upstream(Box::new(stopped)),
            RunError::ReaderGone,
        ] {
            assert!(meter.watch::<()>(Err(error)).is_err());
        }
        for limit in Limit::ALL {
            let hit = matches!(limit, Limit::Deadline | Limit::SandboxMemory);
            assert_eq!(meter.limits_hit(limit), u64::from(hit), "{limit}");
        }
    }
}
