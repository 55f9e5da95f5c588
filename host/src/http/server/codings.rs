//! Negotiation of the content coding by `Accept-Encoding`.

use axum::extract::FromRequestParts;
use axum::http::header::ACCEPT_ENCODING;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Version};

use super::field::weighted;
use super::{Length, Problem};

/// Shorter bodies gain nothing by gzip.
const GZIP_BYTES_MIN: u64 = 1024;
/// A stream of records for browsers, which decompress it in larger pieces.
pub(crate) const EVENT_STREAM: &str = "text/event-stream";

/// The content codings that a client accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codings {
    /// No coding at all.
    Identity,
    /// gzip where it makes the body shorter.
    Gzip,
    /// gzip always, since the client refuses bodies without a coding.
    GzipOnly,
}

impl Codings {
    /// Reads `Accept-Encoding` (RFC 9110, section 12.5.3).
    ///
    /// # Errors
    ///
    /// 406 if the client accepts neither gzip nor bodies without a coding.
    pub(crate) fn of(version: Version, headers: &HeaderMap) -> Result<Self, Problem> {
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
        // HTTP/1.0 cannot see that a body without a length was cut, and a compressed body has
        // no length.
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

    /// Whether a body of this `length` is compressed.
    pub(super) fn has_gzip(self, media_type: &str, length: Length) -> bool {
        match self {
            Self::Identity => false,
            Self::Gzip => {
                media_type != EVENT_STREAM
                    && match length {
                        Length::Exact(bytes) | Length::AtMost(bytes) => bytes >= GZIP_BYTES_MIN,
                        Length::Unknown => true,
                    }
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
            // Invalid values are ignored.
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
}
