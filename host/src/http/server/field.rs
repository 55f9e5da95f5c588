//! The grammar of header fields (RFC 9110, section 5.6): lists, tokens, quoted
//! strings, parameters, weights and entity tags.
//!
//! One parser reads every field. Crates for media types know neither codings nor
//! entity tags, and refuse some valid values, such as an empty parameter.

use std::borrow::Cow;

use axum::http::{HeaderMap, HeaderName};

/// The weight of a member that names none, in thousandths.
pub(crate) const WEIGHT_MAX: u16 = 1000;

/// A member of a list, or the one value of a field that is not a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item<'a> {
    /// A media range, a media type or a coding.
    pub(crate) value: &'a [u8],
    /// Names and unquoted values.
    pub(crate) parameters: Vec<(&'a [u8], Cow<'a, [u8]>)>,
    /// The weight in thousandths.
    pub(crate) weight: u16,
}

/// The valid members of all lines of a field, each with its weight.
pub(crate) fn weighted<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = Item<'a>> {
    headers
        .get_all(name)
        .iter()
        .flat_map(|line| split(line.as_bytes(), b','))
        .filter_map(Item::weighted)
}

impl<'a> Item<'a> {
    /// Reads `value;name=value;q=0.5`. `None` where that is not valid.
    fn weighted(text: &'a [u8]) -> Option<Self> {
        let mut item = Self::read(text)?;
        let is_weight = |(name, _): &(&[u8], _)| name.eq_ignore_ascii_case(b"q");
        if let Some(at) = item.parameters.iter().position(is_weight) {
            // A weight is not quoted.
            let Cow::Borrowed(weight) = item.parameters[at].1 else {
                return None;
            };
            item.weight = thousandths(weight)?;
            // Extensions of a weight mean nothing any more.
            item.parameters.truncate(at);
        }
        Some(item)
    }

    /// Reads `value;name=value`. `None` where that is not valid.
    pub(crate) fn read(text: &'a [u8]) -> Option<Self> {
        let mut parts = split(text, b';');
        let value = parts.next()?;
        let mut parameters = Vec::new();
        for part in parts.filter(|part| !part.is_empty()) {
            parameters.push(parameter(part)?);
        }
        let is_valid = value.split(|&byte| byte == b'/').all(is_token);
        is_valid.then_some(Self {
            value,
            parameters,
            weight: WEIGHT_MAX,
        })
    }

    /// The type and subtype of a media type or range.
    pub(crate) fn media(&self) -> Option<(&'a [u8], &'a [u8])> {
        let at = self.value.iter().position(|&byte| byte == b'/')?;
        let (kind, subkind) = (&self.value[..at], &self.value[at + 1..]);
        (!subkind.contains(&b'/')).then_some((kind, subkind))
    }
}

/// The parts between separators that are not in a quoted string, without the
/// whitespace around them.
pub(crate) fn split(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let parts = text.split(move |&byte| {
        if std::mem::take(&mut is_escaped) {
            return false;
        }
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\\' => is_escaped = is_quoted,
            _ => return byte == separator && !is_quoted,
        }
        false
    });
    parts.map(<[u8]>::trim_ascii)
}

fn parameter(text: &[u8]) -> Option<(&[u8], Cow<'_, [u8]>)> {
    let at = text.iter().position(|&byte| byte == b'=')?;
    let (name, value) = (&text[..at], &text[at + 1..]);
    let value = if is_token(value) {
        value.into()
    } else {
        unquoted(value)?.into()
    };
    is_token(name).then_some((name, value))
}

fn is_token(text: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(fits)
}

fn unquoted(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = text.strip_prefix(b"\"")?.strip_suffix(b"\"")?.iter();
    let mut plain = Vec::new();
    while let Some(&byte) = bytes.next() {
        plain.push(match byte {
            b'"' => return None,
            b'\\' => *bytes.next()?,
            byte => byte,
        });
    }
    Some(plain)
}

/// Reads a weight, which has three decimals at most.
fn thousandths(text: &[u8]) -> Option<u16> {
    let (whole, decimals) = match text {
        [whole] => (whole, &[][..]),
        [whole, b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return None,
    };
    if !decimals.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = decimals.iter().chain([&b'0'; 3]).take(3);
    let part = digits.fold(0, |part, digit| part * 10 + u16::from(digit - b'0'));
    match (whole, part) {
        (b'0', part) => Some(part),
        (b'1', 0) => Some(WEIGHT_MAX),
        _ => None,
    }
}

/// The opaque tags of a list of entity tags, with their quotes and without `W/`. Quotes in a tag
/// cannot be escaped, and invalid tags are skipped.
pub(crate) fn entity_tags(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = line;
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_ascii_start();
            if rest.is_empty() {
                return None;
            }
            let opaque = rest.strip_prefix(b"W/").unwrap_or(rest);
            let end = opaque.strip_prefix(b"\"").and_then(|inner| {
                let end = inner.iter().position(|&byte| byte == b'"')?;
                Some(end + 2)
            });
            let (tag, after) = opaque.split_at(end.unwrap_or(0));
            let comma = after.iter().position(|&byte| byte == b',');
            let (between, next) = after.split_at(comma.unwrap_or(after.len()));
            rest = next.get(1..).unwrap_or_default();
            if !tag.is_empty() && between.trim_ascii().is_empty() {
                return Some(tag);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use axum::http::header::ACCEPT;

    use super::*;

    fn read(lines: &[&[u8]]) -> Vec<(String, u16)> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(ACCEPT, HeaderValue::from_bytes(line).expect("a value"));
        }
        let members = weighted(&headers, &ACCEPT);
        members
            .map(|item| {
                let mut text = String::from_utf8_lossy(item.value).into_owned();
                for (name, value) in item.parameters {
                    let (name, value) = (
                        String::from_utf8_lossy(name),
                        String::from_utf8_lossy(&value),
                    );
                    text = [&text, " ", &name, "=", &value].concat();
                }
                (text, item.weight)
            })
            .collect()
    }

    #[test]
    fn lists_are_split_at_commas_outside_of_quoted_strings() {
        for (lines, expected) in [
            (&[&b"a/b"[..]][..], &[("a/b", 1000)][..]),
            (
                &[b"a, b;q=0.5", b"c"],
                &[("a", 1000), ("b", 500), ("c", 1000)],
            ),
            (&[b" , a ,,\tb\t, "], &[("a", 1000), ("b", 1000)]),
            (
                &[b"a/b;x=\",c;q=0\", d"],
                &[("a/b x=,c;q=0", 1000), ("d", 1000)],
            ),
            (&[b"a;x=\"\\\",b\""], &[("a x=\",b", 1000)]),
            (&[b"a;x=\"\xff\",b"], &[("a x=\u{fffd}", 1000), ("b", 1000)]),
            (&[b"a;x=\"\""], &[("a x=", 1000)]),
            (&[b"a;;b=c;"], &[("a b=c", 1000)]),
            (&[b"a ; q=0.25 ; x=y"], &[("a", 250)]),
            (&[b"a;Q=1.000"], &[("a", 1000)]),
            (&[b"a;q=0.001, b;q=0."], &[("a", 1), ("b", 0)]),
            // Members that are not valid do no harm to others.
            (
                &[b"a;q=1.001, a;q=2, a;q=.5, a;q=0.1234, a;q=\"1\", a;q=, a;q, b"],
                &[("b", 1000)],
            ),
            (&[b"a b, a;x =y, a;x= y, a//b, /b, a/, b"], &[("b", 1000)]),
            (&[b"a;x=\"unended, b"], &[]),
            (&[b"a;x=\"y\\\", b"], &[]),
            (&[b"a;x=\"y\"z, b"], &[("b", 1000)]),
            (&[b"\xc3\xa9, b"], &[("b", 1000)]),
            (&[b""], &[]),
        ] {
            let found = read(lines);
            let found: Vec<_> = found.iter().map(|(text, q)| (text.as_str(), *q)).collect();
            assert_eq!(found, expected, "{lines:?}");
        }
    }

    #[test]
    fn entity_tags_are_whatever_is_between_two_quotes() {
        for (line, expected) in [
            (&b"\"a\""[..], &[&b"\"a\""[..]][..]),
            (b"W/\"a\", \"b\"", &[b"\"a\"", b"\"b\""]),
            (b"\"a,b\" ,\"\"", &[b"\"a,b\"", b"\"\""]),
            (b"\"a\\\", \"b\"", &[b"\"a\\\"", b"\"b\""]),
            (b"\"\xff\",,\"b\"", &[b"\"\xff\"", b"\"b\""]),
            (b"a, \"b\"", &[b"\"b\""]),
            (b"w/\"a\", \"b\"", &[b"\"b\""]),
            (b"\"a\"x, \"b\"", &[b"\"b\""]),
            (b"\"a", &[]),
            (b"*", &[]),
            (b"", &[]),
        ] {
            let found: Vec<_> = entity_tags(line).collect();
            assert_eq!(found, expected, "{}", String::from_utf8_lossy(line));
        }
    }
}
