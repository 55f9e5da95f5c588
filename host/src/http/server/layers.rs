//! The layers around all routes, and the routes of health and metrics.

use std::convert::Infallible;

use axum::Router;
use axum::extract::{FromRef, Request};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use tower::{Layer as _, Service};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::Access;
use super::observe::ProbeTracing;
use super::protocol::{Errors, Protocol};
use super::{Problem, ServerState, health, metrics, observe};
use crate::limits::Limit;

/// The routes of health and metrics.
pub(crate) fn probes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    ServerState: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::metrics))
}

/// The address of health and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probes {
    /// The address of the other routes.
    Here,
    /// One of their own, which [`Admin`](super::Admin) serves.
    Apart,
}

/// The router of health and metrics, and of `others`.
pub(super) fn probes_app(server: &ServerState, others: Option<Router>) -> Router {
    let (routes, _) = probes::<ServerState>().split_for_parts();
    let routes = routes.fallback(no_probe).with_state(server.clone());
    let routes = routes.merge(others.unwrap_or_default());
    finish(routes, server, Access::open(), &[], Errors::Problems)
}

/// Adds the layers of all routes to `routes`. Requests for `open_paths` need no token.
/// Refusals are observed, too.
pub(crate) fn finish(
    routes: Router,
    server: &ServerState,
    access: Access,
    open_paths: &'static [&'static str],
    errors: Errors,
) -> Router {
    let routes = routes
        .method_not_allowed_fallback(not_allowed)
        .layer(protocol(server, errors));
    access.guard(routes, open_paths).layer(observing(server))
}

/// Adds `others`, which answers all other paths, to the finished `routes`. The layers are around
/// the service itself: each layer of a router makes two more boxes for each request.
#[cfg_attr(
    not(feature = "compiler"),
    expect(dead_code, reason = "for handlers alone")
)]
pub(crate) fn finish_fallback<S>(
    routes: Router,
    others: S,
    server: &ServerState,
    access: Access,
    errors: Errors,
) -> Router
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + Unpin + 'static,
{
    let others = protocol(server, errors).layer(others);
    let others = access.guard_service(others);
    routes.fallback_service(observing(server).layer(others))
}

fn protocol(server: &ServerState, errors: Errors) -> Protocol {
    Protocol {
        errors,
        head_bytes: server.limits().size(Limit::Headers),
    }
}

fn observing(server: &ServerState) -> observe::Observe {
    let metrics = server.http_metrics().clone();
    let probes = if server.traces_probes() {
        ProbeTracing::On
    } else {
        ProbeTracing::Off
    };
    observe::layer(metrics, probes, server.routes())
}

async fn no_probe(uri: Uri) -> Problem {
    Problem::plain(
        StatusCode::NOT_FOUND,
        format!(
            "expected {} at this address, got {}; use the address of --listen for other paths",
            health::ADMIN_PATHS.join(", "),
            uri.path()
        ),
    )
}

async fn not_allowed(uri: Uri) -> Problem {
    Problem::plain(
        StatusCode::METHOD_NOT_ALLOWED,
        format!(
            "expected a method of the Allow header for {}, got another",
            uri.path()
        ),
    )
}
