//! Exemplars: for each bucket of a histogram, the trace of the request that fell into it last.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use opentelemetry::TraceId;

use crate::metrics::sharded::{BUCKETS, bound, bucket};

/// The exemplars of one histogram. Only requests that are traced take its lock.
#[derive(Debug, Default)]
pub(super) struct Exemplars(Mutex<[Option<Exemplar>; BUCKETS]>);

/// A request that was traced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exemplar {
    pub(super) trace: TraceId,
    pub(super) took: Duration,
    pub(super) at: SystemTime,
}

impl Exemplar {
    /// The bound of the bucket that it fell into, in seconds.
    pub(super) fn bound(&self) -> f64 {
        bound(bucket(self.took))
    }
}

impl Exemplars {
    /// Keeps an exemplar of the duration `took` in place of the last one in its bucket.
    pub(super) fn keep(&self, trace: TraceId, took: Duration) {
        let mut exemplars = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        exemplars[bucket(took)] = Some(Exemplar {
            trace,
            took,
            at: SystemTime::now(),
        });
    }

    /// The exemplars.
    pub(super) fn all(&self) -> Vec<Exemplar> {
        let exemplars = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        exemplars.iter().flatten().copied().collect()
    }
}
