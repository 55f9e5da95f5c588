//! Compression for clients that ask for it.

use axum::extract::Request;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, ETAG};
use axum::http::{HeaderValue, Version};
use axum::response::Response;
use tower_http::compression::predicate::{DefaultPredicate, Predicate, SizeAbove};
use tower_http::compression::{CompressionLayer, CompressionLevel};

use super::negotiate::COMPRESSED;

/// What is shorter gains nothing.
const BYTES_MIN: u64 = 1024;

/// Compresses bodies that are long enough to gain by it. Digits take 0.42 of
/// their bytes at best, so that more effort finds nothing.
pub(super) fn layer() -> CompressionLayer<impl Predicate> {
    CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(DefaultPredicate::new().and(SizeAbove::new(BYTES_MIN)))
}

/// A compressed body has no length, and to HTTP/1.0 one without a length ends
/// like a whole one when it is cut.
pub(super) async fn not_for_old_clients(mut request: Request) -> Request {
    if request.version() < Version::HTTP_11 {
        request.headers_mut().remove(ACCEPT_ENCODING);
    }
    request
}

/// Another representation has another entity tag (RFC 9110, section 8.8.3).
pub(super) async fn tag(mut response: Response) -> Response {
    let headers = response.headers_mut();
    if headers.contains_key(CONTENT_ENCODING)
        && let Some(tag) = headers.get(ETAG).and_then(|tag| tag.to_str().ok())
        && let Some(bare) = tag.strip_suffix('"')
        && let Ok(tag) = HeaderValue::try_from(format!("{bare}{COMPRESSED}\""))
    {
        headers.insert(ETAG, tag);
    }
    response
}
