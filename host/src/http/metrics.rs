//! `GET /metrics`: what is counted and timed, for Prometheus.

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;

use super::Service;
use crate::telemetry::METRICS_TYPE;

/// What is counted and timed, as text for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    responses((status = 200, description = "The metrics", body = String, content_type = "application/openmetrics-text"))
)]
pub(super) async fn metrics(State(service): State<Service>) -> Response {
    let mut response = Response::new(service.0.metrics.encode().into());
    let media = HeaderValue::from_static(METRICS_TYPE);
    response.headers_mut().insert(CONTENT_TYPE, media);
    response
}
