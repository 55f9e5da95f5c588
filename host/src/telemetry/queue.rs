//! The bounded queue between the spans that end and the task that sends them.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use opentelemetry::{Array, Context, StringValue, Value};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use tokio::sync::mpsc::Sender;

use super::delivery::Delivery;

/// The writing end. A span that finds no room is dropped and counted.
#[derive(Debug)]
pub(super) struct Queue {
    spans: Sender<SpanData>,
    delivery: Arc<Delivery>,
    /// Spans that have begun and not ended.
    open: Arc<AtomicU64>,
    value_chars: usize,
}

impl Queue {
    pub(super) fn new(
        spans: Sender<SpanData>,
        delivery: Arc<Delivery>,
        open: Arc<AtomicU64>,
        value_chars: usize,
    ) -> Self {
        Self {
            spans,
            delivery,
            open,
            value_chars,
        }
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    fn on_end(&self, mut span: SpanData) {
        if span.span_context.is_sampled() {
            finish(&mut span, self.value_chars);
            // Before the task can count it as sent.
            self.delivery.queued();
            if self.spans.try_send(span).is_err() {
                self.delivery.found_no_room();
            }
        }
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Corrects a span that has just ended.
///
/// The span ends now; `tracing-opentelemetry` would use the time of its last poll. Of an attribute
/// that was recorded several times, the last value counts: OTLP has no repeated keys. Long values
/// are cut.
fn finish(span: &mut SpanData, value_chars: usize) {
    span.end_time = SystemTime::now().max(span.start_time);
    let mut known = HashSet::with_capacity(span.attributes.len());
    span.attributes.reverse();
    span.attributes
        .retain(|attribute| known.insert(attribute.key.clone()));
    span.attributes.reverse();
    let events = span.events.events.iter_mut();
    let of_events = events.flat_map(|event| &mut event.attributes);
    for attribute in span.attributes.iter_mut().chain(of_events) {
        cut(&mut attribute.value, value_chars);
    }
}

fn cut(value: &mut Value, chars: usize) {
    let shorter = |text: &StringValue| {
        let (end, _) = text.as_str().char_indices().nth(chars)?;
        Some(StringValue::from(text.as_str()[..end].to_owned()))
    };
    match value {
        Value::String(text) => {
            if let Some(text) = shorter(text) {
                *value = Value::String(text);
            }
        }
        Value::Array(Array::String(texts)) => {
            for text in texts {
                if let Some(cut) = shorter(text) {
                    *text = cut;
                }
            }
        }
        _ => {}
    }
}
