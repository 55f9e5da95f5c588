//! The metrics of a worker of a queue.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Upper bounds of the time from submission to result, in seconds.
const AGES: [f64; 12] = [
    0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 10_000.0,
];

/// Counts of a worker. Cheap to clone.
#[derive(Clone, Debug)]
pub struct WorkerMetrics {
    /// Ranges of all batches that wait or run, as the queue had them last.
    pub open_ranges: Gauge,
    /// Ranges that this worker has leased.
    pub leased_ranges: Gauge,
    /// Results of this worker that are not published.
    pub results_waiting: Gauge,
    /// Results that this worker published.
    pub results: Counter,
    /// Ranges that another worker had lost.
    pub redeliveries: Counter,
    /// Leases that this worker lost.
    pub leases_lost: Counter,
    /// Whether Redis answers.
    pub up: Gauge,
    /// Time from the submission of a batch to the publication of a result.
    pub age: Histogram,
}

impl Default for WorkerMetrics {
    fn default() -> Self {
        Self {
            open_ranges: Gauge::default(),
            leased_ranges: Gauge::default(),
            results_waiting: Gauge::default(),
            results: Counter::default(),
            redeliveries: Counter::default(),
            leases_lost: Counter::default(),
            up: Gauge::default(),
            age: Histogram::new(AGES),
        }
    }
}

impl WorkerMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("batch");
        registry.register(
            "open_ranges",
            "Ranges of all batches that wait or run",
            self.open_ranges.clone(),
        );
        registry.register(
            "leased_ranges",
            "Ranges that this worker has leased",
            self.leased_ranges.clone(),
        );
        registry.register(
            "results_waiting",
            "Results of this worker that are not published",
            self.results_waiting.clone(),
        );
        registry.register(
            "results",
            "Results that this worker published",
            self.results.clone(),
        );
        registry.register(
            "redeliveries",
            "Ranges that this worker leased after another lease was lost",
            self.redeliveries.clone(),
        );
        registry.register(
            "leases_lost",
            "Leases that this worker lost",
            self.leases_lost.clone(),
        );
        registry.register("queue_up", "Whether Redis answers", self.up.clone());
        registry.register(
            "result_age_seconds",
            "Time from the submission of a batch to the publication of a result",
            self.age.clone(),
        );
    }
}
