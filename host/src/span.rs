//! What the spans of all layers have in common.
//!
//! They are at the debug level and have the target `cocoon`. A span that nobody
//! wants costs the reading of one flag, so that they stand in the way of every
//! job; what is not needed to open one is only computed for who wants it. The
//! attributes that are ours begin with `cocoon.`; `error.type` and the status
//! are OpenTelemetry's.

use tracing::Span;
use tracing::field::display;

use crate::error::RunError;

/// Says in a span with the fields `error.type` and `otel.status_description` what
/// it stands for failed with.
pub(crate) fn failed(span: &Span, error: &RunError) {
    if !span.is_disabled() {
        span.record("error.type", error.name());
        // This makes the status that of an error as well.
        span.record("otel.status_description", display(error));
    }
}
