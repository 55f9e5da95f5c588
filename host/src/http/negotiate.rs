//! Which of the representations that there are a client likes best (RFC 9110,
//! section 12.5.1), and whether it has it already (section 13.1.2).

use axum::http::header::{ACCEPT, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use mime::Mime;

use super::problem::Problem;

/// The first of `offered` among those that the client likes best.
///
/// # Errors
///
/// 406 where it takes none of them.
pub(super) fn best<T: Copy>(headers: &HeaderMap, offered: &[(&str, T)]) -> Result<T, Problem> {
    let mut accepted = headers.get_all(ACCEPT).iter().peekable();
    let Some((_, first)) = offered.first() else {
        unreachable!("something is offered");
    };
    if accepted.peek().is_none() {
        return Ok(*first);
    }
    let ranges: Vec<Mime> = accepted
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.trim().parse().ok())
        .collect();
    let mut best = None;
    for &(name, what) in offered {
        let quality = quality(name, &ranges);
        if quality > best.map_or(0, |(quality, _)| quality) {
            best = Some((quality, what));
        }
    }
    best.map(|(_, what)| what).ok_or_else(|| {
        let names: Vec<_> = offered.iter().map(|(name, _)| *name).collect();
        Problem::plain(
            StatusCode::NOT_ACCEPTABLE,
            format!(
                "there is {} here, and Accept has none of it",
                names.join(" and ")
            ),
        )
    })
}

/// How much the client likes `name`, in thousandths: what the most specific
/// range that fits says.
fn quality(name: &str, ranges: &[Mime]) -> u16 {
    let Some((kind, subkind)) = name.split_once('/') else {
        return 0;
    };
    ranges
        .iter()
        .filter_map(|range| {
            let specific = match (range.type_().as_str(), range.essence_str()) {
                (_, essence) if essence == name => 2,
                (own, essence) if own == kind && essence.ends_with("/*") => 1,
                ("*", "*/*") => 0,
                _ => return None,
            };
            let quality = range
                .get_param("q")
                .map_or(Some(1.0), |q| q.as_str().parse::<f32>().ok())?;
            Some((specific, thousandths(quality)))
        })
        .max_by_key(|(specific, _)| *specific)
        .map_or(0, |(_, quality)| quality)
        .min(if subkind.is_empty() { 0 } else { 1000 })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is from 0 to 1000"
)]
fn thousandths(quality: f32) -> u16 {
    (quality.clamp(0.0, 1.0) * 1000.0) as u16
}

/// Whether the client has what `etag` names, compressed or not.
pub(super) fn has(headers: &HeaderMap, etag: &str) -> bool {
    if !headers.contains_key(IF_NONE_MATCH) {
        return false;
    }
    let bare = |tag: &str| {
        let tag = tag.trim();
        let tag = tag.strip_prefix("W/").unwrap_or(tag);
        tag.trim_matches('"')
            .trim_end_matches(COMPRESSED)
            .to_owned()
    };
    let own = bare(etag);
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|tag| tag.trim() == "*" || bare(tag) == own)
}

/// What the entity tag of a compressed representation ends with.
pub(super) const COMPRESSED: &str = "-gzip";

#[cfg(test)]
mod tests {
    use super::*;

    const OFFERED: &[(&str, u8)] = &[("text/plain", 1), ("application/json", 2)];

    fn chosen(accept: &str) -> Option<u8> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().expect("a header"));
        best(&headers, OFFERED).ok()
    }

    #[test]
    fn the_client_gets_what_it_likes_best() {
        assert_eq!(best(&HeaderMap::new(), OFFERED).ok(), Some(1));
        for (accept, what) in [
            ("*/*", Some(1)),
            ("application/json", Some(2)),
            ("text/html, application/json;q=0.9, */*;q=0.8", Some(2)),
            ("text/*", Some(1)),
            ("text/plain;q=0, */*", Some(2)),
            ("application/json;q=0.5, text/plain;q=0.4", Some(2)),
            ("text/plain; charset=utf-8", Some(1)),
            ("image/png", None),
            ("*/*;q=0", None),
            ("", None),
            ("text/plain;q=zero", None),
        ] {
            assert_eq!(chosen(accept), what, "{accept}");
        }
    }

    #[test]
    fn entity_tags_are_found_in_lists_weak_or_compressed() {
        let with = |tags: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, tags.parse().expect("a header"));
            has(&headers, "\"a-b\"")
        };
        for tags in [
            "\"a-b\"",
            "W/\"a-b\"",
            "\"x\", \"a-b\"",
            "\"a-b-gzip\"",
            "*",
        ] {
            assert!(with(tags), "{tags}");
        }
        assert!(!with("\"a\"") && !with(""));
        assert!(!has(&HeaderMap::new(), "\"a-b\""));
    }
}
