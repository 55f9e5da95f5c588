//! The page of the service in a browser.

use std::sync::LazyLock;

use axum::Router;

use crate::http::server::{PageFile, page_routes};

const SCRIPT: &str = concat!(
    include_str!("page/page.js"),
    include_str!("page/number.js"),
    include_str!("page/bars.js"),
    include_str!("page/charts.js"),
);

static FILES: LazyLock<[PageFile; 4]> = LazyLock::new(|| {
    [
        PageFile::new(
            PATHS[0],
            "text/html; charset=utf-8",
            include_str!("page/index.html"),
        ),
        PageFile::new(
            PATHS[1],
            "text/css; charset=utf-8",
            include_str!("page/page.css"),
        ),
        PageFile::new(PATHS[2], "text/javascript; charset=utf-8", SCRIPT),
        PageFile::new(
            PATHS[3],
            "image/svg+xml; charset=utf-8",
            include_str!("page/icon.svg"),
        ),
    ]
});

/// The paths of the files.
pub(super) const PATHS: [&str; 4] = ["/", "/page.css", "/page.js", "/icon.svg"];

/// The routes of the page. They need no state.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    page_routes(&*FILES)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::header::{ETAG, IF_NONE_MATCH};
    use axum::http::{HeaderValue, Request, StatusCode};
    use axum::response::Response;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;
    use crate::http::server::POLICY;

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
