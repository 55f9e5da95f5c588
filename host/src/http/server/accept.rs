//! Negotiation of the media type by `Accept`.

use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, StatusCode};

use super::Problem;
use super::field::{Item, weighted};

/// The media type of `offered` with the greatest weight in the client's `Accept` (RFC 9110,
/// section 12.5.1). Of equal ones, the first.
///
/// # Errors
///
/// 406 if the client accepts none of them.
pub(crate) fn negotiate<T: Copy>(headers: &HeaderMap, offered: &[(&str, T)]) -> Result<T, Problem> {
    let ranges: Option<Vec<Item<'_>>> = headers
        .contains_key(ACCEPT)
        .then(|| weighted(headers, &ACCEPT).collect());
    let mut best = None;
    for &(name, what) in offered {
        let weight = ranges.as_ref().map_or(1, |ranges| weight(name, ranges));
        if weight > best.map_or(0, |(weight, _)| weight) {
            best = Some((weight, what));
        }
    }
    best.map(|(_, what)| what).ok_or_else(|| {
        let names: Vec<_> = offered.iter().map(|(name, _)| *name).collect();
        let names = names.join(" or ");
        let detail =
            format!("expected an Accept header that allows {names}, got one that does not");
        Problem::plain(StatusCode::NOT_ACCEPTABLE, detail)
    })
}

/// The weight of the media type `name`: that of the most specific range that matches. No
/// offered type has parameters other than a charset, so a range with others decides only where
/// no range without them matches.
fn weight(name: &str, ranges: &[Item<'_>]) -> u16 {
    let (kind, subkind) = name.split_once('/').unwrap_or((name, ""));
    let fits = |range: &Item<'_>| {
        let (own_kind, own_subkind) = range.media()?;
        let is_kind = own_kind.eq_ignore_ascii_case(kind.as_bytes());
        let is_exact = is_kind && own_subkind.eq_ignore_ascii_case(subkind.as_bytes());
        let mut parameters = range.parameters.iter();
        let is_met = parameters.all(|(name, value)| is_charset_utf8(name, value));
        match (own_kind, own_subkind) {
            _ if is_exact && is_met => Some(3),
            _ if is_exact => Some(0),
            (b"*", b"*") => Some(1),
            (_, b"*") if is_kind => Some(2),
            _ => None,
        }
    };
    ranges
        .iter()
        .filter_map(|range| Some((fits(range)?, range.weight)))
        .max_by_key(|(specific, _)| *specific)
        .map_or(0, |(_, weight)| weight)
}

/// Whether a parameter of a media type is `charset=utf-8`.
pub(crate) fn is_charset_utf8(name: &[u8], value: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"charset") && value.eq_ignore_ascii_case(b"utf-8")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const OFFERED: &[(&str, u8)] = &[("text/plain", 1), ("application/json", 2)];

    fn chosen(accept: &str) -> Option<u8> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().expect("a header"));
        negotiate(&headers, OFFERED).ok()
    }

    #[test]
    fn the_preferred_format_is_negotiated() {
        assert_eq!(negotiate(&HeaderMap::new(), OFFERED).ok(), Some(1));
        for (accept, what) in [
            ("*/*", Some(1)),
            ("application/json", Some(2)),
            ("Application/JSON", Some(2)),
            ("TEXT/*, application/json;q=0.9", Some(1)),
            ("text/html, application/json;q=0.9, */*;q=0.8", Some(2)),
            ("text/*", Some(1)),
            ("text/plain;q=0, */*", Some(2)),
            ("text/plain;q=0, */*;Q=0.5", Some(2)),
            ("application/json;q=0.5, text/plain;q=0.4", Some(2)),
            ("text/plain; charset=utf-8", Some(1)),
            ("text/plain; CHARSET=\"UTF-8\"", Some(1)),
            // A comma in a quoted string separates nothing.
            ("image/png;x=\", application/json\"", None),
            ("image/png;x=\"\\\", application/json\"", None),
            ("image/png;x=\",\", application/json", Some(2)),
            ("text/plain;x=\";q=0\"", Some(1)),
            // Parameters that nothing has decide last.
            ("application/json;profile=\"a,b\"", Some(2)),
            ("application/json;v=2;q=0, application/json", Some(2)),
            (
                "application/json;v=2;q=0, */*;q=0.1, text/plain;q=0",
                Some(2),
            ),
            ("image/png", None),
            ("*/*;q=0", None),
            ("*/plain", None),
            ("text", None),
            ("", None),
            ("text/plain;q=zero", None),
            ("text/plain;q=1.5, application/json;q=0.1", Some(2)),
        ] {
            assert_eq!(chosen(accept), what, "{accept}");
        }
    }

    #[test]
    fn ranges_over_several_lines_are_one_list() {
        let mut headers = HeaderMap::new();
        headers.append(ACCEPT, HeaderValue::from_static("text/plain;q=0.1"));
        headers.append(ACCEPT, HeaderValue::from_static("application/json"));
        assert_eq!(negotiate(&headers, OFFERED).ok(), Some(2));
    }
}
