//! The page: what a browser shows of the service.
//!
//! Its files are part of the binary, and its policy lets a browser load nothing
//! else: no other origin, no inline script or style. They live as long as the
//! binary, so that their entity tags are made once; a browser asks each time
//! whether it still has the right ones, since another binary may answer.

use std::sync::LazyLock;

use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::negotiate;

/// What a browser may do with the page: run and show what comes from here.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const SCRIPT: &str = concat!(
    include_str!("page/page.js"),
    include_str!("page/number.js"),
    include_str!("page/bars.js"),
    include_str!("page/charts.js"),
);

static FILES: LazyLock<[File; 4]> = LazyLock::new(|| {
    [
        File::new(PATHS[0], "text/html", include_str!("page/index.html")),
        File::new(PATHS[1], "text/css", include_str!("page/page.css")),
        File::new(PATHS[2], "text/javascript", SCRIPT),
        File::new(PATHS[3], "image/svg+xml", include_str!("page/icon.svg")),
    ]
});

/// Where the files of the page are.
pub(super) const PATHS: [&str; 4] = ["/", "/page.css", "/page.js", "/icon.svg"];

/// One file of the page.
struct File {
    path: &'static str,
    content: &'static str,
    headers: HeaderMap,
    etag: String,
}

/// The routes of the page, which need nothing of the service's state.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES.iter().fold(Router::new(), |router, file| {
        let answer = move |headers: HeaderMap| async move { file.answer(&headers) };
        router.route(file.path, get(answer))
    })
}

impl File {
    fn new(path: &'static str, kind: &'static str, content: &'static str) -> Self {
        let digest = Sha256::digest(content);
        let start = digest
            .first_chunk()
            .map_or(0, |start| u64::from_be_bytes(*start));
        let etag = format!("\"{start:016x}\"");
        let fixed = [
            (CACHE_CONTROL, "no-cache"),
            (CONTENT_SECURITY_POLICY, POLICY),
            (
                HeaderName::from_static("cross-origin-opener-policy"),
                "same-origin",
            ),
            (REFERRER_POLICY, "no-referrer"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        let fixed = fixed.map(|(name, value)| (name, HeaderValue::from_static(value)));
        let own = [
            (CONTENT_TYPE, format!("{kind}; charset=utf-8")),
            (ETAG, etag.clone()),
        ];
        let own = own.map(|(name, value)| (name, HeaderValue::try_from(value)));
        let own = own
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.ok()?)));
        Self {
            path,
            content,
            headers: fixed.into_iter().chain(own).collect(),
            etag,
        }
    }

    fn answer(&self, asked: &HeaderMap) -> Response {
        let mut response = if negotiate::has(asked, &self.etag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            Bytes::from_static(self.content.as_bytes()).into_response()
        };
        response.headers_mut().extend(self.headers.clone());
        response
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use axum::http::header::IF_NONE_MATCH;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    async fn ask(path: &str, etag: Option<&HeaderValue>) -> Response {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = path.parse().expect("a path");
        if let Some(etag) = etag {
            request.headers_mut().insert(IF_NONE_MATCH, etag.clone());
        }
        routes().oneshot(request).await.expect("an answer")
    }

    async fn text(response: Response) -> String {
        let body = response.into_body().collect().await.expect("a whole body");
        String::from_utf8(body.to_bytes().into()).expect("text")
    }

    #[tokio::test]
    async fn every_file_comes_with_its_type_and_the_policy() {
        for (path, kind, what) in [
            ("/", "text/html", "<!doctype html>"),
            ("/page.css", "text/css", ":root {"),
            ("/page.js", "text/javascript", "fetch("),
            ("/icon.svg", "image/svg+xml", "<svg"),
        ] {
            let response = ask(path, None).await;
            assert_eq!(response.status(), StatusCode::OK);
            let header = |name: &str| response.headers()[name].to_str().expect("text");
            assert_eq!(header("content-type"), format!("{kind}; charset=utf-8"));
            assert_eq!(header("content-security-policy"), POLICY);
            assert_eq!(header("x-content-type-options"), "nosniff");
            assert_eq!(header("referrer-policy"), "no-referrer");
            assert_eq!(header("cross-origin-opener-policy"), "same-origin");
            assert_eq!(header("cache-control"), "no-cache");
            assert!(text(response).await.contains(what), "{path}");
        }
    }

    #[tokio::test]
    async fn who_has_a_file_is_not_sent_it_again() {
        let first = ask("/", None).await;
        let etag = &first.headers()[ETAG];
        let again = ask("/", Some(etag)).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(&again.headers()[ETAG], etag);
        assert_eq!(text(again).await, "");
        assert_eq!(ask("/page.js", Some(etag)).await.status(), StatusCode::OK);
    }
}
