//! TLS to Redis: the system's certificate authorities, and the crypto provider of this program.

use std::sync::Arc;

use redis::{ErrorKind, RedisError, RedisResult};
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::QueueError;

/// Makes encrypted connections.
#[derive(Clone)]
pub(super) struct Tls(TlsConnector);

impl Tls {
    /// Trusts the authorities of the system, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    pub(super) fn new() -> Result<Self, QueueError> {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            return Err(QueueError::Unreadable(
                "expected root certificates of the system for rediss://, got none; use SSL_CERT_FILE to name a file of them"
                    .to_owned(),
            ));
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config
            .with_safe_default_protocol_versions()
            .map_err(|error| QueueError::Unreadable(error.to_string()))?;
        let config = config.with_root_certificates(roots).with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    pub(super) async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> RedisResult<TlsStream<TcpStream>> {
        let name =
            ServerName::try_from(host.to_owned()).map_err(|error| wrong(error.to_string()))?;
        let connected = self.0.connect(name, stream).await;
        connected.map_err(|error| {
            let of_tls = error.get_ref().and_then(|inner| inner.downcast_ref());
            match of_tls {
                // It stays wrong, however often it is tried.
                Some(rustls::Error::InvalidCertificate(_)) => wrong(error.to_string()),
                _ => error.into(),
            }
        })
    }
}

fn wrong(reason: String) -> RedisError {
    let expected = "expected a certificate of this host by a trusted authority";
    RedisError::from((ErrorKind::InvalidClientConfig, expected, reason))
}
