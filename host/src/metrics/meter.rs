//! Counts and times of an engine's jobs: the queue, the sandboxes, their memory, and the
//! limits that stopped jobs.
//!
//! A meter lives as long as its engine, whose pools and sandboxes write to it. A guard
//! counts each thing that exists now (a place in the queue, a sandbox), so a job that is
//! dropped halfway leaves nothing behind. The number of series is fixed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::sharded::{ShardedGauge, ShardedHistogram};
use crate::error::RunError;
use crate::limits::{Limit, PLACE_BYTES};

/// The metrics of an engine's jobs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Meter(Arc<Counts>);

/// The metrics. Clones of each share its value.
#[derive(Debug)]
pub(crate) struct Counts {
    pub(crate) queue_length: Gauge,
    pub(crate) queue_wait_seconds: ShardedHistogram,
    pub(crate) sandboxes_live: ShardedGauge,
    pub(crate) sandboxes_max: Gauge,
    /// Memory that jobs hold in the lane for large ones.
    pub(crate) large_memory_bytes: Gauge,
    pub(crate) memory_max_bytes: Gauge,
    pub(crate) instantiation_seconds: ShardedHistogram,
    pub(crate) run_seconds: ShardedHistogram,
    pub(crate) limits_hit: Family<LimitLabel, Counter>,
}

/// A limit, by its flag.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct LimitLabel {
    limit: &'static str,
}

impl From<Limit> for LimitLabel {
    fn from(limit: Limit) -> Self {
        let limit = limit.spec().flag;
        Self { limit }
    }
}

impl Meter {
    pub(crate) fn new(sandboxes_max: u32, memory_max_bytes: u64) -> Self {
        let counts = Counts {
            queue_length: Gauge::default(),
            queue_wait_seconds: ShardedHistogram::default(),
            sandboxes_live: ShardedGauge::default(),
            sandboxes_max: Gauge::default(),
            large_memory_bytes: Gauge::default(),
            memory_max_bytes: Gauge::default(),
            instantiation_seconds: ShardedHistogram::default(),
            run_seconds: ShardedHistogram::default(),
            limits_hit: Family::default(),
        };
        counts.sandboxes_max.set(sandboxes_max.into());
        counts.memory_max_bytes.set(signed(memory_max_bytes));
        // Prometheus sees the first increment only of a series that existed before.
        for limit in Limit::ALL {
            drop(counts.limits_hit.get_or_create(&limit.into()));
        }
        Self(Arc::new(counts))
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.0
    }

    /// Jobs that wait for a sandbox or for memory.
    pub fn queue_length(&self) -> u64 {
        unsigned(self.0.queue_length.get())
    }

    /// Sandboxes that exist.
    pub fn sandboxes_live(&self) -> u64 {
        unsigned(self.0.sandboxes_live.get())
    }

    /// The sum of the memory caps of all sandboxes.
    pub fn memory_bytes(&self) -> u64 {
        let large_bytes = unsigned(self.0.large_memory_bytes.get());
        large_bytes + self.sandboxes_live() * PLACE_BYTES
    }

    /// Jobs that were refused or stopped by `limit`.
    pub fn limits_hit(&self, limit: Limit) -> u64 {
        self.0.limits_hit.get_or_create(&limit.into()).get()
    }

    /// Counts a job that is refused or stopped by `limit`.
    pub fn hit(&self, limit: Limit) {
        self.0.limits_hit.get_or_create(&limit.into()).inc();
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
        self.0.queue_wait_seconds.observe(Duration::ZERO);
    }

    /// Counts a job in the queue until the guard is dropped.
    pub(crate) fn enter_queue(&self) -> QueueGuard<'_> {
        self.0.queue_length.inc();
        QueueGuard {
            counts: &self.0,
            since: Instant::now(),
        }
    }

    /// Counts a sandbox's place and its memory in the lane for large jobs until the guard is
    /// dropped.
    pub(crate) fn hold(&self, large_bytes: u64) -> SandboxGuard {
        self.0.sandboxes_live.add(1);
        if large_bytes > 0 {
            self.0.large_memory_bytes.inc_by(signed(large_bytes));
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
        self.0
            .instantiation_seconds
            .observe(since.duration_since(start));
        RunTimer {
            meter: self.clone(),
            since,
        }
    }
}

/// Counts a job in the queue.
pub(crate) struct QueueGuard<'a> {
    counts: &'a Counts,
    since: Instant,
}

impl Drop for QueueGuard<'_> {
    fn drop(&mut self) {
        self.counts.queue_length.dec();
        self.counts.queue_wait_seconds.observe(self.since.elapsed());
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
        let counts = &self.meter.0;
        counts.sandboxes_live.add(-1);
        if self.large_bytes > 0 {
            counts.large_memory_bytes.dec_by(signed(self.large_bytes));
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
        self.meter.0.run_seconds.observe(self.since.elapsed());
    }
}

/// Gauges are signed.
fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A sum of shards is negative for an instant where a thread decrements what another one
/// incremented.
fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
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
