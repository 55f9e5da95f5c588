//! A range that this worker has leased.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cocoon::limits::QUEUE_WAIT;
use cocoon::queue::{Held, Instance, Queue};
use cocoon::telemetry::WorkerMetrics;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use super::kept::Output;
use super::ready::Ready;

/// The result of an instance on its way to the queue.
pub(super) struct Finished {
    pub(super) instance: Instance,
    pub(super) output: Output,
    /// Its share of the memory for outputs.
    pub(super) _held: Option<OwnedSemaphorePermit>,
    pub(super) waiting: Waiting,
}

/// Counts a result until it is published or given up.
pub(super) struct Waiting(WorkerMetrics);

impl Waiting {
    pub(super) fn new(metrics: &WorkerMetrics) -> Self {
        metrics.results_waiting.inc();
        Self(metrics.clone())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.results_waiting.dec();
    }
}

/// A range with work left. Its publisher ends when this is dropped.
pub(super) struct Lease {
    pub(super) held: Held,
    pub(super) ready: Arc<Ready>,
    /// Cancelled when another worker has the range.
    pub(super) lost: CancellationToken,
    /// Cancelled with it, and when the drain timeout has passed.
    pub(super) stop: CancellationToken,
    pub(super) results: mpsc::Sender<Finished>,
    /// The span of the range, in the trace of its submission.
    pub(super) span: Span,
}

/// The leases of a worker, which are renewed while they are here.
#[derive(Default)]
pub(super) struct Leases(Mutex<HashMap<(String, String), Entry>>);

struct Entry {
    held: Held,
    lost: CancellationToken,
    stop: CancellationToken,
    renewal: Duration,
    last: Instant,
}

impl Leases {
    pub(super) fn add(
        &self,
        held: &Held,
        lease_ms: u64,
        lost: &CancellationToken,
        stop: &CancellationToken,
    ) {
        let entry = Entry {
            held: held.clone(),
            lost: lost.clone(),
            stop: stop.clone(),
            renewal: Duration::from_millis(lease_ms / 3),
            last: Instant::now(),
        };
        self.entries()
            .insert((held.batch.clone(), held.id.clone()), entry);
    }

    pub(super) fn remove(&self, held: &Held) {
        let key = (held.batch.clone(), held.id.clone());
        let mut entries = self.entries();
        // The same range may have been leased again.
        if entries.get(&key).is_some_and(|entry| entry.held == *held) {
            entries.remove(&key);
        }
    }

    /// Ends the instances of all ranges.
    pub(super) fn end(&self) {
        for entry in self.entries().values() {
            entry.stop.cancel();
        }
    }

    /// Renews all leases without end.
    pub(super) async fn renew(&self, queue: &Queue, worker: &str, metrics: &WorkerMetrics) {
        loop {
            let (due, pause) = self.due();
            if due.is_empty() {
                sleep(pause).await;
                continue;
            }
            match queue.renew(worker, &due).await {
                Ok(holds) => {
                    for (held, holds) in due.iter().zip(holds) {
                        self.renewed(held, holds, metrics);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "leases not renewed");
                    sleep(QUEUE_WAIT).await;
                }
            }
        }
    }

    /// The leases that are to be renewed now, or the time until there is one.
    fn due(&self) -> (Vec<Held>, Duration) {
        let now = Instant::now();
        let mut due = Vec::new();
        let mut pause = QUEUE_WAIT;
        for entry in self.entries().values() {
            match (entry.last + entry.renewal).checked_duration_since(now) {
                Some(left) if !left.is_zero() => pause = pause.min(left),
                _ => due.push(entry.held.clone()),
            }
        }
        // A lease that is added meanwhile is shorter than this.
        (due, pause.min(Duration::from_millis(30)))
    }

    fn renewed(&self, held: &Held, holds: bool, metrics: &WorkerMetrics) {
        let key = (held.batch.clone(), held.id.clone());
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(&key).filter(|entry| entry.held == *held) else {
            return;
        };
        if holds {
            entry.last = Instant::now();
        } else {
            metrics.leases_lost.inc();
            entry.lost.cancel();
            entries.remove(&key);
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<(String, String), Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
