//! The client of outgoing requests: its connections are shared by all sandboxes of a component,
//! which have the same grants.

use std::error::Error as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::http::{Request, Response, Uri};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep, timeout};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use super::denials::Denials;
use super::http_connector::{ConnectError, Connector, Timely};
use super::http_destination::HttpDestination;
use crate::engine::Engine;
use crate::limits::{
    HTTP_CLIENT_BYTES, HTTP_CONNECTION_WINDOW, HTTP_IDLE_CONNECTIONS, HTTP_IDLE_TIME,
    HTTP_STALL_TIME, HTTP_STREAM_WINDOW,
};

/// Sends requests to granted destinations. Cheap to clone.
#[derive(Clone)]
pub(crate) struct HttpClient(Arc<Inner>);

struct Inner {
    connector: Connector,
    client: Client<Timely<HttpsConnector<Connector>>, WasiBody>,
}

impl HttpClient {
    /// A client for `granted`, or `None` if nothing is. Reads the certificate authorities of the
    /// system.
    pub(crate) fn new(
        granted: &[HttpDestination],
        denials: &Denials,
        engine: &Engine,
    ) -> Option<Self> {
        if granted.is_empty() {
            return None;
        }
        let connector = Connector {
            granted: granted.into(),
            denials: denials.clone(),
            threads: engine.blocking().clone(),
            descriptors: Arc::clone(engine.open_files()),
        };
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls())
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(connector.clone());
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(HTTP_IDLE_TIME)
            .pool_max_idle_per_host(HTTP_IDLE_CONNECTIONS)
            .http1_max_buf_size(HTTP_CLIENT_BYTES)
            .http2_initial_stream_window_size(HTTP_STREAM_WINDOW)
            .http2_initial_connection_window_size(HTTP_CONNECTION_WINDOW)
            .http2_max_send_buf_size(HTTP_CLIENT_BYTES)
            // Finds a server that has disappeared, whose connection others would wait for as well.
            .http2_keep_alive_interval(HTTP_STALL_TIME / 2)
            .http2_keep_alive_timeout(HTTP_STALL_TIME / 2)
            .http2_max_header_list_size(u32::try_from(HTTP_CLIENT_BYTES).unwrap_or(u32::MAX))
            .build(Timely::new(https));
        Some(Self(Arc::new(Inner { connector, client })))
    }

    /// Whether a request may be sent to `uri`. Without a grant it is reported.
    ///
    /// # Errors
    ///
    /// The error that the guest gets.
    pub(super) fn check(&self, uri: &Uri) -> Result<(), Error> {
        let authority = uri.authority().ok_or(Error::HttpRequestUriInvalid)?;
        let has_port = authority.as_str().len() > authority.host().len() + 1;
        // A port beyond 65535 would be the default one.
        if authority.as_str().contains('@')
            || authority.host().is_empty()
            || (has_port && authority.port_u16().is_none())
        {
            return Err(Error::HttpRequestUriInvalid);
        }
        let default = if uri.scheme_str() == Some("https") {
            443
        } else {
            80
        };
        let port = uri.port_u16().unwrap_or(default);
        if self.0.connector.permits(authority.host(), port) {
            Ok(())
        } else {
            Err(Error::HttpRequestDenied)
        }
    }

    /// Sends `request`. The answer holds `permit` until the end of its body.
    ///
    /// # Errors
    ///
    /// The error that the guest gets.
    pub(super) async fn send(
        self,
        request: Request<WasiBody>,
        options: RequestOptions,
        permit: OwnedSemaphorePermit,
    ) -> Result<Response<WasiBody>, Error> {
        let sending = self.0.client.request(request);
        let sent = match first_byte_time(options) {
            Some(patience) => match timeout(patience, sending).await {
                Ok(sent) => sent,
                Err(_) => return Err(Error::ConnectionReadTimeout),
            },
            None => sending.await,
        };
        let response = sent.map_err(|error| explain(&error))?;
        Ok(response.map(|incoming| {
            let body = IncomingBody {
                incoming,
                patience: options.between_bytes_timeout,
                timer: None,
                _permit: permit,
            };
            body.boxed_unsync()
        }))
    }
}

/// The time until the head of an answer, if the guest bounds both parts of it. The deadline of the
/// sandbox bounds it in any case.
fn first_byte_time(options: RequestOptions) -> Option<Duration> {
    let first_byte = options.first_byte_timeout?;
    Some(first_byte.saturating_add(options.connect_timeout.unwrap_or_default()))
}

/// TLS with the certificate authorities of the system.
fn tls() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let error = found.errors.first().map(ToString::to_string);
        tracing::warn!(
            error,
            fix = "SSL_CERT_FILE",
            "no root certificates, HTTPS fails"
        );
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions();
    let builder = builder.expect("a provider with the usual versions");
    builder.with_root_certificates(roots).with_no_client_auth()
}

/// The body of an answer to a guest.
struct IncomingBody {
    incoming: Incoming,
    /// The time between two pieces.
    patience: Option<Duration>,
    timer: Option<Pin<Box<Sleep>>>,
    _permit: OwnedSemaphorePermit,
}

impl Body for IncomingBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let body = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut body.incoming).poll_frame(context) {
            body.timer = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(|error| of_hyper(&error))));
        }
        let Some(patience) = body.patience else {
            return Poll::Pending;
        };
        let timer = body.timer.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// The error that a guest gets of a request that failed.
fn explain(error: &hyper_util::client::legacy::Error) -> Error {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(error) = cause.downcast_ref::<ConnectError>() {
            return match error {
                ConnectError::Prohibited => Error::DestinationIpProhibited,
                ConnectError::Unresolvable => Error::DnsError {
                    rcode: None,
                    info_code: None,
                },
                ConnectError::Timeout => Error::ConnectionTimeout,
                ConnectError::TooMany => Error::ConnectionLimitReached,
                ConnectError::Io(error) => of_io(error),
            };
        }
        if let Some(error) = cause.downcast_ref::<hyper::Error>() {
            return of_hyper(error);
        }
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            return of_io(error);
        }
        source = cause.source();
    }
    Error::ConnectionTerminated
}

fn of_io(error: &io::Error) -> Error {
    let inner = error.get_ref();
    if let Some(error) = inner.and_then(|it| it.downcast_ref::<rustls::Error>()) {
        return match error {
            rustls::Error::InvalidCertificate(_) => Error::TlsCertificateError,
            rustls::Error::AlertReceived(alert) => Error::TlsAlertReceived {
                alert_id: Some(u8::from(*alert)),
                alert_message: None,
            },
            _ => Error::TlsProtocolError,
        };
    }
    if let Some(error) = inner.and_then(|it| it.downcast_ref::<io::Error>()) {
        return of_io(error);
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Error::ConnectionRefused,
        io::ErrorKind::TimedOut => Error::ConnectionTimeout,
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
            Error::DestinationUnavailable
        }
        _ => Error::ConnectionTerminated,
    }
}

fn of_hyper(error: &hyper::Error) -> Error {
    let cause = error.source();
    // The guest's own body.
    let body = cause.and_then(|it| it.downcast_ref::<Error>());
    let io = cause.and_then(|it| it.downcast_ref::<io::Error>());
    if let Some(Error::HttpRequestBodySize(size)) = body {
        Error::HttpRequestBodySize(*size)
    } else if io.is_some_and(|it| it.kind() == io::ErrorKind::TimedOut) {
        Error::ConnectionWriteTimeout
    } else if error.is_parse_too_large() {
        Error::HttpResponseHeaderSectionSize(None)
    } else if error.is_incomplete_message() || error.is_body_write_aborted() {
        Error::HttpResponseIncomplete
    } else if error.is_timeout() {
        Error::HttpResponseTimeout
    } else if error.is_parse() {
        Error::HttpProtocolError
    } else {
        Error::ConnectionTerminated
    }
}
