//! Log lines as JSON, one object a line.
//!
//! A line has its time, its level, its message, its fields and its target, and within a
//! request the request's name and its place in a trace. Durations are seconds.

use std::fmt::{self, Debug};
use std::time::SystemTime;

use opentelemetry::trace::TraceContextExt as _;
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber, dispatcher};
use tracing_opentelemetry::get_otel_context;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

/// Fields of the span of a request that all lines within it repeat.
const OF_REQUEST: [&str; 2] = ["request_id", "trace_id"];

/// A line of JSON, with its newline. No field may have the name of another part of it.
pub fn json_line(level: &str, message: &str, fields: Map<String, Value>, target: &str) -> String {
    let time = humantime::format_rfc3339_micros(SystemTime::now()).to_string();
    let mut line = Map::new();
    line.insert("timestamp".to_owned(), json!(time));
    line.insert("level".to_owned(), json!(level));
    line.insert("message".to_owned(), json!(message));
    line.extend(fields);
    line.insert("target".to_owned(), json!(target));
    Value::Object(line).to_string() + "\n"
}

/// Writes events, and the ends of spans that `spans` lets through.
pub(super) struct JsonLines {
    pub(super) spans: Targets,
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let (target, level) = (metadata.target(), metadata.level());
        // The end of a span comes as an event of that span.
        if metadata.is_span() && !self.spans.would_enable(target, level) {
            return Ok(());
        }
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        let Fields(mut fields) = fields;
        let message = match fields.remove("message") {
            Some(Value::String(message)) => message,
            _ => String::new(),
        };
        for (name, in_seconds) in [("time.busy", "busy_seconds"), ("time.idle", "idle_seconds")] {
            let time = fields.remove(name);
            if let Some(seconds) = time.and_then(|time| seconds(time.as_str()?)) {
                fields.insert(in_seconds.to_owned(), json!(seconds));
            }
        }
        let scope = context.event_scope().into_iter().flatten();
        for (depth, span) in scope.enumerate() {
            let of_span = fields_of::<S, N>(&span);
            if span.name() == "request" {
                for name in OF_REQUEST {
                    if let (Some(value), None) = (of_span.get(name), fields.get(name)) {
                        fields.insert(name.to_owned(), value.clone());
                    }
                }
            }
            if depth == 0 {
                add_trace(&span, &mut fields);
                let mut of_span = of_span;
                of_span.insert("name".to_owned(), json!(span.name()));
                fields.insert("span".to_owned(), Value::Object(of_span));
            }
        }
        writer.write_str(&json_line(level.as_str(), &message, fields, target))
    }
}

/// The fields of `span`, as they were written when it was opened.
fn fields_of<S, N>(span: &SpanRef<'_, S>) -> Map<String, Value>
where
    S: for<'span> LookupSpan<'span>,
    N: 'static,
{
    let extensions = span.extensions();
    let text = extensions.get::<FormattedFields<N>>();
    text.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// Adds the place of `span` in the trace that it is exported in.
fn add_trace<S>(span: &SpanRef<'_, S>, fields: &mut Map<String, Value>)
where
    S: for<'span> LookupSpan<'span>,
{
    let context = dispatcher::get_default(|dispatch| get_otel_context(&span.id(), dispatch));
    let Some(context) = context else { return };
    let span = context.span();
    let place = span.span_context();
    if place.is_valid() {
        fields.insert("trace_id".to_owned(), json!(place.trace_id().to_string()));
        fields.insert("span_id".to_owned(), json!(place.span_id().to_string()));
    }
}

/// A time as `tracing-subscriber` writes it, such as `12.3µs`, in seconds.
fn seconds(time: &str) -> Option<f64> {
    let units = [("ns", 1e9), ("µs", 1e6), ("ms", 1e3), ("s", 1.0)];
    units.into_iter().find_map(|(unit, in_a_second)| {
        let number: f64 = time.strip_suffix(unit)?.parse().ok()?;
        Some(number / in_a_second)
    })
}

/// The fields of an event.
struct Fields(Map<String, Value>);

impl Fields {
    fn insert(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, json!(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, json!(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.insert(field, json!(format!("{value:?}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers_of_seconds() {
        for (text, expected) in [
            ("0.00ns", Some(0.0)),
            ("250ns", Some(2.5e-7)),
            ("12.5µs", Some(1.25e-5)),
            ("1.50ms", Some(1.5e-3)),
            ("2.25s", Some(2.25)),
            ("soon", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }
}
