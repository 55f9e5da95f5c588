//! The parts that the spans of all layers have in common.
//!
//! Spans are at the debug level and have the target `cocoon`. A span that is neither
//! exported nor logged costs the reading of one flag, since every job opens some. The
//! attributes of this program begin with `cocoon.`; `error.type` and the status are
//! OpenTelemetry's.
//!
//! One request is one trace, and so is one command: tasks are spawned by [`spawn`] and
//! `spawn_on`, in the span of the code that spawns them.

use std::fmt::Display;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tracing::field::display;
use tracing::{Instrument as _, Span};

use crate::error::RunError;

/// The `error.type` of work that was dropped before it ended, such as the request of a client that
/// disconnects.
const CANCELLED: &str = "cancelled";

/// Spawns a task that runs in the current span.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that adds the span"
)]
pub fn spawn<R: Send + 'static>(work: impl Future<Output = R> + Send + 'static) -> JoinHandle<R> {
    tokio::spawn(work.in_current_span())
}

/// Spawns a task on another runtime, where it runs in the current span of this thread.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that adds the span"
)]
pub fn spawn_on<R: Send + 'static>(
    runtime: &Handle,
    work: impl Future<Output = R> + Send + 'static,
) -> JoinHandle<R> {
    runtime.spawn(work.in_current_span())
}

/// Records the error of a span's work in the fields `error.type` and `otel.status_description`.
pub(crate) fn record_failure(span: &Span, error: &RunError) {
    record(span, error.name(), error);
}

/// Records an error in a span with the fields `error.type` and `otel.status_description`.
pub fn record(span: &Span, kind: &str, error: impl Display) {
    if !span.is_disabled() {
        span.record("error.type", kind);
        // This also sets the status to an error.
        span.record("otel.status_description", display(error));
    }
}

/// Work that has a span and may be dropped before it ends. If it is, the span reports it.
///
/// The span has the fields `error.type` and `otel.status_description`.
#[must_use]
#[derive(Debug)]
pub struct SpanGuard {
    span: Span,
    why: &'static str,
}

impl SpanGuard {
    /// Work in `span`. The status is `why` if the work is dropped.
    pub fn new(span: Span, why: &'static str) -> Self {
        Self { span, why }
    }

    /// The span of the work.
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// Ends the work, whatever its result.
    pub fn end(mut self) -> Span {
        std::mem::replace(&mut self.span, Span::none())
    }
}

impl Drop for SpanGuard {
    fn drop(&mut self) {
        record(&self.span, CANCELLED, self.why);
    }
}
