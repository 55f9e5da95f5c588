//! `GET /healthz` and `GET /readyz`: what whoever runs the service asks.

use axum::extract::State;
use axum::http::StatusCode;

use super::{Problem, Service};

/// Whether the program is alive.
#[utoipa::path(
    get,
    path = "/healthz",
    responses((status = 200, description = "It is", body = String, content_type = "text/plain"))
)]
pub(super) async fn alive() -> &'static str {
    "ok\n"
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
pub(super) async fn ready(State(service): State<Service>) -> Result<&'static str, Problem> {
    let not_ready = |why| Err(Problem::plain(StatusCode::SERVICE_UNAVAILABLE, why));
    if service.is_draining() {
        not_ready("the service is about to end")
    } else if service.factorial().queue_is_full() {
        not_ready("the queue is full")
    } else {
        Ok("ready\n")
    }
}
