//! `GET /metrics`: the metrics for Prometheus.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use axum::response::Response;

use super::field::weighted;
use super::refusals::CommonRefusals;
use super::{Codings, Problem, Representation, ServerState, negotiate};
use crate::telemetry::{CLASSIC_TYPE, OPENMETRICS_TYPE};

/// The text format that all readers know.
const CLASSIC: &str = "text/plain";
const OPENMETRICS: &str = "application/openmetrics-text";

/// The metrics of the service in a text format of Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    responses(
        (status = 200, description = "The metrics", content(
            (String = "text/plain"),
            (String = "application/openmetrics-text"),
        )),
        CommonRefusals,
    )
)]
pub(super) async fn metrics(
    State(server): State<ServerState>,
    headers: HeaderMap,
    codings: Codings,
) -> Result<Response, Problem> {
    let metrics = server.metrics();
    let (media_type, text) = if prefers_openmetrics(&headers) {
        (OPENMETRICS_TYPE, metrics.encode())
    } else {
        negotiate(&headers, &[(CLASSIC, ())])?;
        (CLASSIC_TYPE, metrics.encode_classic())
    };
    let representation = Representation::fresh(media_type).negotiated();
    Ok(representation.whole(codings, text))
}

/// Whether the client names `OpenMetrics`, and likes it no less than the text format. Readers
/// list the versions that they know as parameters, and there is one of each here.
fn prefers_openmetrics(headers: &HeaderMap) -> bool {
    let weight = |name: &str| {
        let (kind, subkind) = name.split_once('/').unwrap_or((name, ""));
        let named = weighted(headers, &ACCEPT).filter(|range| {
            range.media().is_some_and(|(own_kind, own_subkind)| {
                own_kind.eq_ignore_ascii_case(kind.as_bytes())
                    && own_subkind.eq_ignore_ascii_case(subkind.as_bytes())
            })
        });
        named.map(|range| range.weight).max().unwrap_or(0)
    };
    let openmetrics = weight(OPENMETRICS);
    openmetrics > 0 && openmetrics >= weight(CLASSIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openmetrics_is_sent_on_request() {
        for (accept, expected) in [
            ("*/*", false),
            ("text/plain", false),
            ("text/plain;version=0.0.4;q=0.5, */*;q=0.1", false),
            (
                "application/openmetrics-text;q=0.2, text/plain;q=0.5",
                false,
            ),
            ("application/openmetrics-text;q=0", false),
            ("application/openmetrics-text", true),
            (
                "application/openmetrics-text; version=1.0.0, text/plain",
                true,
            ),
            // Prometheus' own header.
            (
                "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;\
                 version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                true,
            ),
        ] {
            let headers = [(ACCEPT, accept.parse().expect("a header"))];
            let headers = headers.into_iter().collect();
            assert_eq!(prefers_openmetrics(&headers), expected, "{accept}");
        }
    }
}
