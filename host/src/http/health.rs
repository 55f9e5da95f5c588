//! `GET /healthz` and `GET /readyz`: what whoever runs the service asks.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::representation::{Codings, Representation};
use super::{Problem, Service};

/// A state, which holds for now.
fn state(codings: Codings, text: &'static str) -> Response {
    Representation::fresh("text/plain; charset=utf-8").whole(codings, text)
}

/// Whether the program is alive.
#[utoipa::path(
    get,
    path = "/healthz",
    responses((status = 200, description = "It is", body = String, content_type = "text/plain"))
)]
pub(super) async fn alive(codings: Codings) -> Response {
    state(codings, "ok\n")
}

/// Whether it will take work.
#[utoipa::path(
    get,
    path = "/readyz",
    responses(
        (status = 200, description = "It will", body = String, content_type = "text/plain"),
        (status = 503, description = "It is about to end, or its queue is full", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn ready(
    State(service): State<Service>,
    codings: Codings,
) -> Result<Response, Problem> {
    let not_ready = |why| Err(Problem::plain(StatusCode::SERVICE_UNAVAILABLE, why));
    if service.is_draining() {
        not_ready("the service is draining")
    } else if service.factorial().queue_is_full() {
        not_ready("the queue is full")
    } else {
        Ok(state(codings, "ready\n"))
    }
}
