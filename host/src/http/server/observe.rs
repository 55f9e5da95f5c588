//! The observation of every request: its counters, its time, its span, and its line in the log.
//!
//! An observation lives from a request's headers until the socket has the last byte of its answer,
//! or until the client disconnects: the body of the answer owns it.
//!
//! This layer is written by hand, since `axum::middleware::from_fn` makes two more boxes for each
//! request. The body needs a box in either case.

use std::error::Error as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use axum::extract::{MatchedPath, Request};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tower::{Layer, Service};
use tracing::Span;

use super::access_log::{self, Entry, Outcome, REQUEST_ID, Reason, request_id};
use super::attributes::span;
use super::found_route::{FindRoute, RouteName};
use super::health::{ADMIN_PATHS, ROUTES_PATH};
use crate::error::RunError;
use crate::span::{SpanGuard, record, record_failure};
use crate::telemetry::{
    HttpMetrics, Observation, continue_trace, exported_trace, leave_out, named_trace, tell_trace,
};

/// The status of a span whose request was dropped.
const CUT: &str = "the connection ended before the response did";

/// Observes all requests to the routes within. It must be the outermost layer to see all of
/// their time. Of requests that the router leaves to its fallback, `routes` finds the route.
pub(super) fn layer(
    metrics: HttpMetrics,
    probes: ProbeTracing,
    routes: Option<Arc<dyn FindRoute>>,
) -> Observe {
    Observe {
        metrics,
        probes,
        routes,
    }
}

/// Whether requests for health and metrics are traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProbeTracing {
    On,
    Off,
}

/// The layer that [`layer`] makes.
#[derive(Clone, Debug)]
pub(super) struct Observe {
    metrics: HttpMetrics,
    probes: ProbeTracing,
    routes: Option<Arc<dyn FindRoute>>,
}

impl<S> Layer<S> for Observe {
    type Service = ObservedService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ObservedService {
            inner,
            metrics: self.metrics.clone(),
            probes: self.probes,
            routes: self.routes.clone(),
        }
    }
}

/// A service whose requests are observed.
#[derive(Clone, Debug)]
pub(super) struct ObservedService<S> {
    inner: S,
    metrics: HttpMetrics,
    probes: ProbeTracing,
    routes: Option<Arc<dyn FindRoute>>,
}

impl<S> Service<Request> for ObservedService<S>
where
    S: Service<Request, Response = Response>,
    S::Future: Unpin,
{
    type Response = Response;
    type Error = S::Error;
    type Future = ObservedFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let matched = request.extensions().get::<MatchedPath>().cloned();
        let route = match (matched, &self.routes) {
            (Some(path), _) => Some(RouteName::Matched(path)),
            (None, Some(routes)) => routes.find(&mut request).map(RouteName::Found),
            (None, None) => None,
        };
        let mut observation = match &route {
            Some(RouteName::Found(route)) => HttpMetrics::observe_route(route.counters.clone()),
            Some(RouteName::Matched(path)) => self.metrics.observe(Some(path.as_str())),
            None => self.metrics.observe(None),
        };
        let span = span(&request, route.as_ref());
        let mut trace = None;
        if !span.is_disabled() {
            let path = route.as_ref().map(RouteName::path);
            let is_probe = matches!(route, Some(RouteName::Matched(_)))
                && path.is_some_and(|path| ADMIN_PATHS.contains(&path) || path == ROUTES_PATH);
            if is_probe && self.probes == ProbeTracing::Off {
                leave_out(&span);
            } else {
                continue_trace(&span, request.headers());
            }
            trace = exported_trace(&span);
            observation.set_trace(trace);
        }
        let id = if span.is_disabled() && !access_log::is_on() {
            None
        } else {
            request_id(&request)
        };
        if let Some(Ok(id)) = id.as_ref().map(HeaderValue::to_str) {
            span.record("request_id", id);
        }
        if let Some(id) = &id {
            // For the handler, and the lines that it writes.
            request.headers_mut().insert(REQUEST_ID, id.clone());
        }
        let trace = trace.or_else(|| {
            // Not exported: then the lines within the request have the caller's.
            let named = named_trace(request.headers())?;
            span.record("trace_id", named.to_string());
            Some(named)
        });
        let entry = Entry::new(&request, route, id, trace);
        let has_body = request.method() != Method::HEAD;
        let answering = span.in_scope(|| self.inner.call(request));
        ObservedFuture {
            inner: answering,
            observing: Some(RequestObservation {
                observation,
                guard: Some(SpanGuard::new(span.clone(), CUT)),
                span,
                entry,
                sent_bytes: 0,
                announced_bytes: None,
                reason: None,
            }),
            has_body,
        }
    }
}

/// A request that has no answer yet.
#[derive(Debug)]
pub(super) struct ObservedFuture<F> {
    inner: F,
    observing: Option<RequestObservation>,
    has_body: bool,
}

/// A request from its headers to the last byte of its answer. Dropping the value writes its line
/// of the log.
#[derive(Debug)]
struct RequestObservation {
    observation: Observation,
    span: Span,
    /// Until the end of the body.
    guard: Option<SpanGuard>,
    entry: Entry,
    sent_bytes: u64,
    /// The value of `Content-Length`. After that many bytes, HTTP/1 does not poll for the end.
    announced_bytes: Option<u64>,
    /// The reason of an error, or of an answer that broke off.
    reason: Option<String>,
}

impl RequestObservation {
    /// Ends the observation: the answer is complete, or broke off.
    fn end(&mut self) {
        if let Some(guard) = self.guard.take() {
            guard.end();
        }
    }
}

impl Drop for RequestObservation {
    fn drop(&mut self) {
        if !self.span.is_disabled() {
            let sent_bytes = i64::try_from(self.sent_bytes).unwrap_or(i64::MAX);
            self.span.record("http.response.body.size", sent_bytes);
        }
        let cut = self.guard.as_ref().map(|_| CUT);
        let outcome = Outcome {
            status: self.observation.status(),
            sent_bytes: self.sent_bytes,
            took: self.observation.elapsed(),
            reason: self.reason.as_deref().or(cut),
        };
        self.entry.write(&self.span, outcome);
    }
}

impl<F, E> Future for ObservedFuture<F>
where
    F: Future<Output = Result<Response, E>> + Unpin,
{
    type Output = Result<Response, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answering = &mut *self;
        let answered = {
            let entered = answering.observing.as_ref().map(|it| it.span.enter());
            let answered = Pin::new(&mut answering.inner).poll(context);
            drop(entered);
            ready!(answered)
        };
        let (response, observing) = match (answered, answering.observing.take()) {
            (Ok(response), Some(observing)) => (response, observing),
            (answered, _) => return Poll::Ready(answered),
        };
        Poll::Ready(Ok(observed(response, observing, answering.has_body)))
    }
}

/// `response` with the observation in its body.
fn observed(mut response: Response, mut observing: RequestObservation, has_body: bool) -> Response {
    let status = response.status();
    observing.observation.set_status(status.as_u16());
    let reason = response.extensions_mut().remove::<Reason>();
    observing.reason = reason.map(|Reason(text)| text);
    let span = &observing.span;
    if !span.is_disabled() {
        span.record("http.response.status_code", i64::from(status.as_u16()));
        if status.is_server_error() {
            span.record("otel.status_code", "ERROR");
            span.record("error.type", status.as_str());
        }
        tell_trace(span, response.headers_mut());
    }
    if let Some(id) = observing.entry.id() {
        response.headers_mut().insert(REQUEST_ID, id.clone());
    }
    let announced = response.headers().get(CONTENT_LENGTH);
    observing.announced_bytes = announced.and_then(|length| length.to_str().ok()?.parse().ok());
    let is_empty = response.body().is_end_stream();
    if !has_body || is_empty || status == StatusCode::NOT_MODIFIED {
        observing.end();
    }
    response.map(|body| {
        Body::new(ObservedBody {
            inner: body,
            observing,
        })
    })
}

/// An answer's body that ends the observation when it is dropped.
struct ObservedBody {
    inner: Body,
    observing: RequestObservation,
}

impl HttpBody for ObservedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let body = &mut *self;
        let observing = &mut body.observing;
        let span = observing.span.clone();
        let _entered = span.enter();
        let frame = ready!(Pin::new(&mut body.inner).poll_frame(context));
        let is_over = match &frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                observing.sent_bytes = observing.sent_bytes.saturating_add(bytes as u64);
                body.inner.is_end_stream()
                    || observing.announced_bytes == Some(observing.sent_bytes)
            }
            // The status was sent before the error.
            Some(Err(error)) => {
                match error.source().and_then(|it| it.downcast_ref::<RunError>()) {
                    Some(error) => record_failure(&span, error),
                    None => record(&span, "body", error),
                }
                observing.reason = Some(error.to_string());
                true
            }
            None => true,
        };
        if is_over {
            observing.end();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::Router;
    use axum::routing::get;
    use futures::stream;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;
    use crate::metrics::Meter;
    use crate::telemetry::{Build, Metrics};

    const ROUTE: &str = "/streamed/{n}";

    /// A service whose one route answers in two pieces, and its metrics.
    fn service() -> (Router, Metrics) {
        let http = HttpMetrics::new([ROUTE]);
        let build = Build {
            version: String::new(),
            component: String::new(),
        };
        let metrics = Metrics::new(&Meter::new(1, 1 << 20), &http, build);
        let pieces = || async {
            let pieces = ["a", "b"].map(|piece| Ok::<_, Infallible>(Bytes::from(piece)));
            Response::new(Body::from_stream(stream::iter(pieces)))
        };
        let router =
            Router::new()
                .route(ROUTE, get(pieces))
                .layer(layer(http, ProbeTracing::Off, None));
        (router, metrics)
    }

    fn request(path: &str) -> Request {
        let mut request = Request::default();
        *request.uri_mut() = path.parse().expect("a path");
        request
    }

    fn counted(metrics: &Metrics, line: &str) -> bool {
        metrics.encode().lines().any(|found| found == line)
    }

    #[tokio::test]
    async fn a_request_is_counted_after_its_last_byte() {
        let (router, metrics) = service();
        let one = r#"cocoon_http_requests_total{route="/streamed/{n}",status="200"} 1"#;
        let answered = router.oneshot(request("/streamed/1")).await;
        let Ok(mut response) = answered;
        let first = response.body_mut().frame().await.expect("a frame");
        assert_eq!(first.expect("no error").into_data().ok(), Some("a".into()));
        assert!(!counted(&metrics, one));
        let rest = response.into_body().collect().await.expect("no error");
        assert_eq!(rest.to_bytes(), "b");
        assert!(counted(&metrics, one), "{}", metrics.encode());
    }

    #[tokio::test]
    async fn requests_without_a_route_are_counted_together() {
        let (router, metrics) = service();
        for path in ["/", "/streamed", "/elsewhere/1"] {
            let Ok(response) = router.clone().oneshot(request(path)).await;
            drop(response);
        }
        let three = r#"cocoon_http_requests_total{route="other",status="404"} 3"#;
        assert!(counted(&metrics, three), "{}", metrics.encode());
    }
}
