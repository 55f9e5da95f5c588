//! Compression for clients that ask for it.
//!
//! This is a layer written by hand around tower-http's: most requests ask for
//! none, and then it costs nothing.

use std::convert::Infallible;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, ETAG};
use axum::http::{HeaderValue, Version};
use axum::response::Response;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Either};
use tower::{Layer, Service, ServiceExt as _};
use tower_http::compression::predicate::{DefaultPredicate, Predicate as _, SizeAbove};
use tower_http::compression::{Compression, CompressionLevel};

use super::negotiate::COMPRESSED;

/// What is shorter gains nothing.
const BYTES_MIN: u64 = 1024;

/// Compresses bodies that are long enough to gain by it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compress;

impl<S> Layer<S> for Compress {
    type Service = Compressing<S>;

    fn layer(&self, inner: S) -> Compressing<S> {
        Compressing(inner)
    }
}

/// A service whose answers are compressed.
#[derive(Clone, Debug)]
pub(super) struct Compressing<S>(S);

impl<S> Service<Request> for Compressing<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<S::Future, BoxFuture<'static, Result<Response, Infallible>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // A compressed body has no length, and to HTTP/1.0 one without a length
        // ends like a whole one when it is cut.
        if request.version() < Version::HTTP_11 || !request.headers().contains_key(ACCEPT_ENCODING)
        {
            return Either::Left(self.0.call(request));
        }
        let compressing = Compression::new(self.0.clone())
            // Digits have little to find: more effort finds no more of it.
            .quality(CompressionLevel::Fastest)
            .compress_when(DefaultPredicate::new().and(SizeAbove::new(BYTES_MIN)));
        let compressed = compressing.oneshot(request);
        Either::Right(
            compressed
                .map(|answer| answer.map(|answer| tag(answer.map(Body::new))))
                .boxed(),
        )
    }
}

/// Another representation has another entity tag (RFC 9110, section 8.8.3).
fn tag(mut response: Response) -> Response {
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
