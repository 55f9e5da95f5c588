//! `GET /healthz` and `GET /readyz`: the probes of an orchestrator.
//!
//! Probes succeed under load; the service then answers single requests with 503. An unready pod
//! would shift its load to other pods.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::refusals::{CommonRefusals, NotReady};
use super::{Codings, Problem, Representation, ServerState};

/// The paths that the service answers without a free place for a connection, and can serve on a
/// separate address.
pub(crate) const ADMIN_PATHS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// The state of the routes of handlers, at the separate address. Their page reads it each second.
pub(crate) const ROUTES_PATH: &str = "/routes.json";

/// Creates a response with `no-store`.
fn respond(codings: Codings, text: &'static str) -> Response {
    Representation::fresh("text/plain; charset=utf-8").whole(codings, text)
}

/// Liveness of the program.
#[utoipa::path(
    get,
    path = "/healthz",
    responses(
        (status = 200, description = "The service is alive", body = String, content_type = "text/plain"),
        CommonRefusals,
    )
)]
pub(super) async fn alive(codings: Codings) -> Response {
    respond(codings, "ok\n")
}

/// Readiness of the service: ready until it drains, even with a full queue. A service of handlers is
/// ready when all of them are compiled.
#[utoipa::path(
    get,
    path = "/readyz",
    responses(
        (status = 200, description = "The service is ready", body = String, content_type = "text/plain"),
        CommonRefusals,
        NotReady,
    )
)]
pub(super) async fn ready(
    State(server): State<ServerState>,
    codings: Codings,
) -> Result<Response, Problem> {
    let reason = if server.is_draining() {
        "is draining"
    } else if server.is_loading() {
        "is compiling its components"
    } else {
        return Ok(respond(codings, "ready\n"));
    };
    Err(Problem::plain(
        StatusCode::SERVICE_UNAVAILABLE,
        format!("expected a service that accepts work, got one that {reason}"),
    ))
}
