//! A collector with responses chosen by the test: over HTTP/1 and HTTP/2, in plain text or over
//! TLS, with any status, after any delay.

use std::convert::Infallible;
use std::io::Read as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message as _;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use crate::harness::TIMEOUT;

/// One response of the collector.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(&'static str, String)>,
}

impl Reply {
    /// A response of success.
    pub(crate) fn ok() -> Self {
        Self {
            status: 200,
            headers: vec![("content-type", "application/x-protobuf".to_owned())],
            ..Self::default()
        }
    }

    /// A response that rejects this many spans.
    pub(crate) fn partial(rejected: i64, message: &str) -> Self {
        let response = ExportTraceServiceResponse {
            partial_success: Some(ExportTracePartialSuccess {
                rejected_spans: rejected,
                error_message: message.to_owned(),
            }),
        };
        Self {
            body: response.encode_to_vec(),
            ..Self::ok()
        }
    }

    /// An error response with a text.
    pub(crate) fn error(status: u16, text: &str) -> Self {
        Self {
            status,
            headers: vec![("content-type", "text/plain".to_owned())],
            body: text.into(),
            trailers: Vec::new(),
        }
    }

    /// Adds a header to this response.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Converts this response to that of a gRPC call with the status `status`.
    pub(crate) fn over_grpc(mut self, status: &str) -> Self {
        self.headers = vec![("content-type", "application/grpc".to_owned())];
        let length = u32::try_from(self.body.len()).expect("a short message");
        self.body = [&[0], &length.to_be_bytes()[..], &self.body].concat();
        self.trailers = vec![("grpc-status", status.to_owned())];
        self
    }
}

/// A request that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) at: Instant,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) spans: usize,
}

type Posts = Arc<Mutex<Vec<Post>>>;
type Replies = Arc<dyn Fn(usize) -> Reply + Send + Sync>;

/// A running collector, which stops at the end of the test.
pub(crate) struct Collector {
    pub(crate) endpoint: String,
    posts: Posts,
    _runtime: Runtime,
}

impl Collector {
    /// Starts a collector. `reply` maps the number of a request, from 0, to its response.
    pub(crate) fn start(reply: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(None, Arc::new(reply))
    }

    /// Starts a collector over TLS.
    pub(crate) fn start_tls(config: ServerConfig) -> Self {
        Self::start_with(Some(config), Arc::new(|_| Reply::ok()))
    }

    fn start_with(tls: Option<ServerConfig>, replies: Replies) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
        let listener = listener.expect("a port");
        let address = listener.local_addr().expect("its address");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let tls = tls.map(|tls| TlsAcceptor::from(Arc::new(tls)));
        let posts = Posts::default();
        let taken = Arc::clone(&posts);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, replies) = (tls.clone(), Arc::clone(&replies));
                tokio::spawn(serve(stream, tls, Arc::clone(&taken), replies));
            }
        });
        Self {
            endpoint: format!("{scheme}://{address}"),
            posts,
            _runtime: runtime,
        }
    }

    /// The requests received so far.
    pub(crate) fn posts(&self) -> Vec<Post> {
        let posts = self.posts.lock().unwrap_or_else(PoisonError::into_inner);
        posts.clone()
    }

    /// Waits for `count` requests and returns all that were received.
    pub(crate) fn wait(&self, count: usize) -> Vec<Post> {
        let began = Instant::now();
        loop {
            let posts = self.posts();
            if posts.len() >= count {
                return posts;
            }
            assert!(began.elapsed() < TIMEOUT, "{posts:#?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The number of spans received so far.
    pub(crate) fn spans(&self) -> usize {
        self.posts().iter().map(|post| post.spans).sum()
    }
}

async fn serve(stream: TcpStream, tls: Option<TlsAcceptor>, posts: Posts, replies: Replies) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (posts, replies) = (Arc::clone(&posts), Arc::clone(&replies));
        async move { Ok::<_, Infallible>(answer(request, &posts, &replies).await) }
    });
    let http = Builder::new(TokioExecutor::new());
    // The client may disconnect.
    let _ = match tls {
        Some(tls) => match tls.accept(stream).await {
            Ok(stream) => http.serve_connection(TokioIo::new(stream), service).await,
            Err(_) => return,
        },
        None => http.serve_connection(TokioIo::new(stream), service).await,
    };
}

type Answer =
    StreamBody<futures::stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>>;

async fn answer(request: Request<Incoming>, posts: &Posts, replies: &Replies) -> Response<Answer> {
    let (head, body) = request.into_parts();
    let mut body = body.collect().await.expect("a body").to_bytes().to_vec();
    let header = |name: &str| head.headers.get(name).and_then(|it| it.to_str().ok());
    let is_grpc = header("content-type") == Some("application/grpc");
    if is_grpc {
        assert_eq!(header("te"), Some("trailers"));
        let length = u32::from_be_bytes(body[1..5].try_into().expect("four bytes"));
        assert_eq!(length as usize, body.len() - 5);
        let is_zipped = header("grpc-encoding") == Some("gzip");
        assert_eq!(body[0], u8::from(is_zipped));
        body = gunzip(&body[5..], is_zipped);
    } else {
        assert_eq!(header("content-type"), Some("application/x-protobuf"));
        body = gunzip(&body, header("content-encoding") == Some("gzip"));
    }
    let request = ExportTraceServiceRequest::decode(&*body).expect("spans");
    let scopes = request.resource_spans.iter().flat_map(|it| &it.scope_spans);
    let post = Post {
        at: Instant::now(),
        path: head.uri.path().to_owned(),
        spans: scopes.map(|scope| scope.spans.len()).sum(),
        headers: head.headers,
    };
    let number = {
        let mut posts = posts.lock().unwrap_or_else(PoisonError::into_inner);
        posts.push(post);
        posts.len() - 1
    };
    let reply = replies(number);
    let fields = |fields: &[(&'static str, String)]| {
        let field = |(name, value): &(&'static str, String)| {
            let value = HeaderValue::try_from(value).expect("a value");
            (HeaderName::from_static(name), value)
        };
        fields.iter().map(field).collect::<HeaderMap>()
    };
    let mut frames = vec![Ok(Frame::data(Bytes::from(reply.body)))];
    if !reply.trailers.is_empty() {
        frames.push(Ok(Frame::trailers(fields(&reply.trailers))));
    }
    let mut response = Response::new(StreamBody::new(futures::stream::iter(frames)));
    *response.status_mut() = StatusCode::from_u16(reply.status).expect("a status");
    *response.headers_mut() = fields(&reply.headers);
    response
}

fn gunzip(bytes: &[u8], is_zipped: bool) -> Vec<u8> {
    if !is_zipped {
        return bytes.to_vec();
    }
    let mut plain = Vec::new();
    let read = flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain);
    read.expect("gzip");
    plain
}
