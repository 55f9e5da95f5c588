//! The sizes of spans and batches, from OpenTelemetry's variables.

use std::time::Duration;

use super::variables::Variables;
use crate::limits::{
    EXPORT_GIVE_UP, SPAN_PARTS_MAX, SPAN_VALUE_CHARS, SPANS_BATCH, SPANS_DELAY, SPANS_QUEUED_MAX,
};

/// The bounds of one span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) attributes: u32,
    pub(super) events: u32,
    pub(super) links: u32,
    pub(super) attributes_of_event: u32,
    pub(super) attributes_of_link: u32,
    /// The characters of an attribute's value.
    pub(super) value_chars: usize,
}

/// The bounds of batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Batches {
    /// The most spans that wait.
    pub(super) queued: usize,
    /// The most spans of a batch.
    pub(super) spans: usize,
    /// The wait of a span for a batch.
    pub(super) delay: Duration,
    /// The time in which a batch is retried.
    pub(super) give_up: Duration,
}

pub(super) fn sizes(from: &mut Variables) -> Sizes {
    let value_chars = from.parse(
        &[
            "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
            "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        ],
        "an integer from 0",
        |text| text.parse().ok(),
    );
    let mut count = |names: &[&'static str]| {
        let count = from.parse(names, "an integer from 0", |text| text.parse::<u32>().ok());
        count.map_or(SPAN_PARTS_MAX, |count| count.min(SPAN_PARTS_MAX))
    };
    let attributes = count(&[
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
        "OTEL_ATTRIBUTE_COUNT_LIMIT",
    ]);
    Sizes {
        attributes,
        value_chars: value_chars.unwrap_or(SPAN_VALUE_CHARS),
        events: count(&["OTEL_SPAN_EVENT_COUNT_LIMIT"]),
        links: count(&["OTEL_SPAN_LINK_COUNT_LIMIT"]),
        attributes_of_event: count(&["OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT"]),
        attributes_of_link: count(&["OTEL_LINK_ATTRIBUTE_COUNT_LIMIT"]),
    }
}

pub(super) fn batches(from: &mut Variables, usual: usize) -> Batches {
    let queued = from.parse(
        &["OTEL_BSP_MAX_QUEUE_SIZE"],
        &format!("an integer from 1 to {SPANS_QUEUED_MAX}"),
        |text| within(text, SPANS_QUEUED_MAX),
    );
    let queued = queued.unwrap_or(usual);
    let spans = from.parse(
        &["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"],
        &format!("an integer from 1 to {queued}, the size of the queue"),
        |text| within(text, queued),
    );
    Batches {
        queued,
        spans: spans.unwrap_or(SPANS_BATCH).min(queued),
        delay: from
            .milliseconds(&["OTEL_BSP_SCHEDULE_DELAY"])
            .unwrap_or(SPANS_DELAY),
        give_up: from
            .milliseconds(&["OTEL_BSP_EXPORT_TIMEOUT"])
            .unwrap_or(EXPORT_GIVE_UP),
    }
}

fn within(text: &str, most: usize) -> Option<usize> {
    text.parse().ok().filter(|it| (1..=most).contains(it))
}
