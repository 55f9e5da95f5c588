//! Log lines as JSON, one object a line.
//!
//! A line has its time, its level, its message, its fields and its target, and within a
//! request the request's name and its place in a trace. Durations are seconds.

use std::fmt::{self, Debug};
use std::time::SystemTime;

use opentelemetry::trace::TraceContextExt as _;
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber, dispatcher};
use tracing_opentelemetry::get_otel_context;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::{LookupSpan, Registry, SpanRef};

/// A line of JSON, with its newline. A field with the name of another part of it is left out.
pub fn json_line(level: &str, message: &str, fields: Map<String, Value>, target: &str) -> String {
    let time = humantime::format_rfc3339_micros(SystemTime::now()).to_string();
    let mut line = fields;
    line.insert("timestamp".to_owned(), json!(time));
    line.insert("level".to_owned(), json!(level));
    line.insert("message".to_owned(), json!(message));
    line.insert("target".to_owned(), json!(target));
    Value::Object(line).to_string() + "\n"
}

/// Keeps the names of requests, which are fields of their spans, for the lines within them.
/// All other fields of these spans are left alone: to format them cost half of the
/// throughput.
pub(super) struct RequestNames;

/// The names of a request, in the extensions of its span.
#[derive(Default)]
struct Names(Map<String, Value>);

impl Visit for Names {
    fn record_str(&mut self, field: &Field, value: &str) {
        if let name @ ("request_id" | "trace_id") = field.name() {
            self.0.insert(name.to_owned(), json!(value));
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

impl<S> Layer<S> for RequestNames
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut names = Names::default();
        attributes.record(&mut names);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(names);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(names) = span.extensions_mut().get_mut::<Names>()
        {
            values.record(names);
        }
    }
}

/// Writes events, and the ends of spans.
pub(super) struct JsonLines;

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
        let scope = context.event_scope();
        if let Some(span) = scope.and_then(|mut scope| scope.next()) {
            let mut of_span = fields_of::<S, N>(&span);
            of_span.insert("name".to_owned(), json!(span.name()));
            fields.insert("span".to_owned(), Value::Object(of_span));
        }
        add_place(event, &mut fields);
        writer.write_str(&json_line(level.as_str(), &message, fields, target))
    }
}

/// Adds the names of the request that an event is a part of, and its place in the trace that
/// is exported. The spans are those of the registry, whatever the filter of the log is.
fn add_place(event: &Event<'_>, fields: &mut Map<String, Value>) {
    dispatcher::get_default(|dispatch| {
        let current = dispatch.current_span();
        let span = match event.parent() {
            None if event.is_contextual() => current.id(),
            parent => parent,
        };
        let (Some(id), Some(registry)) = (span, dispatch.downcast_ref::<Registry>()) else {
            return;
        };
        let scope = registry.span(id).into_iter();
        for span in scope.flat_map(|span| span.scope()) {
            if let Some(Names(names)) = span.extensions().get() {
                for (name, value) in names {
                    fields.entry(name).or_insert_with(|| value.clone());
                }
            }
        }
        let Some(context) = get_otel_context(id, dispatch) else {
            return;
        };
        let span = context.span();
        let place = span.span_context();
        if place.is_valid() {
            fields.insert("trace_id".to_owned(), json!(place.trace_id().to_string()));
            fields.insert("span_id".to_owned(), json!(place.span_id().to_string()));
        }
    });
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
