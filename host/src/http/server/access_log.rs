//! The access log: one line for each request, when its answer has ended.
//!
//! Its lines have the target `cocoon::access`. They are at the level `info`, which
//! `--access-log` lets through, and at `warn` for the errors of the server.

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, Uri};
use opentelemetry::TraceId;
use tracing::field::display;
use tracing::{Span, info, warn};

use super::attributes::Ends;
use super::found_route::RouteName;
use crate::limits::REQUEST_ID_BYTES_MAX;
use crate::telemetry::{ACCESS_TARGET, logs_requests};

/// The field with the name of a request, in the request and in its answer.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The detail of a problem, in the extensions of its response.
#[derive(Clone, Debug)]
pub(super) struct Reason(pub(super) String);

/// The part of a line that the request determines.
#[derive(Debug)]
pub(super) struct Entry {
    method: Method,
    uri: Uri,
    route: Option<RouteName>,
    peer: Option<SocketAddr>,
    id: Option<HeaderValue>,
    trace: Option<TraceId>,
}

/// The part of a line that the answer determines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome<'a> {
    pub(super) status: u16,
    pub(super) sent_bytes: u64,
    pub(super) took: Duration,
    /// The reason of an error, or of an answer that broke off.
    pub(super) reason: Option<&'a str>,
}

impl Entry {
    /// The entry of `request` to `route`, whose name is `id` and whose trace is `trace`.
    pub(super) fn new(
        request: &Request,
        route: Option<RouteName>,
        id: Option<HeaderValue>,
        trace: Option<TraceId>,
    ) -> Self {
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            route,
            peer: request.extensions().get().and_then(Ends::peer),
            id,
            trace,
        }
    }

    /// The name of the request.
    pub(super) fn id(&self) -> Option<&HeaderValue> {
        self.id.as_ref()
    }

    /// Writes the line, as a part of `span`.
    pub(super) fn write(&self, span: &Span, outcome: Outcome<'_>) {
        let Outcome { status, reason, .. } = outcome;
        let method = self.method.as_str();
        let path = self.uri.path();
        let route = self.route.as_ref().map(RouteName::name);
        let client = self.peer.map(display);
        let bytes = outcome.sent_bytes;
        let duration_seconds = outcome.took.as_secs_f64();
        let request_id = self.id.as_ref().and_then(|id| id.to_str().ok());
        let trace_id = self.trace.map(display);
        // The level of an event is a constant.
        macro_rules! line {
            ($level:ident) => {
                $level!(
                    target: ACCESS_TARGET,
                    parent: span,
                    method,
                    path,
                    route,
                    status,
                    bytes,
                    duration_seconds,
                    client,
                    request_id,
                    trace_id,
                    reason,
                    "request"
                )
            };
        }
        if status >= 500 {
            line!(warn);
        } else {
            line!(info);
        }
    }
}

/// Whether requests need names, since their lines are written.
pub(super) fn is_on() -> bool {
    logs_requests()
}

/// The name of `request`: the client's, or a unique one of this process.
pub(super) fn request_id(request: &Request) -> Option<HeaderValue> {
    let given = request.headers().get(REQUEST_ID).filter(|id| {
        let bytes = id.as_bytes();
        (1..=REQUEST_ID_BYTES_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
    });
    given.cloned().or_else(new_id)
}

fn new_id() -> Option<HeaderValue> {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| getrandom::u64().unwrap_or_default());
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    HeaderValue::try_from(format!("{:016x}-{next}", *PROCESS)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(id: &'static str) -> Option<HeaderValue> {
        let mut request = Request::default();
        let id = HeaderValue::from_static(id);
        request.headers_mut().insert(REQUEST_ID, id);
        request_id(&request)
    }

    #[test]
    fn a_name_is_kept_if_it_can_stand_in_a_line() {
        assert_eq!(named("order-17").expect("a name"), "order-17");
        let long: &'static str = "a".repeat(REQUEST_ID_BYTES_MAX + 1).leak();
        for unusable in ["", "two words", long] {
            assert_ne!(named(unusable).expect("a name"), unusable);
        }
        let new = || request_id(&Request::default()).expect("a name");
        assert_ne!(new(), new());
    }
}
