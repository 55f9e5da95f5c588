//! The trace of a request or a command, as callers send it in header fields or variables, and as
//! this program sends it on.

use std::sync::OnceLock;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Context, TraceId};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::b3::{self, Caller};
use super::w3c;

/// A way to name a trace (`OTEL_PROPAGATORS`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Propagator {
    /// `traceparent` and `tracestate`.
    TraceContext,
    /// `b3`.
    B3,
    /// `X-B3-TraceId` and others.
    B3Multi,
}

/// The ways in force, where they are not the usual one.
static PROPAGATORS: OnceLock<Vec<Propagator>> = OnceLock::new();

/// Names traces in these ways from now on. Of several parents, the last in this order
/// counts.
pub(super) fn propagate_by(propagators: Vec<Propagator>) {
    // Telemetry is started once.
    let _ = PROPAGATORS.set(propagators);
}

fn propagators() -> &'static [Propagator] {
    PROPAGATORS
        .get()
        .map_or(&[Propagator::TraceContext], Vec::as_slice)
}

/// The mark of a trace whose caller leaves it to this program if it is sampled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Undecided;

/// The header fields that name the trace of `span`; none if it is not exported.
#[cfg(feature = "queue")]
pub fn trace_fields(span: &Span) -> Vec<(String, String)> {
    let mut headers = HeaderMap::new();
    tell_trace(span, &mut headers);
    let text = |(name, value): (&HeaderName, &HeaderValue)| {
        Some((name.to_string(), value.to_str().ok()?.to_owned()))
    };
    headers.iter().filter_map(text).collect()
}

/// Makes `span` a part of the trace that [`trace_fields`] returned. It must not have been entered
/// yet.
#[cfg(feature = "queue")]
pub fn continue_fields(span: &Span, fields: &[(String, String)]) {
    continue_from(span, |name| {
        let named = fields.iter().filter(|(key, _)| key == name);
        named.map(|(_, value)| value.as_str()).collect()
    });
}

/// Makes `span` a part of the trace that `headers` name, if they name one. It must not have
/// been entered yet.
pub(crate) fn continue_trace(span: &Span, headers: &HeaderMap) {
    continue_from(span, |name| lines_of(headers, name));
}

fn lines_of<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    let lines = headers.get_all(name).iter();
    lines
        .map(|line| line.to_str().unwrap_or_default())
        .collect()
}

/// The trace that `headers` name.
pub(crate) fn named_trace(headers: &HeaderMap) -> Option<TraceId> {
    let parent = parent(|name| lines_of(headers, name))?;
    let parent = parent.span();
    let named = parent.span_context();
    named.is_valid().then(|| named.trace_id())
}

/// The trace that `span` is exported in.
pub(crate) fn exported_trace(span: &Span) -> Option<TraceId> {
    let context = span.context();
    let span = context.span();
    let exported = span.span_context();
    (exported.is_valid() && exported.is_sampled()).then(|| exported.trace_id())
}

/// Makes `span` a part of the trace that the environment names, if it names one:
/// `TRACEPARENT` and `TRACESTATE`, `B3`, or `X_B3_TRACEID` and others. It must not have
/// been entered yet.
pub fn continue_command(span: &Span) {
    if span.is_disabled() {
        return;
    }
    let variables: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    continue_from(span, |name| {
        let name = name.to_ascii_uppercase().replace('-', "_");
        let named = variables.iter().filter(|(key, _)| *key == name);
        named.map(|(_, value)| value.as_str()).collect()
    });
}

/// Makes `span` a part of the trace that `fields` name.
fn continue_from<'a>(span: &Span, fields: impl Fn(&str) -> Vec<&'a str>) {
    if let Some(parent) = parent(fields) {
        // Without an exporter, it is a part of no trace.
        let _ = span.set_parent(parent);
    }
}

/// The parent that `fields`, all values of a field by its name in lower case, name.
fn parent<'a>(fields: impl Fn(&str) -> Vec<&'a str>) -> Option<Context> {
    let one = |name: &str| match fields(name)[..] {
        [value] => Some(value),
        // Of several parents, none is the right one.
        _ => None,
    };
    let mut parent = None;
    for propagator in propagators() {
        let found = match propagator {
            Propagator::TraceContext => {
                let parents = fields("traceparent").into_iter();
                let context = w3c::parent(parents, fields("tracestate").into_iter());
                context.map(|context| Context::new().with_remote_span_context(context))
            }
            Propagator::B3 => one(b3::SINGLE).and_then(b3::read_single).map(of_caller),
            Propagator::B3Multi => b3::read_multi(one).map(of_caller),
        };
        parent = found.or(parent);
    }
    parent
}

fn of_caller(caller: Caller) -> Context {
    match caller {
        Caller::Parent { context, undecided } => {
            let parent = Context::new().with_remote_span_context(context);
            if undecided {
                parent.with_value(Undecided)
            } else {
                parent
            }
        }
        Caller::Unsampled => Context::new().with_telemetry_suppressed(),
    }
}

/// Writes to `headers` which trace `span` is a part of, if it is exported.
pub(crate) fn tell_trace(span: &Span, headers: &mut HeaderMap) {
    let context = span.context();
    let context = context.span();
    let context = context.span_context();
    if !context.is_valid() {
        return;
    }
    let mut tell = |fields: &[(&'static str, String)]| {
        for (name, value) in fields {
            // A trace without a state has an empty one.
            if let (false, Ok(value)) = (value.is_empty(), HeaderValue::try_from(value)) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    };
    for propagator in propagators() {
        match propagator {
            Propagator::TraceContext => tell(&w3c::fields(context)),
            Propagator::B3 => tell(&b3::single(context)),
            Propagator::B3Multi => tell(&b3::multi(context)),
        }
    }
}

/// Keeps `span` and all spans below it out of the export. It must not have been entered
/// yet.
pub fn leave_out(span: &Span) {
    // Without an exporter, it is left out.
    let _ = span.set_parent(Context::new().with_telemetry_suppressed());
}

/// Whether `span` is exported when it ends.
pub fn is_exported(span: &Span) -> bool {
    span.context().span().span_context().is_sampled()
}
