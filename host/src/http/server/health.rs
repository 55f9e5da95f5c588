//! `GET /healthz` and `GET /readyz`: what whoever runs the service asks.
//!
//! Load makes a service neither dead nor unready: it is answered with 503, request by
//! request. Unready pods would leave the others with more of it.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::openapi::{NotReady, Refused};
use super::representation::{Codings, Representation};
use super::{Problem, Service};

/// The paths that a full service still answers, and that an address of their own takes
/// over.
pub(super) const PROBES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// A state, which holds for now.
fn state(codings: Codings, text: &'static str) -> Response {
    Representation::fresh("text/plain; charset=utf-8").whole(codings, text)
}

/// Whether the program is alive.
#[utoipa::path(
    get,
    path = "/healthz",
    responses(
        (status = 200, description = "It is", body = String, content_type = "text/plain"),
        Refused,
    )
)]
pub(super) async fn alive(codings: Codings) -> Response {
    state(codings, "ok\n")
}

/// Ready until the service drains. A full queue does not change it.
#[utoipa::path(
    get,
    path = "/readyz",
    responses(
        (status = 200, description = "It will", body = String, content_type = "text/plain"),
        Refused,
        NotReady,
    )
)]
pub(super) async fn ready(
    State(service): State<Service>,
    codings: Codings,
) -> Result<Response, Problem> {
    if service.is_draining() {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        return Err(Problem::plain(status, "the service is draining"));
    }
    Ok(state(codings, "ready\n"))
}
