//! `GET /metrics`: what is counted and timed, for Prometheus.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::openapi::Refused;
use super::representation::{Codings, Representation, best};
use super::{Problem, Service};
use crate::telemetry::{CLASSIC_TYPE, OPENMETRICS_TYPE};

/// The text format that all readers know, unless a client prefers the other.
const MEDIA: &[(&str, &str)] = &[
    ("text/plain", CLASSIC_TYPE),
    ("application/openmetrics-text", OPENMETRICS_TYPE),
];

/// What is counted and timed, as text for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    responses(
        (status = 200, description = "The metrics", content(
            (String = "text/plain"),
            (String = "application/openmetrics-text"),
        )),
        Refused,
    )
)]
pub(super) async fn metrics(
    State(service): State<Service>,
    headers: HeaderMap,
    codings: Codings,
) -> Result<Response, Problem> {
    let media_type = best(&headers, MEDIA)?;
    let metrics = &service.0.metrics;
    let text = if media_type == OPENMETRICS_TYPE {
        metrics.encode()
    } else {
        metrics.encode_classic()
    };
    let representation = Representation::fresh(media_type).negotiated();
    Ok(representation.whole(codings, text))
}
