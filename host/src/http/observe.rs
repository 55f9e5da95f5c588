//! What is told of every request: its counters, its time, and its span.
//!
//! An observation lives from a request's headers until the last byte of its
//! answer was handed over, or until nobody wants it any more: it travels in the
//! answer's body and is dropped with it.
//!
//! This is a layer written by hand, since `axum::middleware::from_fn` boxes two
//! things more for each request. The body's box is needed in either case.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderValue, Method, Version};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tower::{Layer, Service};
use tracing::Span;
use tracing::field::{Empty, display};

use super::access_log::{self, Entry, Outcome, REQUEST_ID, Reason, request_id};
use crate::telemetry::{
    HttpMetrics, Observation, continue_trace, exported_trace, named_trace, tell_trace,
};

/// Observes all requests to the routes that it is laid around, and has to be the
/// outermost layer to see all of their time.
pub(super) fn layer(metrics: HttpMetrics) -> Observe {
    Observe(metrics)
}

/// What [`layer`] makes.
#[derive(Clone, Debug)]
pub(super) struct Observe(HttpMetrics);

impl<S> Layer<S> for Observe {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Observed {
            inner,
            metrics: self.0.clone(),
        }
    }
}

/// A service whose requests are observed.
#[derive(Clone, Debug)]
pub(super) struct Observed<S> {
    inner: S,
    metrics: HttpMetrics,
}

impl<S> Service<Request> for Observed<S>
where
    S: Service<Request, Response = Response>,
    S::Future: Unpin,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Answering<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let route = request.extensions().get::<MatchedPath>();
        let route = route.map(MatchedPath::as_str);
        let mut observation = self.metrics.observe(route);
        let span = span(&request, route);
        let mut trace = None;
        if !span.is_disabled() {
            continue_trace(&span, request.headers());
            trace = exported_trace(&span);
            observation.traced(trace);
        }
        let id = if span.is_disabled() && !access_log::is_on() {
            None
        } else {
            request_id(&request)
        };
        if let Some(Ok(id)) = id.as_ref().map(HeaderValue::to_str) {
            span.record("request_id", id);
        }
        let trace = trace.or_else(|| named_trace(request.headers()));
        let entry = Entry::new(&request, id, trace);
        let answering = span.in_scope(|| self.inner.call(request));
        Answering {
            inner: answering,
            observing: Some(Observing {
                observation,
                span,
                entry,
                sent_bytes: 0,
                reason: None,
            }),
        }
    }
}

/// The span of a request, with the attributes that OpenTelemetry's conventions
/// name.
fn span(request: &Request, route: Option<&str>) -> Span {
    tracing::debug_span!(
        "request",
        otel.name = name(request.method(), route),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = request.method().as_str(),
        http.route = route,
        http.response.status_code = Empty,
        http.response.body.size = Empty,
        url.path = request.uri().path(),
        url.query = request.uri().query(),
        url.scheme = "http",
        network.protocol.version = version(request.version()),
        user_agent.original = agent(request),
        error.type = Empty,
        request_id = Empty,
    )
}

/// A name that few requests do not share: methods can be anything.
fn name(method: &Method, route: Option<&str>) -> String {
    let method = match *method {
        Method::GET | Method::HEAD | Method::POST | Method::OPTIONS => method.as_str(),
        _ => "HTTP",
    };
    match route {
        Some(route) => format!("{method} {route}"),
        None => method.to_owned(),
    }
}

/// The version of HTTP as OpenTelemetry writes it.
fn version(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_2 => Some("2"),
        _ => None,
    }
}

fn agent(request: &Request) -> Option<&str> {
    let agent = request.headers().get("user-agent")?;
    agent.to_str().ok()
}

/// A request that has no answer yet.
#[derive(Debug)]
pub(super) struct Answering<F> {
    inner: F,
    observing: Option<Observing>,
}

/// A request from its headers to the last byte of its answer, or until nobody wants it any
/// more. What is known of it then is written when the value is dropped.
#[derive(Debug)]
struct Observing {
    observation: Observation,
    span: Span,
    entry: Entry,
    sent_bytes: u64,
    /// Why there is no answer, or why it broke off.
    reason: Option<String>,
}

impl Drop for Observing {
    fn drop(&mut self) {
        if !self.span.is_disabled() {
            let sent_bytes = i64::try_from(self.sent_bytes).unwrap_or(i64::MAX);
            self.span.record("http.response.body.size", sent_bytes);
        }
        let outcome = Outcome {
            status: self.observation.status(),
            sent_bytes: self.sent_bytes,
            took: self.observation.elapsed(),
            reason: self.reason.as_deref(),
        };
        self.entry.write(&self.span, outcome);
    }
}

impl<F, E> Future for Answering<F>
where
    F: Future<Output = Result<Response, E>> + Unpin,
{
    type Output = Result<Response, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answering = &mut *self;
        let answered = {
            let span = answering.observing.as_ref().map(|it| it.span.enter());
            let answered = Pin::new(&mut answering.inner).poll(context);
            drop(span);
            ready!(answered)
        };
        let (response, observing) = match (answered, answering.observing.take()) {
            (Ok(response), Some(observing)) => (response, observing),
            (answered, _) => return Poll::Ready(answered),
        };
        Poll::Ready(Ok(observed(response, observing)))
    }
}

/// `response` with the observation in its body.
fn observed(mut response: Response, mut observing: Observing) -> Response {
    let status = response.status();
    observing.observation.answered(status.as_u16());
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
    observing: Observing,
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
        let _entered = observing.span.enter();
        let frame = ready!(Pin::new(&mut body.inner).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                observing.sent_bytes = observing.sent_bytes.saturating_add(bytes as u64);
            }
            // Its status was sent long ago and said that all was well.
            Some(Err(error)) => {
                observing.span.record("otel.status_code", "ERROR");
                observing.span.record("error.type", display(error));
                observing.reason = Some(error.to_string());
            }
            None => {}
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
    use crate::meter::Meter;
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
        let router = Router::new().route(ROUTE, get(pieces)).layer(layer(http));
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
    async fn what_no_route_matches_is_counted_together() {
        let (router, metrics) = service();
        for path in ["/", "/streamed", "/elsewhere/1"] {
            let Ok(response) = router.clone().oneshot(request(path)).await;
            drop(response);
        }
        let three = r#"cocoon_http_requests_total{route="other",status="404"} 3"#;
        assert!(counted(&metrics, three), "{}", metrics.encode());
    }
}
