//! The W3C trace context: `traceparent` and `tracestate`, read by the rules of its
//! recommendation (levels 1 and 2).
//!
//! OpenTelemetry's own reader takes `traceparent` fields of wrong lengths, and looks at the
//! first of several `tracestate` fields alone.

use std::str::FromStr as _;

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// The length of a `traceparent` of version 00.
const PARENT_BYTES: usize = 55;
/// The most members of a `tracestate`.
const MEMBERS_MAX: usize = 32;
/// The length of a `tracestate` that is passed on whole.
const STATE_BYTES_MAX: usize = 512;
/// The members that a `tracestate` of more bytes loses first are longer.
const MEMBER_BYTES_MAX: usize = 128;

/// The parent that the fields name. Several `traceparent` fields name none, and a
/// `tracestate` that is malformed is empty.
pub(super) fn parent<'a>(
    mut parents: impl Iterator<Item = &'a str>,
    states: impl Iterator<Item = &'a str>,
) -> Option<SpanContext> {
    let (trace, span, flags) = read_parent(parents.next()?)?;
    if parents.next().is_some() {
        return None;
    }
    let state = read_state(states).unwrap_or_default();
    Some(SpanContext::new(trace, span, flags, true, state))
}

/// The fields of a span's context.
pub(super) fn fields(context: &SpanContext) -> [(&'static str, String); 2] {
    let flags = context.trace_flags() & TraceFlags::SAMPLED;
    let parent = format!(
        "00-{}-{}-{flags:02x}",
        context.trace_id(),
        context.span_id()
    );
    [
        ("traceparent", parent),
        ("tracestate", context.trace_state().header()),
    ]
}

fn read_parent(text: &str) -> Option<(TraceId, SpanId, TraceFlags)> {
    let text = text.trim_matches([' ', '\t']);
    let mut parts = text.splitn(5, '-');
    let mut hex = |digits: usize| {
        let part = parts.next()?;
        let fits = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (part.len() == digits && part.bytes().all(fits)).then_some(part)
    };
    let (version, trace, span, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
    // Later versions may go on after the flags.
    if version == "ff" || version == "00" && text.len() != PARENT_BYTES {
        return None;
    }
    let trace = TraceId::from_hex(trace).ok()?;
    let span = SpanId::from_hex(span).ok()?;
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    (trace != TraceId::INVALID && span != SpanId::INVALID).then_some((trace, span, flags))
}

/// Reads all lines as one list. `None` if a member is malformed or repeated, or if there
/// are too many.
fn read_state<'a>(lines: impl Iterator<Item = &'a str>) -> Option<TraceState> {
    let mut members: Vec<(&str, &str)> = Vec::new();
    for member in lines.flat_map(|line| line.split(',')) {
        let member = member.trim_matches([' ', '\t']);
        if member.is_empty() {
            continue;
        }
        let (key, value) = member.split_once('=')?;
        let is_repeated = members.iter().any(|(known, _)| *known == key);
        if members.len() == MEMBERS_MAX || is_repeated || !is_key(key) || !is_value(value) {
            return None;
        }
        members.push((key, value));
    }
    shorten(&mut members);
    let pairs: Vec<_> = members
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    TraceState::from_str(&pairs.join(",")).ok()
}

/// Drops members until the rest has [`STATE_BYTES_MAX`] at most: long ones first, and then
/// the last.
fn shorten(members: &mut Vec<(&str, &str)>) {
    let bytes = |(key, value): &(&str, &str)| key.len() + 1 + value.len();
    let all = |members: &[(&str, &str)]| {
        let commas = members.len().saturating_sub(1);
        commas + members.iter().map(bytes).sum::<usize>()
    };
    while all(members) > STATE_BYTES_MAX {
        let long = members
            .iter()
            .rposition(|member| bytes(member) > MEMBER_BYTES_MAX);
        members.remove(long.unwrap_or(members.len() - 1));
    }
}

/// Whether that is a key: up to 256 characters, or a tenant of up to 241 and a system of up
/// to 14.
fn is_key(text: &str) -> bool {
    let fits = |part: &str, most: usize, digit_first: bool| {
        let first = |byte: u8| byte.is_ascii_lowercase() || digit_first && byte.is_ascii_digit();
        let other = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/".contains(&byte)
        };
        part.len() <= most && part.bytes().next().is_some_and(first) && part.bytes().all(other)
    };
    match text.split_once('@') {
        Some((tenant, system)) => fits(tenant, 241, true) && fits(system, 14, false),
        // Level 2 also allows a digit first.
        None => fits(text, 256, true),
    }
}

/// Whether `text` is a value: up to 256 printable characters, of which the last is not a space.
fn is_value(text: &str) -> bool {
    let fits = |byte| matches!(byte, b' '..=b'~') && byte != b',' && byte != b'=';
    (1..=256).contains(&text.len()) && text.bytes().all(fits) && !text.ends_with(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn read(parents: &[&str], states: &[&str]) -> Option<(String, String)> {
        let context = parent(parents.iter().copied(), states.iter().copied())?;
        let [(_, parent), (_, state)] = fields(&context);
        Some((parent, state))
    }

    #[test]
    fn exactly_one_parent_is_accepted() {
        assert_eq!(
            read(&[PARENT], &[]),
            Some((PARENT.to_owned(), String::new()))
        );
        assert_eq!(read(&[], &["a=1"]), None);
        assert_eq!(read(&[PARENT, PARENT], &[]), None);
        // Unknown bits are cleared, and fields of later versions are dropped.
        let later = PARENT
            .replacen("00", "cc", 1)
            .replace("-01", "-ff-what-else");
        assert_eq!(read(&[&later], &[]).expect("a parent").0, PARENT);
    }

    #[test]
    fn a_malformed_parent_is_ignored() {
        for wrong in [
            "",
            "00",
            &PARENT[..54],
            &format!("{PARENT}-"),
            &format!("{PARENT}.what"),
            &PARENT.to_uppercase(),
            &PARENT.replacen("00", "ff", 1),
            &PARENT.replacen("00", "+0", 1),
            &PARENT.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            &PARENT.replace("b7ad6b7169203331", &"0".repeat(16)),
            &PARENT.replace("-01", "-0+"),
            &PARENT.replace("af", "é"),
        ] {
            assert_eq!(read(&[wrong], &[]), None, "{wrong}");
        }
    }

    fn state(states: &[&str]) -> String {
        read(&[PARENT], states).expect("a parent").1
    }

    #[test]
    fn several_state_fields_are_one_list() {
        assert_eq!(
            state(&["a=1,b=2", " c=3 ,,\t", "", "d@e=x y"]),
            "a=1,b=2,c=3,d@e=x y"
        );
        for wrong in [
            "a", "A=1", "a=1,a=2", "a=", "a=b=c", "@b=1", "a@=1", "a=\u{7f}",
        ] {
            assert_eq!(state(&["b=2", wrong]), "", "{wrong}");
        }
        let many = |count: usize| {
            let members: Vec<_> = (0..count).map(|member| format!("m{member}=1")).collect();
            members.join(",")
        };
        assert_eq!(state(&[&many(32)]), many(32));
        assert_eq!(state(&[&many(33)]), "");
    }

    #[test]
    fn a_long_state_loses_its_long_members_and_then_its_last() {
        let short = format!("a={}", "x".repeat(120));
        let long = format!("b={}", "y".repeat(200));
        let member = |key: &str| short.replacen('a', key, 1);
        let all = [&short, &long, &member("c"), &member("d"), &member("e")];
        let list = all.map(String::as_str).join(",");
        let expected = [short.clone(), member("c"), member("d"), member("e")].join(",");
        assert_eq!(state(&[&list]), expected);
        let list = [expected.as_str(), &member("f")].join(",");
        assert_eq!(state(&[&list]), expected);
    }
}
