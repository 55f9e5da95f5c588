//! The page of the routes, and the data that it shows, at the address of `--admin-listen`.
//!
//! The data are counts; the page computes rates from two of them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;

use super::app::Handlers;
use super::route::Route;
use crate::http::server::{Codings, PageFile, ROUTES_PATH, Representation, page_routes};
use crate::limits::Limit;
use crate::telemetry::ROUTE_LIMITS;

static FILES: LazyLock<[PageFile; 5]> = LazyLock::new(|| {
    [
        PageFile::new(
            "/",
            "text/html; charset=utf-8",
            include_str!("page/index.html"),
        ),
        PageFile::new(
            "/page.css",
            "text/css; charset=utf-8",
            include_str!("../factorial/page/page.css"),
        ),
        PageFile::new(
            "/routes.css",
            "text/css; charset=utf-8",
            include_str!("page/routes.css"),
        ),
        PageFile::new(
            "/routes.js",
            "text/javascript; charset=utf-8",
            include_str!("page/routes.js"),
        ),
        PageFile::new(
            "/icon.svg",
            "image/svg+xml; charset=utf-8",
            include_str!("../factorial/page/icon.svg"),
        ),
    ]
});

/// The page of the routes of `handlers`.
pub fn admin_page(handlers: &Handlers) -> Router {
    Router::new()
        .route(ROUTES_PATH, get(routes))
        .with_state(handlers.clone())
        .merge(page_routes(&*FILES))
}

/// A route as it is now. Sizes are bytes, times milliseconds.
#[derive(Serialize)]
struct Report {
    name: String,
    host: Option<String>,
    path: String,
    component: String,
    digest: String,
    /// Requests by status.
    requests: BTreeMap<u16, u64>,
    sandboxes_running: u64,
    sandboxes_idle: u64,
    sandboxes_share: u64,
    sandboxes_max: u32,
    requests_waiting: u64,
    memory_bytes: u64,
    sandbox_memory_bytes: u64,
    deadline_ms: u64,
    reuse: u32,
    rate: Option<String>,
    /// Requests that a limit refused or stopped, by the limit's flag.
    limits_hit: BTreeMap<&'static str, u64>,
}

impl Report {
    fn of(route: &Route) -> Self {
        let endpoint = &route.endpoint;
        let (load, meter, limits) = (endpoint.load(), endpoint.meter(), &endpoint.limits);
        let hits = ROUTE_LIMITS.map(|limit| (limit.spec().flag, meter.limits_hit(limit)));
        Self {
            name: route.name().to_string(),
            host: route.pattern.host().map(str::to_owned),
            path: route.pattern.path().to_owned(),
            component: route.location.clone(),
            digest: route.digest.clone(),
            requests: route.counters.statuses(),
            sandboxes_running: load.running,
            sandboxes_idle: load.idle,
            sandboxes_share: load.share,
            sandboxes_max: endpoint.concurrency,
            requests_waiting: load.waiting,
            memory_bytes: meter.memory_bytes(),
            sandbox_memory_bytes: limits.bytes(Limit::SandboxMemory),
            deadline_ms: limits.get(Limit::Deadline),
            reuse: endpoint.reuse,
            rate: route.rate().map(|rate| rate.to_string()),
            limits_hit: hits.into_iter().filter(|(_, hits)| *hits > 0).collect(),
        }
    }
}

/// All routes, in the order of their precedence.
async fn routes(State(handlers): State<Handlers>, codings: Codings) -> Response {
    let routes = handlers.routes();
    let reports: Vec<_> = routes.iter().map(|route| Report::of(route)).collect();
    // Serializing it cannot fail.
    let text = serde_json::to_string(&reports).unwrap_or_default();
    Representation::fresh("application/json").whole(codings, text)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;
    use crate::http::server::POLICY;
    use crate::limits::Limits;
    use crate::metrics::Meter;

    async fn ask(path: &str) -> Response {
        let meter = Meter::new(1, 1 << 20);
        let handlers = Handlers::new(&Limits::SERVE, &meter, String::new(), false);
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = path.parse().expect("a path");
        let answered = admin_page(&handlers).oneshot(request).await;
        answered.expect("an answer")
    }

    #[tokio::test]
    async fn every_file_comes_with_its_type_and_the_policy() {
        for (path, kind, what) in [
            ("/", "text/html", "<!doctype html>"),
            ("/page.css", "text/css", ":root {"),
            ("/routes.css", "text/css", ".numbers"),
            ("/routes.js", "text/javascript", "fetch("),
            ("/icon.svg", "image/svg+xml", "<svg"),
        ] {
            let response = ask(path).await;
            let header = |name: &str| response.headers()[name].to_str().expect("text");
            assert!(header("content-type").starts_with(kind), "{path}");
            assert_eq!(header("content-security-policy"), POLICY);
            let body = response.into_body().collect().await.expect("a whole body");
            let text = String::from_utf8(body.to_bytes().into()).expect("text");
            assert!(text.contains(what), "{path}");
        }
    }

    #[tokio::test]
    async fn the_routes_are_json() {
        let response = ask(ROUTES_PATH).await;
        assert_eq!(response.headers()["content-type"], "application/json");
        let body = response.into_body().collect().await.expect("a whole body");
        assert_eq!(body.to_bytes(), "[]");
    }
}
