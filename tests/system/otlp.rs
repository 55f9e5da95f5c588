//! A receiver of spans over gRPC or HTTP, in place of a collector.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::harness::TIMEOUT;

/// The protocol of the export.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Protocol {
    Grpc,
    Http,
}

impl Protocol {
    /// Its name in OpenTelemetry's variables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http/protobuf",
        }
    }
}

/// A running receiver, which stops at the end of the test.
pub(crate) struct Receiver {
    pub(crate) endpoint: String,
    received: UnboundedReceiver<ExportTraceServiceRequest>,
    spans: Vec<Span>,
    _runtime: Runtime,
}

/// A span as it was received.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) span: v1::Span,
    /// The resource attributes of the service that sent it.
    pub(crate) resource: Vec<KeyValue>,
}

impl Receiver {
    pub(crate) fn start(protocol: Protocol) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let bound = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
        let listener = bound.expect("a port");
        let address = listener.local_addr().expect("its address");
        let (sender, received) = unbounded_channel();
        match protocol {
            Protocol::Grpc => {
                runtime.spawn(grpc(listener, TraceServiceServer::new(Grpc(sender))));
            }
            Protocol::Http => {
                runtime.spawn(http(listener, sender));
            }
        }
        Self {
            endpoint: format!("http://{address}"),
            received,
            spans: Vec::new(),
            _runtime: runtime,
        }
    }

    /// Waits until `enough` is true, and returns all spans received.
    pub(crate) fn wait(&mut self, enough: impl Fn(&[Span]) -> bool) -> &[Span] {
        let began = Instant::now();
        while !enough(&self.spans) {
            match self.received.try_recv() {
                Ok(request) => self.take(request),
                Err(TryRecvError::Empty) if began.elapsed() < TIMEOUT => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(error) => panic!("{error}: no such spans among {:#?}", self.spans),
            }
        }
        &self.spans
    }

    fn take(&mut self, request: ExportTraceServiceRequest) {
        for resource in request.resource_spans {
            let attributes = resource.resource.expect("a resource").attributes;
            for scope in resource.scope_spans {
                self.spans.extend(scope.spans.into_iter().map(|span| Span {
                    span,
                    resource: attributes.clone(),
                }));
            }
        }
    }
}

impl Span {
    /// The value of a string attribute.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        text(&self.span.attributes, key)
    }

    /// The name of the service.
    pub(crate) fn service(&self) -> String {
        self.of_service("service.name").expect("a service's name")
    }

    /// The value of a string attribute of the service's resource.
    pub(crate) fn of_service(&self, key: &str) -> Option<String> {
        text(&self.resource, key)
    }

    /// Returns whether its status is an error.
    pub(crate) fn has_failed(&self) -> bool {
        let status = self.span.status.as_ref();
        status.is_some_and(|status| status.code == v1::status::StatusCode::Error as i32)
    }

    /// The value of an integer attribute.
    pub(crate) fn count(&self, key: &str) -> Option<i64> {
        match value(&self.span.attributes, key) {
            Some(Value::IntValue(count)) => Some(*count),
            _ => None,
        }
    }
}

/// Asserts that these spans are one trace, and returns its root: every other span has a parent
/// among them and lies within the parent's time.
pub(crate) fn whole_trace<'a>(spans: impl IntoIterator<Item = &'a Span>) -> &'a Span {
    let spans: Vec<_> = spans.into_iter().collect();
    let mut roots = Vec::new();
    for span in &spans {
        let it = &span.span;
        assert_eq!(
            it.trace_id, spans[0].span.trace_id,
            "another trace: {span:#?}"
        );
        let mut keys: Vec<_> = it.attributes.iter().map(|it| &it.key).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), it.attributes.len(), "repeated: {span:#?}");
        let parent = spans.iter().find(|of| of.span.span_id == it.parent_span_id);
        match parent.map(|parent| &parent.span) {
            Some(parent) => assert!(
                parent.start_time_unix_nano <= it.start_time_unix_nano
                    && it.end_time_unix_nano <= parent.end_time_unix_nano,
                "beyond its parent: {span:#?} in {parent:#?}"
            ),
            None => roots.push(*span),
        }
    }
    assert_eq!(roots.len(), 1, "orphans: {roots:#?}");
    roots[0]
}

fn value<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    found.value.as_ref()?.value.as_ref()
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    match value(attributes, key) {
        Some(Value::StringValue(text)) => Some(text.clone()),
        _ => None,
    }
}

struct Grpc(UnboundedSender<ExportTraceServiceRequest>);

#[tonic::async_trait]
impl TraceService for Grpc {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        // The test may have ended.
        let _ = self.0.send(request.into_inner());
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}

async fn grpc(listener: TcpListener, service: TraceServiceServer<Grpc>) {
    while let Ok((stream, _)) = listener.accept().await {
        let service = TowerToHyperService::new(service.clone());
        let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
    }
}

/// Receives the spans posted to `/v1/traces`.
async fn http(listener: TcpListener, sender: UnboundedSender<ExportTraceServiceRequest>) {
    while let Ok((stream, _)) = listener.accept().await {
        let sender = sender.clone();
        let take = service_fn(move |request: Request<Incoming>| {
            let sender = sender.clone();
            async move {
                assert_eq!(request.uri().path(), "/v1/traces");
                let body = request.into_body().collect().await.expect("a body");
                let request = ExportTraceServiceRequest::decode(body.to_bytes());
                let _ = sender.send(request.expect("spans"));
                let answer = ExportTraceServiceResponse::default().encode_to_vec();
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(answer))))
            }
        });
        let http = hyper::server::conn::http1::Builder::new();
        tokio::spawn(http.serve_connection(TokioIo::new(stream), take));
    }
}
