//! What is counted and timed while jobs run: the queue, the sandboxes, their
//! memory, and the limits that jobs meet.
//!
//! A meter lives as long as its engine, whose pools and sandboxes write to it.
//! What is there now (a place in the queue, a sandbox) is counted by a value that
//! lives exactly as long, so that a job that is dropped halfway leaves nothing
//! behind. The number of series is fixed; nothing grows.
//!
//! The histograms have a lock: an observation took 12 ns, and 60 with a second
//! thread at it without pause. A sandbox makes three, and takes 12 µs in all.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::error::RunError;
use crate::limits::{Limit, PLACE_BYTES};
use crate::tally::{Tally, Times};

/// Counts and times what an engine's jobs do. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Meter(Arc<Counts>);

/// What is counted and timed. The clones of each metric share its value.
#[derive(Debug)]
pub(crate) struct Counts {
    pub(crate) queue_length: Gauge,
    pub(crate) queue_wait_seconds: Times,
    pub(crate) sandboxes_live: Tally,
    pub(crate) sandboxes_max: Gauge,
    /// Memory of the large lane that jobs have.
    pub(crate) large_memory_bytes: Gauge,
    pub(crate) memory_max_bytes: Gauge,
    pub(crate) instantiation_seconds: Times,
    pub(crate) run_seconds: Times,
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
            queue_wait_seconds: Times::default(),
            sandboxes_live: Tally::default(),
            sandboxes_max: Gauge::default(),
            large_memory_bytes: Gauge::default(),
            memory_max_bytes: Gauge::default(),
            instantiation_seconds: Times::default(),
            run_seconds: Times::default(),
            limits_hit: Family::default(),
        };
        counts.sandboxes_max.set(sandboxes_max.into());
        counts.memory_max_bytes.set(signed(memory_max_bytes));
        // A series that is there from the start shows its first step as one.
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

    /// Sandboxes that are there.
    pub fn sandboxes_live(&self) -> u64 {
        unsigned(self.0.sandboxes_live.get())
    }

    /// What the memory of all sandboxes may come to now.
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

    /// Counts the limit that `error` names, if it names one. Whoever tells the
    /// error to the one that asked for the job calls this, since several
    /// sandboxes of one job may meet the same limit.
    pub(crate) fn ended_with(&self, error: &RunError) {
        if let Some(limit) = error.limit() {
            self.hit(limit);
        }
    }

    /// Says that a job found room without waiting.
    pub(crate) fn did_not_wait(&self) {
        self.0.queue_wait_seconds.observe(Duration::ZERO);
    }

    /// A job in the queue, for as long as the value lives.
    pub(crate) fn queued(&self) -> Queued<'_> {
        self.0.queue_length.inc();
        Queued {
            counts: &self.0,
            since: Instant::now(),
        }
    }

    /// A sandbox's place with its share of the large lane, for as long as the
    /// value lives.
    pub(crate) fn held(&self, large_bytes: u64) -> Held {
        self.0.sandboxes_live.add(1);
        if large_bytes > 0 {
            self.0.large_memory_bytes.inc_by(signed(large_bytes));
        }
        Held {
            meter: self.clone(),
            large_bytes,
        }
    }

    /// A sandbox whose instantiation began at `began` and has just ended, for as
    /// long as the value lives.
    pub(crate) fn runs(&self, began: Instant) -> Runs {
        let since = Instant::now();
        let took = since.duration_since(began);
        self.0.instantiation_seconds.observe(took);
        Runs {
            meter: self.clone(),
            since,
        }
    }
}

/// A job in the queue.
pub(crate) struct Queued<'a> {
    counts: &'a Counts,
    since: Instant,
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.counts.queue_length.dec();
        self.counts.queue_wait_seconds.observe(self.since.elapsed());
    }
}

/// A sandbox's place.
#[derive(Debug)]
pub(crate) struct Held {
    meter: Meter,
    large_bytes: u64,
}

impl Held {
    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let counts = &self.meter.0;
        counts.sandboxes_live.add(-1);
        if self.large_bytes > 0 {
            counts.large_memory_bytes.dec_by(signed(self.large_bytes));
        }
    }
}

/// A sandbox that was instantiated.
#[derive(Debug)]
pub(crate) struct Runs {
    meter: Meter,
    since: Instant,
}

impl Drop for Runs {
    fn drop(&mut self) {
        self.meter.0.run_seconds.observe(self.since.elapsed());
    }
}

/// Gauges are signed.
fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// What is counted up before it is counted down never shows below zero, but for
/// an instant to who reads two gauges at once.
fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_counted_while_it_is_there() {
        let meter = Meter::new(2, 8 << 20);
        let small = meter.held(0);
        let large = meter.held(4 << 20);
        let queued = meter.queued();
        assert_eq!(meter.sandboxes_live(), 2);
        assert_eq!(meter.memory_bytes(), (4 << 20) + 2 * PLACE_BYTES);
        assert_eq!(meter.queue_length(), 1);
        drop((small, large, queued));
        assert_eq!(meter.sandboxes_live(), 0);
        assert_eq!(meter.memory_bytes(), 0);
        assert_eq!(meter.queue_length(), 0);
    }

    #[test]
    fn an_error_counts_for_the_limit_that_it_names() {
        let meter = Meter::new(1, 1 << 20);
        let (limit, value) = (Limit::Deadline, 1);
        let stopped = RunError::Stopped { limit, value };
        meter.ended_with(&stopped);
        meter.ended_with(&RunError::OverPromise { promised_bytes: 1 });
        // Whoever wrote to the channel was counted there.
        meter.ended_with(&RunError::Upstream(Box::new(stopped)));
        meter.ended_with(&RunError::ReaderGone);
        for limit in Limit::ALL {
            let hit = matches!(limit, Limit::Deadline | Limit::SandboxMemory);
            assert_eq!(meter.limits_hit(limit), u64::from(hit), "{limit}");
        }
    }
}
