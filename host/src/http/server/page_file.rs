//! The files of a page in a browser.
//!
//! They are part of the binary, and their policy lets a browser load nothing else: no other
//! origin, no inline script or style. Their entity tags are made once. A browser validates its
//! copies each time, since another binary may answer.

use axum::Router;
use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use axum::routing::get;

use super::{Codings, StaticContent};

/// The policy of a page: a browser runs and shows files of this service only.
pub(crate) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Header fields of every file.
const POLICIES: [(HeaderName, &str); 4] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
    (REFERRER_POLICY, "no-referrer"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
];
const CROSS_ORIGIN_OPENER_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-opener-policy");

/// One file of a page.
pub(crate) struct PageFile {
    path: &'static str,
    file: StaticContent,
}

impl PageFile {
    /// The file at `path`.
    pub(crate) fn new(path: &'static str, media_type: &'static str, content: &'static str) -> Self {
        Self {
            path,
            file: StaticContent::new(media_type, content),
        }
    }

    fn response(&self, codings: Codings, headers: &HeaderMap) -> Response {
        let mut response = self.file.response(codings, headers);
        for (name, value) in POLICIES {
            let value = HeaderValue::from_static(value);
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// The routes of `files`. They need no state.
pub(crate) fn page_routes<S: Clone + Send + Sync + 'static>(
    files: &'static [PageFile],
) -> Router<S> {
    files.iter().fold(Router::new(), |router, file| {
        let answer = |codings: Codings, headers: HeaderMap| {
            std::future::ready(file.response(codings, &headers))
        };
        router.route(file.path, get(answer))
    })
}
