//! Counts and reports of exported and lost spans.
//!
//! An outage is reported once, and so is its end, at the same level. Losses are counted
//! exactly, by their reason, and reported with their number from time to time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use crate::limits::LOSSES_REPORTED;

/// The metric `cocoon_spans_dropped`.
pub(super) type DropCounter = Family<Reason, Counter>;

/// The reason for a loss of spans.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Reason {
    reason: &'static str,
}

/// The spans that were lost in this process. It exports to one place at most.
static DROPPED: LazyLock<DropCounter> = LazyLock::new(|| {
    let dropped = DropCounter::default();
    // A rate needs a zero to begin with.
    for reason in [QUEUE_FULL, UNDELIVERED, REJECTED] {
        drop(dropped.get_or_create(&Reason { reason }));
    }
    dropped
});

const QUEUE_FULL: &str = "queue_full";
const UNDELIVERED: &str = "undelivered";
const REJECTED: &str = "rejected";

/// The spans that were lost, by reason.
pub(super) fn dropped() -> DropCounter {
    DROPPED.clone()
}

fn lost(reason: &'static str) -> Counter {
    DROPPED.get_or_create(&Reason { reason }).clone()
}

/// The way out of this process.
#[derive(Debug)]
pub(super) struct Delivery {
    endpoint: String,
    queued_max: usize,
    queue_full: Losses,
    undelivered: Losses,
    rejected: Counter,
    /// Spans in the queue, or in a batch that is being sent.
    on_the_way: AtomicU64,
    fails: AtomicBool,
    /// Spans that were lost since the outage began.
    lost_in_outage: AtomicU64,
    last_report: Mutex<LastReport>,
}

/// The last messages of the server.
#[derive(Debug, Default)]
struct LastReport {
    message: String,
    at: Option<Instant>,
}

/// Losses of one kind, and how many of them have been reported.
#[derive(Debug)]
struct Losses {
    counter: Counter,
    reported: AtomicU64,
}

impl Losses {
    fn new(reason: &'static str) -> Self {
        Self {
            counter: lost(reason),
            reported: AtomicU64::new(0),
        }
    }

    /// Takes the losses that have not been reported.
    fn take(&self) -> u64 {
        let all = self.counter.get();
        all.saturating_sub(self.reported.swap(all, Ordering::Relaxed))
    }
}

impl Delivery {
    pub(super) fn new(endpoint: String, queued_max: usize) -> Self {
        Self {
            endpoint,
            queued_max,
            queue_full: Losses::new(QUEUE_FULL),
            undelivered: Losses::new(UNDELIVERED),
            rejected: lost(REJECTED),
            on_the_way: AtomicU64::new(0),
            fails: AtomicBool::new(false),
            lost_in_outage: AtomicU64::new(0),
            last_report: Mutex::new(LastReport::default()),
        }
    }

    /// A span is in the queue.
    pub(super) fn queued(&self) {
        self.on_the_way.fetch_add(1, Ordering::Relaxed);
    }

    /// A span found no room in the queue.
    pub(super) fn found_no_room(&self) {
        self.on_the_way.fetch_sub(1, Ordering::Relaxed);
        self.queue_full.counter.inc();
        self.lost_in_outage.fetch_add(1, Ordering::Relaxed);
    }

    /// So many spans are not sent any more.
    pub(super) fn gave_up(&self, spans: usize) {
        self.on_the_way.fetch_sub(spans as u64, Ordering::Relaxed);
        self.lose(spans as u64);
    }

    /// The program ends, and whatever is on the way is lost.
    pub(super) fn abandon(&self) {
        self.lose(self.on_the_way.swap(0, Ordering::Relaxed));
        self.report_losses();
    }

    fn lose(&self, spans: u64) {
        self.undelivered.counter.inc_by(spans);
        self.lost_in_outage.fetch_add(spans, Ordering::Relaxed);
    }

    /// An attempt failed.
    pub(super) fn failed(&self, error: &str) {
        if !self.fails.swap(true, Ordering::Relaxed) {
            self.lost_in_outage.store(0, Ordering::Relaxed);
            tracing::warn!(endpoint = self.endpoint, error, "span export failed");
        }
    }

    /// Counts a batch of spans that arrived.
    pub(super) fn delivered(&self, spans: usize) {
        self.on_the_way.fetch_sub(spans as u64, Ordering::Relaxed);
        if self.fails.swap(false, Ordering::Relaxed) {
            let lost = self.lost_in_outage.swap(0, Ordering::Relaxed);
            tracing::warn!(endpoint = self.endpoint, lost, "span export recovered");
        }
    }

    /// Counts a batch of which the server rejected some spans, or to which it added a message.
    pub(super) fn rejected(&self, spans: u64, message: &str) {
        self.rejected.inc_by(spans);
        let mut last_report = self
            .last_report
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_new = last_report.message != message
            || last_report.at.is_none_or(|at| at.elapsed() >= REPORTED);
        if is_new {
            message.clone_into(&mut last_report.message);
            last_report.at = Some(Instant::now());
            let all = self.rejected.get();
            tracing::warn!(
                endpoint = self.endpoint,
                spans,
                in_all = all,
                server = message,
                "spans rejected"
            );
        }
    }

    /// Reports the losses since the last report, if there are any.
    pub(super) fn report_losses(&self) -> bool {
        let queue_full = self.queue_full.take();
        if queue_full > 0 {
            tracing::warn!(
                spans = queue_full,
                in_all = self.queue_full.counter.get(),
                reason = QUEUE_FULL,
                OTEL_BSP_MAX_QUEUE_SIZE = self.queued_max,
                "spans dropped"
            );
        }
        let undelivered = self.undelivered.take();
        if undelivered > 0 {
            tracing::warn!(
                spans = undelivered,
                in_all = self.undelivered.counter.get(),
                reason = UNDELIVERED,
                endpoint = self.endpoint,
                "spans dropped"
            );
        }
        queue_full > 0 || undelivered > 0
    }

    /// Reports losses without end: the first soon, and later ones together.
    pub(super) async fn keep_reporting(&self) {
        loop {
            tokio::time::sleep(SOON).await;
            if self.report_losses() {
                tokio::time::sleep(REPORTED).await;
            }
        }
    }
}

/// The time from a loss to the first report.
const SOON: Duration = Duration::from_secs(1);
/// The time between two reports.
const REPORTED: Duration = LOSSES_REPORTED;
