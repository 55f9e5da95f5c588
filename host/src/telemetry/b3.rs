//! Zipkin's B3 propagation, in one header and in several.

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// The one header.
pub(super) const SINGLE: &str = "b3";
const TRACE: &str = "x-b3-traceid";
const SPAN: &str = "x-b3-spanid";
const SAMPLED: &str = "x-b3-sampled";
const FLAGS: &str = "x-b3-flags";

/// The trace of a caller, or its decision against one.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Caller {
    /// The parent.
    Parent {
        /// Its context.
        context: SpanContext,
        /// Whether the caller leaves it to the callee if the trace is sampled.
        undecided: bool,
    },
    /// There is no parent, and the request must not be sampled.
    Unsampled,
}

/// Reads `b3`: a trace, a span, and perhaps a decision and the span's parent.
pub(super) fn read_single(text: &str) -> Option<Caller> {
    let text = text.trim_matches([' ', '\t']);
    if text == "0" {
        return Some(Caller::Unsampled);
    }
    let mut parts = text.split('-');
    let (trace, span) = (parts.next()?, parts.next()?);
    let decision = match parts.next() {
        None => None,
        Some("1" | "d") => Some(true),
        Some("0") => Some(false),
        Some(_) => return None,
    };
    let is_parent_fine = parts.next().is_none_or(|parent| hex(parent, &[16]));
    if !is_parent_fine || parts.next().is_some() {
        return None;
    }
    caller(trace, span, decision)
}

/// Reads the several headers. `field` is one by its name.
pub(super) fn read_multi<'a>(field: impl Fn(&str) -> Option<&'a str>) -> Option<Caller> {
    let field = |name: &str| field(name).map(|value| value.trim_matches([' ', '\t']));
    let decision = match (field(FLAGS), field(SAMPLED)) {
        (Some("1"), _) | (_, Some("1")) => Some(true),
        (_, None) => None,
        (_, Some("0")) => Some(false),
        // Old clients.
        (_, Some(text)) if text.eq_ignore_ascii_case("true") => Some(true),
        (_, Some(text)) if text.eq_ignore_ascii_case("false") => Some(false),
        (_, Some(_)) => return None,
    };
    match (field(TRACE), field(SPAN)) {
        (Some(trace), Some(span)) => caller(trace, span, decision),
        (None, None) if decision == Some(false) => Some(Caller::Unsampled),
        _ => None,
    }
}

/// The one header of a span's context.
pub(super) fn single(context: &SpanContext) -> [(&'static str, String); 1] {
    let value = format!(
        "{}-{}-{}",
        context.trace_id(),
        context.span_id(),
        u8::from(context.is_sampled())
    );
    [(SINGLE, value)]
}

/// The several headers of a span's context.
pub(super) fn multi(context: &SpanContext) -> [(&'static str, String); 3] {
    [
        (TRACE, context.trace_id().to_string()),
        (SPAN, context.span_id().to_string()),
        (SAMPLED, u8::from(context.is_sampled()).to_string()),
    ]
}

fn caller(trace: &str, span: &str, decision: Option<bool>) -> Option<Caller> {
    if !hex(trace, &[16, 32]) || !hex(span, &[16]) {
        return None;
    }
    let trace = TraceId::from_hex(trace).ok()?;
    let span = SpanId::from_hex(span).ok()?;
    let flags = TraceFlags::default().with_sampled(decision.unwrap_or(true));
    let context = SpanContext::new(trace, span, flags, true, TraceState::default());
    context.is_valid().then_some(Caller::Parent {
        context,
        undecided: decision.is_none(),
    })
}

fn hex(text: &str, lengths: &[usize]) -> bool {
    lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN_ID: &str = "b7ad6b7169203331";

    /// The trace, whether it is sampled, and whether that is undecided.
    fn summary(caller: Option<Caller>) -> Option<(String, bool, bool)> {
        match caller? {
            Caller::Parent { context, undecided } => {
                assert_eq!(context.span_id().to_string(), SPAN_ID);
                let trace = context.trace_id().to_string();
                Some((trace, context.is_sampled(), undecided))
            }
            Caller::Unsampled => Some((String::new(), false, false)),
        }
    }

    #[test]
    fn the_single_header_is_parsed() {
        let trace = |sampled, undecided| Some((TRACE_ID.to_owned(), sampled, undecided));
        for (text, expected) in [
            (format!("{TRACE_ID}-{SPAN_ID}-1"), trace(true, false)),
            (format!("{TRACE_ID}-{SPAN_ID}-d"), trace(true, false)),
            (format!("{TRACE_ID}-{SPAN_ID}-0"), trace(false, false)),
            (format!("{TRACE_ID}-{SPAN_ID}"), trace(true, true)),
            (
                format!("{TRACE_ID}-{SPAN_ID}-1-{SPAN_ID}"),
                trace(true, false),
            ),
            (
                format!("{}-{SPAN_ID}-1", &TRACE_ID[16..]),
                Some((format!("{:0>32}", &TRACE_ID[16..]), true, false)),
            ),
            ("0".to_owned(), Some((String::new(), false, false))),
            ("1".to_owned(), None),
            (format!("{TRACE_ID}-{SPAN_ID}-2"), None),
            (format!("{TRACE_ID}-{SPAN_ID}-1-x"), None),
            (format!("{TRACE_ID}-{}-1", "0".repeat(16)), None),
            (String::new(), None),
        ] {
            assert_eq!(summary(read_single(&text)), expected, "{text}");
        }
    }

    #[test]
    fn several_headers_have_a_part_each() {
        let read = |fields: &[(&str, &'static str)]| {
            summary(read_multi(|name| {
                let found = fields.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| *value)
            }))
        };
        let ids = [(TRACE, TRACE_ID), (SPAN, SPAN_ID)];
        let with = |more: &[(&'static str, &'static str)]| read(&[&ids[..], more].concat());
        let trace = |sampled, undecided| Some((TRACE_ID.to_owned(), sampled, undecided));
        assert_eq!(with(&[]), trace(true, true));
        assert_eq!(with(&[(SAMPLED, "1")]), trace(true, false));
        assert_eq!(with(&[(SAMPLED, "False")]), trace(false, false));
        assert_eq!(with(&[(SAMPLED, "0"), (FLAGS, "1")]), trace(true, false));
        assert_eq!(with(&[(SAMPLED, "x")]), None);
        assert_eq!(read(&[(SAMPLED, "0")]), Some((String::new(), false, false)));
        assert_eq!(read(&[(SAMPLED, "1")]), None);
        assert_eq!(read(&ids[..1]), None);
    }
}
