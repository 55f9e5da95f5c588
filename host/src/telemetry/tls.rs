//! TLS to the receiver of spans: trusted authorities, and the client's certificate.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::target::Target;

const CERTIFICATE: &str = "OTEL_EXPORTER_OTLP_CERTIFICATE";
const CLIENT: &str = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY";

/// The configuration, and the problems of the files of `target`, which are left out then. Without
/// encryption, no file is read.
pub(super) fn config(target: &Target, is_encrypted: bool) -> (ClientConfig, Vec<String>) {
    let mut complaints = Vec::new();
    let mut roots = RootCertStore::empty();
    if is_encrypted {
        match target.certificate.as_deref().map(certificates) {
            Some(Ok(given)) => {
                roots.add_parsable_certificates(given);
            }
            Some(Err(reason)) => {
                complaints.push(format!(
                    "invalid file for {CERTIFICATE}: {reason}; using the system's roots"
                ));
                add_system(&mut roots, &mut complaints);
            }
            None => add_system(&mut roots, &mut complaints),
        }
    }
    let builder = || {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions();
        let builder = builder.expect("a provider with the usual versions");
        builder.with_root_certificates(roots.clone())
    };
    let client = target.client.as_ref().filter(|_| is_encrypted);
    let Some((certificate, key)) = client else {
        return (builder().with_no_client_auth(), complaints);
    };
    let config = certificates(certificate).and_then(|chain| {
        let key = PrivateKeyDer::from_pem_file(key)
            .map_err(|error| format!("{}: {error}", key.display()))?;
        let config = builder().with_client_auth_cert(chain, key);
        config.map_err(|error| error.to_string())
    });
    let config = config.unwrap_or_else(|reason| {
        complaints.push(format!(
            "invalid file for {CLIENT}: {reason}; using neither"
        ));
        builder().with_no_client_auth()
    });
    (config, complaints)
}

/// The certificates in a file, of which there is one at least.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path);
    match read.and_then(Iterator::collect::<Result<Vec<_>, _>>) {
        Ok(found) if found.is_empty() => Err(format!(
            "expected a certificate in PEM, got none in {}",
            path.display()
        )),
        Ok(found) => Ok(found),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// Adds the authorities that the system trusts, or those of `SSL_CERT_FILE` and
/// `SSL_CERT_DIR`.
fn add_system(roots: &mut RootCertStore, complaints: &mut Vec<String>) {
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let reason = match found.errors.first() {
            Some(error) => format!(": {error}"),
            None => String::new(),
        };
        complaints.push(format!(
            "expected root certificates of the system, got none{reason}; use {CERTIFICATE} to name a file of them"
        ));
    }
}
