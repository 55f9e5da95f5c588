//! Whether spans arrive, told once and not with every batch.
//!
//! The exporter of OpenTelemetry fails in silence, and so does its queue when it
//! is full. [`Told`] is laid around either and tells what it sees.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};

/// What is known of the spans' way out.
#[derive(Debug)]
pub(super) struct Delivery {
    endpoint: String,
    /// What can be on its way at once: the queue, and a batch that was taken out
    /// of it and has as many at most.
    on_the_way_max: u64,
    ended: AtomicU64,
    handed_over: AtomicU64,
    fails: AtomicBool,
    told_dropped: AtomicBool,
}

impl Delivery {
    pub(super) fn new(endpoint: &str, queued: usize) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            on_the_way_max: (queued as u64).saturating_mul(2),
            ended: AtomicU64::new(0),
            handed_over: AtomicU64::new(0),
            fails: AtomicBool::new(false),
            told_dropped: AtomicBool::new(false),
        }
    }

    /// A span goes into the queue, or is dropped where that is full. The queue
    /// does not say which, but what is neither out nor can be in it was dropped.
    fn ended(&self) {
        let ended = self.ended.fetch_add(1, Ordering::Relaxed) + 1;
        let on_the_way = ended.saturating_sub(self.handed_over.load(Ordering::Relaxed));
        if on_the_way > self.on_the_way_max && !self.told_dropped.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "there are more spans than can be delivered, and some are dropped; OTEL_TRACES_SAMPLER takes fewer"
            );
        }
    }

    fn failed(&self, reason: &str) {
        if !self.fails.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "no spans are delivered to {}: {reason}; they are dropped until they are",
                self.endpoint
            );
        }
    }

    fn delivered(&self) {
        if self.fails.swap(false, Ordering::Relaxed) {
            tracing::info!("spans are delivered to {} again", self.endpoint);
        }
    }
}

/// A processor or an exporter whose failures are told.
#[derive(Debug)]
pub(super) struct Told<T> {
    inner: T,
    delivery: Arc<Delivery>,
}

impl<T> Told<T> {
    pub(super) fn new(inner: T, delivery: Arc<Delivery>) -> Self {
        Self { inner, delivery }
    }
}

impl<P: SpanProcessor> SpanProcessor for Told<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.inner.on_start(span, context);
    }

    fn on_end(&self, mut span: SpanData) {
        if span.span_context.is_sampled() {
            finish(&mut span);
            self.delivery.ended();
            self.inner.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Corrects a span that has just ended: it ends now, and not when it was last polled, and
/// of an attribute that was recorded several times the last value counts.
fn finish(span: &mut SpanData) {
    span.end_time = SystemTime::now().max(span.start_time);
    let mut known = HashSet::with_capacity(span.attributes.len());
    span.attributes.reverse();
    span.attributes.retain(|it| known.insert(it.key.clone()));
    span.attributes.reverse();
}

impl<E: SpanExporter> SpanExporter for Told<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let handed_over = &self.delivery.handed_over;
        handed_over.fetch_add(batch.len() as u64, Ordering::Relaxed);
        let mut attempt = Attempt {
            delivery: &self.delivery,
            over: false,
        };
        let exported = self.inner.export(batch).await;
        attempt.over = true;
        match &exported {
            Ok(()) => self.delivery.delivered(),
            Err(error) => self.delivery.failed(&error.to_string()),
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// A batch that is being sent. The processor drops it when it takes too long.
struct Attempt<'a> {
    delivery: &'a Delivery,
    over: bool,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.delivery.failed("it does not answer in time");
        }
    }
}
