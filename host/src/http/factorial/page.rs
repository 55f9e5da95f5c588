//! The page of the service in a browser.
//!
//! Its files are part of the binary, and its policy lets a browser load nothing else: no other
//! origin, no inline script or style. Their entity tags are made once. A browser validates its
//! copies each time, since another binary may answer.

use std::sync::LazyLock;

use axum::Router;
use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use axum::routing::get;

use crate::http::server::{Codings, StaticContent};

/// The policy of the page: a browser runs and shows files of this service only.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
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

const SCRIPT: &str = concat!(
    include_str!("page/page.js"),
    include_str!("page/number.js"),
    include_str!("page/bars.js"),
    include_str!("page/charts.js"),
);

static FILES: LazyLock<[File; 4]> = LazyLock::new(|| {
    [
        File::new(
            PATHS[0],
            "text/html; charset=utf-8",
            include_str!("page/index.html"),
        ),
        File::new(
            PATHS[1],
            "text/css; charset=utf-8",
            include_str!("page/page.css"),
        ),
        File::new(PATHS[2], "text/javascript; charset=utf-8", SCRIPT),
        File::new(
            PATHS[3],
            "image/svg+xml; charset=utf-8",
            include_str!("page/icon.svg"),
        ),
    ]
});

/// The paths of the files.
pub(super) const PATHS: [&str; 4] = ["/", "/page.css", "/page.js", "/icon.svg"];

/// One file of the page.
struct File {
    path: &'static str,
    file: StaticContent,
}

/// The routes of the page. They need no state.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES.iter().fold(Router::new(), |router, file| {
        let answer = |codings: Codings, headers: HeaderMap| {
            std::future::ready(file.response(codings, &headers))
        };
        router.route(file.path, get(answer))
    })
}

impl File {
    fn new(path: &'static str, media_type: &'static str, content: &'static str) -> Self {
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

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::header::{ETAG, IF_NONE_MATCH};
    use axum::http::{Request, StatusCode};
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
    async fn a_client_with_a_copy_gets_304() {
        let first = ask("/", None).await;
        let etag = &first.headers()[ETAG];
        let again = ask("/", Some(etag)).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(&again.headers()[ETAG], etag);
        assert_eq!(text(again).await, "");
        assert_eq!(ask("/page.js", Some(etag)).await.status(), StatusCode::OK);
    }
}
