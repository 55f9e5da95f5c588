//! The representation that a client gets, for all routes: media type and content
//! coding, and the header fields that depend on them.
//!
//! HEAD and 304 carry the values of the GET, or leave a field out (RFC 9110,
//! sections 8.6, 9.3.2 and 15.4.5). So whether gzip is applied follows from what is
//! known before there is a body. An entity tag is weak and shared by the codings of
//! one representation (section 8.8.1): no route serves ranges.

use std::convert::Infallible;
use std::fmt::Display;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::extract::FromRequestParts;
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, VARY,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::Frame;
use sha2::{Digest as _, Sha256};

use super::field::{Item, entity_tags, weighted};
use super::gzip::Gzip;
use super::problem::Problem;
use crate::factorial::Count;

/// Shorter bodies gain nothing by gzip.
const GZIP_BYTES_MIN: u64 = 1024;
/// A stream of records for browsers, which decompress it in larger pieces.
pub(super) const EVENT_STREAM: &str = "text/event-stream";

/// The header fields of a 200, and of the 304 or the HEAD that stands for it.
#[derive(Clone, Debug)]
pub(super) struct Representation {
    /// `Content-Type`.
    pub(super) media_type: &'static str,
    /// `Cache-Control`.
    pub(super) cache: &'static str,
    /// Whether `Accept` decides over it.
    pub(super) is_negotiated: bool,
    /// `ETag`, from [`weak_tag`].
    pub(super) tag: Option<HeaderValue>,
}

impl Representation {
    /// A representation that is not kept by caches.
    pub(super) const fn fresh(media_type: &'static str) -> Self {
        Self {
            media_type,
            cache: "no-store",
            is_negotiated: false,
            tag: None,
        }
    }

    /// The same, where `Accept` decides over it.
    pub(super) fn negotiated(self) -> Self {
        Self {
            is_negotiated: true,
            ..self
        }
    }

    /// A 200 with `body`, which is `None` for HEAD. `bytes` is what is known of the
    /// GET's length beforehand.
    pub(super) fn response(self, codings: Codings, body: Option<Body>, bytes: Count) -> Response {
        let is_zipped = codings.has_gzip(self.media_type, bytes);
        let mut response = Response::new(match body {
            Some(body) if is_zipped => Body::new(Gzip::new(body)),
            Some(body) => body,
            None => headless(),
        });
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        if is_zipped {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        } else if let Some(bytes) = bytes.exact() {
            headers.insert(CONTENT_LENGTH, bytes.into());
        }
        self.validators(headers);
        response
    }

    /// A 200 with a body that is there already.
    pub(super) fn whole(self, codings: Codings, body: impl Into<Bytes>) -> Response {
        let body = body.into();
        let bytes = Count::Exact(body.len() as u64);
        self.response(codings, Some(body.into()), bytes)
    }

    /// A 304, for a client that has it.
    pub(super) fn not_modified(self) -> Response {
        let mut response = Response::new(headless());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        self.validators(response.headers_mut());
        response
    }

    fn validators(self, headers: &mut HeaderMap) {
        let vary = if self.is_negotiated {
            "accept, accept-encoding"
        } else {
            "accept-encoding"
        };
        headers.insert(VARY, HeaderValue::from_static(vary));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(self.cache));
        if let Some(tag) = self.tag {
            headers.insert(ETAG, tag);
        }
    }
}

/// The body of HEAD and 304: none, and without a length, which axum would put into
/// `Content-Length`.
fn headless() -> Body {
    struct Headless;

    impl HttpBody for Headless {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(None)
        }

        fn is_end_stream(&self) -> bool {
            true
        }
    }

    Body::new(Headless)
}

/// A weak entity tag. `None` for a name that no header can carry.
pub(super) fn weak_tag(name: impl Display) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("W/\"{name}\"")).ok()
}

/// Content that lives as long as the program, and its representation.
pub(super) struct Fixed {
    content: Bytes,
    representation: Representation,
}

impl Fixed {
    /// A cache asks each time whether it still has the right one, since another
    /// program may answer.
    pub(super) fn new(media_type: &'static str, content: impl Into<Bytes>) -> Self {
        let content = content.into();
        let digest = Sha256::digest(&content);
        let start = digest.first_chunk().copied().map_or(0, u64::from_be_bytes);
        Self {
            content,
            representation: Representation {
                media_type,
                cache: "no-cache",
                is_negotiated: false,
                tag: weak_tag(format_args!("{start:016x}")),
            },
        }
    }

    /// A 200, or a 304 for a client that has it.
    pub(super) fn response(&self, codings: Codings, headers: &HeaderMap) -> Response {
        let representation = self.representation.clone();
        match Held::of(headers, representation.tag.as_ref()) {
            Held::Nothing => representation.whole(codings, self.content.clone()),
            Held::This | Held::Any => representation.not_modified(),
        }
    }
}

/// What a client has, by `If-None-Match` (RFC 9110, section 13.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// Nothing that is of use.
    Nothing,
    /// This representation.
    This,
    /// Any representation (`*`), which says nothing of whether there is one.
    Any,
}

impl Held {
    /// Compares weakly, as is right for `If-None-Match`.
    pub(super) fn of(headers: &HeaderMap, tag: Option<&HeaderValue>) -> Self {
        let mut lines = headers.get_all(IF_NONE_MATCH).iter().peekable();
        if lines.peek().is_none() {
            return Self::Nothing;
        }
        let own = tag.and_then(|tag| entity_tags(tag.as_bytes()).next());
        let mut is_any = true;
        for line in lines {
            is_any &= line.as_bytes().trim_ascii() == b"*";
            if own.is_some() && entity_tags(line.as_bytes()).any(|tag| Some(tag) == own) {
                return Self::This;
            }
        }
        if is_any { Self::Any } else { Self::Nothing }
    }
}

/// The first of `offered` among those that the client likes best (RFC 9110,
/// section 12.5.1).
///
/// # Errors
///
/// 406 where it takes none of them.
pub(super) fn best<T: Copy>(headers: &HeaderMap, offered: &[(&str, T)]) -> Result<T, Problem> {
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

/// How much the client likes `name`: the weight of the most specific range that
/// fits. Parameters other than a charset are no feature of what is offered, so a
/// range with them decides only where no other does.
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

/// Whether a parameter of a media type says that its text is UTF-8.
pub(super) fn is_charset_utf8(name: &[u8], value: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"charset") && value.eq_ignore_ascii_case(b"utf-8")
}

/// The content codings that a client gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codings {
    /// No coding at all.
    Identity,
    /// gzip where something is gained by it.
    Gzip,
    /// gzip always, since the client refuses what has no coding.
    GzipOnly,
}

impl Codings {
    /// Reads `Accept-Encoding` (RFC 9110, section 12.5.3).
    ///
    /// # Errors
    ///
    /// 406 where the client takes neither gzip nor bare content.
    pub(super) fn of(version: Version, headers: &HeaderMap) -> Result<Self, Problem> {
        if !headers.contains_key(ACCEPT_ENCODING) {
            return Ok(Self::Identity);
        }
        let (mut gzip, mut identity, mut others) = (None, None, None);
        for item in weighted(headers, &ACCEPT_ENCODING) {
            if !item.parameters.is_empty() {
                continue;
            }
            let is = |name: &[u8]| item.value.eq_ignore_ascii_case(name);
            let weight = Some(item.weight);
            if is(b"gzip") || is(b"x-gzip") {
                gzip = weight;
            } else if is(b"identity") {
                identity = weight;
            } else if is(b"*") {
                others = weight;
            }
        }
        // To HTTP/1.0, a body without a length looks whole where it is cut, and what
        // is compressed has none.
        let gzip = match gzip.or(others) {
            Some(weight) if version >= Version::HTTP_11 => weight,
            _ => 0,
        };
        match (gzip, identity.or(others)) {
            (0, Some(0)) => Err(Problem::plain(
                StatusCode::NOT_ACCEPTABLE,
                "expected an Accept-Encoding header that allows gzip or identity, got one that \
                 allows neither",
            )),
            (_, Some(0)) => Ok(Self::GzipOnly),
            (0, _) => Ok(Self::Identity),
            (gzip, Some(identity)) if gzip < identity => Ok(Self::Identity),
            _ => Ok(Self::Gzip),
        }
    }

    /// Whether a body of `bytes` is compressed.
    fn has_gzip(self, media_type: &str, bytes: Count) -> bool {
        match self {
            Self::Identity => false,
            Self::Gzip => {
                media_type != EVENT_STREAM && bytes.most().is_none_or(|most| most >= GZIP_BYTES_MIN)
            }
            Self::GzipOnly => true,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Codings {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(parts.version, &parts.headers)
    }
}

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
        assert_eq!(best(&headers, OFFERED).ok(), Some(2));
    }

    #[test]
    fn codings_follow_from_the_weights() {
        let of = |version, lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(ACCEPT_ENCODING, line.parse().expect("a header"));
            }
            Codings::of(version, &headers).ok()
        };
        assert_eq!(of(Version::HTTP_11, &[]), Some(Codings::Identity));
        for (accept, expected) in [
            ("", Some(Codings::Identity)),
            ("br, zstd", Some(Codings::Identity)),
            ("gzip", Some(Codings::Gzip)),
            ("GZip", Some(Codings::Gzip)),
            ("x-gzip", Some(Codings::Gzip)),
            ("*", Some(Codings::Gzip)),
            ("br;q=1.0, gzip;q=0.2, *;q=0", Some(Codings::GzipOnly)),
            ("gzip;q=0", Some(Codings::Identity)),
            ("gzip;q=0.000, *", Some(Codings::Identity)),
            ("gzip;q=0.001", Some(Codings::Gzip)),
            ("gzip;q=0.5, identity", Some(Codings::Identity)),
            ("gzip, identity;q=0.5", Some(Codings::Gzip)),
            ("gzip;q=0.5, *;q=0.8", Some(Codings::Identity)),
            ("identity;q=0, gzip", Some(Codings::GzipOnly)),
            ("identity;q=0, *", Some(Codings::GzipOnly)),
            ("Identity; Q=0, x-gzip;q=0.1", Some(Codings::GzipOnly)),
            ("*;q=0, identity", Some(Codings::Identity)),
            ("*;q=0, identity;q=0.1", Some(Codings::Identity)),
            ("identity;q=0", None),
            ("*;q=0", None),
            ("identity;q=0, br", None),
            ("gzip;q=0, identity;q=0, *", None),
            // What is not valid says nothing.
            ("gzip;q=2", Some(Codings::Identity)),
            ("identity;q=nought", Some(Codings::Identity)),
            ("gzip;level=9", Some(Codings::Identity)),
        ] {
            assert_eq!(of(Version::HTTP_11, &[accept]), expected, "{accept:?}");
            assert_eq!(of(Version::HTTP_2, &[accept]), expected, "{accept:?}");
        }
        let both = of(Version::HTTP_11, &["identity;q=0", "gzip"]);
        assert_eq!(both, Some(Codings::GzipOnly));
        // Nothing is compressed for HTTP/1.0.
        for (accept, expected) in [
            ("gzip", Some(Codings::Identity)),
            ("*", Some(Codings::Identity)),
            ("identity;q=0, gzip", None),
        ] {
            assert_eq!(of(Version::HTTP_10, &[accept]), expected, "{accept:?}");
        }
    }

    #[test]
    fn entity_tags_are_compared_weakly() {
        let own = weak_tag("a,b");
        let with = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(IF_NONE_MATCH, line.parse().expect("a header"));
            }
            Held::of(&headers, own.as_ref())
        };
        assert_eq!(own.as_ref().expect("a tag"), "W/\"a,b\"");
        assert_eq!(with(&[]), Held::Nothing);
        for tags in [
            "W/\"a,b\"",
            "\"a,b\"",
            "\"x\", W/\"a,b\"",
            "\"x,y\" ,\"a,b\"",
        ] {
            assert_eq!(with(&[tags]), Held::This, "{tags}");
            assert_eq!(with(&["\"x\"", tags]), Held::This, "{tags}");
        }
        for tags in [
            "\"a\"",
            "a,b",
            "\"a,b-gzip\"",
            "\"x\\\",\"a,b\"x",
            "",
            "\"*\"",
            "*, \"x\"",
        ] {
            assert_eq!(with(&[tags]), Held::Nothing, "{tags}");
        }
        assert_eq!(with(&["*"]), Held::Any);
        assert_eq!(with(&[" * "]), Held::Any);
        assert_eq!(with(&["*", "\"x\""]), Held::Nothing);
    }
}
