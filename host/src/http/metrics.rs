//! `GET /metrics`: what is counted and timed, for Prometheus.

use axum::extract::State;
use axum::response::Response;

use super::Service;
use super::representation::{Codings, Representation};
use crate::telemetry::METRICS_TYPE;

/// What is counted and timed, as text for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    responses((status = 200, description = "The metrics", body = String, content_type = "application/openmetrics-text"))
)]
pub(super) async fn metrics(State(service): State<Service>, codings: Codings) -> Response {
    Representation::fresh(METRICS_TYPE).whole(codings, service.0.metrics.encode())
}
