//! The W3C trace context: the trace that a request is a part of, as it is told
//! from program to program in `traceparent` and `tracestate`.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Context, TraceId};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

const TRACEPARENT: &str = "traceparent";

/// The trace that `span` is exported in.
pub(crate) fn exported_trace(span: &Span) -> Option<TraceId> {
    let context = span.context();
    let span = context.span();
    let named = span.span_context();
    (named.is_valid() && named.is_sampled()).then(|| named.trace_id())
}

/// The trace that `headers` name.
pub(crate) fn named_trace(headers: &HeaderMap) -> Option<TraceId> {
    let context = parent(headers)?;
    Some(context.span().span_context().trace_id())
}

/// Makes `span` a part of the trace that `headers` name, if they name one. It
/// must not have been entered yet.
pub(crate) fn continue_trace(span: &Span, headers: &HeaderMap) {
    if let Some(parent) = parent(headers) {
        // Nobody may export it: then it is a part of no trace.
        let _ = span.set_parent(parent);
    }
}

/// What `headers` name. Of several parents, none is the right one.
fn parent(headers: &HeaderMap) -> Option<Context> {
    if headers.get_all(TRACEPARENT).iter().count() != 1 {
        return None;
    }
    let parent =
        TraceContextPropagator::new().extract_with_context(&Context::new(), &Incoming(headers));
    parent.has_active_span().then_some(parent)
}

/// Tells in `headers` which trace `span` is a part of, if it is exported.
pub(crate) fn tell_trace(span: &Span, headers: &mut HeaderMap) {
    TraceContextPropagator::new().inject_context(&span.context(), &mut Outgoing(headers));
}

struct Incoming<'a>(&'a HeaderMap);

impl Extractor for Incoming<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct Outgoing<'a>(&'a mut HeaderMap);

impl Injector for Outgoing<'_> {
    fn set(&mut self, key: &str, value: String) {
        // A trace without a state has an empty one.
        if value.is_empty() {
            return;
        }
        if let (Ok(name), Ok(value)) = (key.parse::<HeaderName>(), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}
