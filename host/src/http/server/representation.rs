//! The representation of an answer: its media type, its content coding, and the header fields
//! that depend on them.
//!
//! HEAD and 304 carry the values of the GET, or leave a field out (RFC 9110, sections 8.6,
//! 9.3.2 and 15.4.5). So the decision for gzip uses only facts that are known before there is a
//! body. An entity tag is weak, and the codings of one representation share it (section 8.8.1):
//! no route serves ranges.

use std::convert::Infallible;
use std::fmt::Display;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, VARY,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::Frame;
use sha2::{Digest as _, Sha256};

use super::conditional::ClientCopy;
use super::gzip::Gzip;
use super::{Codings, Length};

/// The header fields of a 200, and of the 304 or the HEAD that stands for it.
#[derive(Clone, Debug)]
pub(crate) struct Representation {
    /// `Content-Type`.
    pub(crate) media_type: &'static str,
    /// `Cache-Control`.
    pub(crate) cache: &'static str,
    /// Whether `Accept` decides over it.
    pub(crate) is_negotiated: bool,
    /// `ETag`, from [`weak_tag`].
    pub(crate) tag: Option<HeaderValue>,
}

impl Representation {
    /// A representation that is not kept by caches.
    pub(crate) const fn fresh(media_type: &'static str) -> Self {
        Self {
            media_type,
            cache: "no-store",
            is_negotiated: false,
            tag: None,
        }
    }

    /// The same, where `Accept` decides over it.
    pub(crate) fn negotiated(self) -> Self {
        Self {
            is_negotiated: true,
            ..self
        }
    }

    /// A 200 with `body`, which is `None` for HEAD. `length` is that of
    /// the GET's body, as far as it is known before there is one.
    pub(crate) fn response(self, codings: Codings, body: Option<Body>, length: Length) -> Response {
        let is_zipped = codings.has_gzip(self.media_type, length);
        let mut response = Response::new(match body {
            Some(body) if is_zipped => Body::new(Gzip::new(body)),
            Some(body) => body,
            None => headless(),
        });
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        if is_zipped {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        } else if let Length::Exact(bytes) = length {
            headers.insert(CONTENT_LENGTH, bytes.into());
        }
        self.validators(headers);
        response
    }

    /// A 200 with a complete body.
    pub(crate) fn whole(self, codings: Codings, body: impl Into<Bytes>) -> Response {
        let body = body.into();
        let length = Length::Exact(body.len() as u64);
        self.response(codings, Some(body.into()), length)
    }

    /// A 304, for a client that has it.
    pub(crate) fn not_modified(self) -> Response {
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
pub(crate) fn weak_tag(name: impl Display) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("W/\"{name}\"")).ok()
}

/// Content that lives as long as the program, and its representation.
pub(crate) struct StaticContent {
    content: Bytes,
    representation: Representation,
}

impl StaticContent {
    /// A cache asks each time whether it still has the right one, since another
    /// program may answer.
    pub(crate) fn new(media_type: &'static str, content: impl Into<Bytes>) -> Self {
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
    pub(crate) fn response(&self, codings: Codings, headers: &HeaderMap) -> Response {
        let representation = self.representation.clone();
        match ClientCopy::of(headers, representation.tag.as_ref()) {
            ClientCopy::None => representation.whole(codings, self.content.clone()),
            ClientCopy::This | ClientCopy::Any => representation.not_modified(),
        }
    }
}
