//! `GET /healthz` and `GET /readyz`: the probes of an orchestrator.
//!
//! Load makes a service neither dead nor unready: single requests get 503. An unready pod would
//! leave its load to the others.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::refusals::{CommonRefusals, NotReady};
use super::{Codings, Problem, Representation, ServerState};

/// The paths that a full service still answers, and that may have an address of their own.
pub(crate) const PROBES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// An answer that no cache keeps.
fn state(codings: Codings, text: &'static str) -> Response {
    Representation::fresh("text/plain; charset=utf-8").whole(codings, text)
}

/// Liveness of the program.
#[utoipa::path(
    get,
    path = "/healthz",
    responses(
        (status = 200, description = "It is alive", body = String, content_type = "text/plain"),
        CommonRefusals,
    )
)]
pub(super) async fn alive(codings: Codings) -> Response {
    state(codings, "ok\n")
}

/// Readiness of the service: ready until it drains, also with a full queue.
#[utoipa::path(
    get,
    path = "/readyz",
    responses(
        (status = 200, description = "It is ready", body = String, content_type = "text/plain"),
        CommonRefusals,
        NotReady,
    )
)]
pub(super) async fn ready(
    State(server): State<ServerState>,
    codings: Codings,
) -> Result<Response, Problem> {
    if server.is_draining() {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        return Err(Problem::plain(
            status,
            "expected a service that accepts work, got one that is draining",
        ));
    }
    Ok(state(codings, "ready\n"))
}
