//! Connections of outgoing requests.
//!
//! A name is resolved on threads that may block, and connected to those of its addresses that are
//! granted. A connection holds one of the descriptors of all sandboxes as long as it is open.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::http::Uri;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower::Service;

use super::denials::Denials;
use super::http_destination::{HttpDestination, permits_address, permits_name};
use super::http_stream::Stream;
use crate::blocking::BlockingPool;
use crate::limits::{HTTP_CONNECT_TIME, HTTP_STALL_TIME};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    /// No flag grants any of the addresses.
    #[error("the address is not granted")]
    Prohibited,
    #[error("the name has no address")]
    Unresolvable,
    #[error("no connection within {HTTP_CONNECT_TIME:?}")]
    Timeout,
    #[error("no descriptor is free")]
    TooMany,
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Makes connections to granted destinations. Cheap to clone.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) granted: Arc<[HttpDestination]>,
    pub(super) denials: Denials,
    pub(super) threads: BlockingPool,
    pub(super) descriptors: Arc<Semaphore>,
}

impl Connector {
    /// Decides whether a request may be sent to `host` at `port`. Without a grant it is reported.
    pub(super) fn permits(&self, host: &str, port: u16) -> bool {
        let is_granted = match address(host) {
            Some(ip) => permits_address(&self.granted, false, ip, port),
            None => permits_name(&self.granted, host, port),
        };
        if !is_granted {
            self.report(host, port, host);
        }
        is_granted
    }

    fn report(&self, host: &str, port: u16, missing: &str) {
        let function = format!("wasi:http/outgoing-handler.handle ({host}:{port})");
        self.denials
            .report(function, Some(format!("--allow-http {missing}")));
    }

    async fn connect(self, uri: Uri) -> Result<Stream, ConnectError> {
        let host = uri.host().unwrap_or_default();
        let default = if uri.scheme_str() == Some("https") {
            443
        } else {
            80
        };
        let port = uri.port_u16().unwrap_or(default);
        let found = match address(host) {
            Some(ip) => vec![ip],
            None => self.resolve(host).await?,
        };
        let is_named = address(host).is_none() && permits_name(&self.granted, host, port);
        let first = found.first().copied();
        let mut granted = found;
        granted.retain(|&ip| permits_address(&self.granted, is_named, ip, port));
        if let (Some(first), true) = (first, granted.is_empty()) {
            self.report(host, port, &first.to_canonical().to_string());
            return Err(ConnectError::Prohibited);
        }
        let descriptor = Arc::clone(&self.descriptors).try_acquire_owned();
        let descriptor = descriptor.map_err(|_| ConnectError::TooMany)?;
        let mut result = Err(ConnectError::Unresolvable);
        for ip in granted {
            match TcpStream::connect(SocketAddr::new(ip, port)).await {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(Stream::new(stream, HTTP_STALL_TIME, descriptor));
                }
                Err(error) => result = Err(error.into()),
            }
        }
        result
    }

    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, ConnectError> {
        let threads = self.threads.threads().await;
        let threads = threads.map_err(|_| ConnectError::TooMany)?;
        let name = name.to_owned();
        let looking = threads
            .handle()
            .spawn(move || (name.as_str(), 0).to_socket_addrs());
        let found = looking.await.map_err(|_| ConnectError::Unresolvable)?;
        let found = found.map_err(|_| ConnectError::Unresolvable)?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// The address that `host` is, if it is one.
fn address(host: &str) -> Option<IpAddr> {
    let inner = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    inner.unwrap_or(host).parse().ok()
}

type Connecting<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = ConnectError;
    type Future = Connecting<Stream, ConnectError>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// A connector whose connections exist within a time, handshakes included. The client may go on
/// with one after its request got another.
#[derive(Clone)]
pub(super) struct Timely<C> {
    connector: C,
    time: Duration,
}

impl<C> Timely<C> {
    pub(super) fn new(connector: C) -> Self {
        Self {
            connector,
            time: HTTP_CONNECT_TIME,
        }
    }
}

impl<C> Service<Uri> for Timely<C>
where
    C: Service<Uri, Error = BoxError>,
    C::Response: 'static,
    C::Future: Send + 'static,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Connecting<C::Response, BoxError>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = timeout(self.time, self.connector.call(uri));
        Box::pin(async {
            let connected = connecting.await;
            connected.unwrap_or_else(|_| Err(ConnectError::Timeout.into()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connector whose handshake never ends.
    struct Silent;

    impl Service<Uri> for Silent {
        type Response = ();
        type Error = BoxError;
        type Future = std::future::Pending<Result<(), BoxError>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Uri) -> Self::Future {
            std::future::pending()
        }
    }

    #[tokio::test]
    async fn a_handshake_without_end_fails() {
        let mut connector = Timely {
            connector: Silent,
            time: Duration::from_millis(20),
        };
        let connected = connector.call(Uri::from_static("https://localhost"));
        let error = connected.await.expect_err("no connection");
        let error = error.downcast_ref::<ConnectError>();
        assert!(matches!(error, Some(ConnectError::Timeout)), "{error:?}");
    }
}
