//! The receiver of spans, from OpenTelemetry's variables.

use std::path::PathBuf;
use std::time::Duration;

use hyper::Uri;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use super::variables::{Variables, pairs};
use crate::limits::EXPORT_TIMEOUT;

/// The receiver of spans, and how to reach it.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) endpoint: Uri,
    pub(super) protocol: Protocol,
    pub(super) headers: HeaderMap,
    pub(super) gzip: bool,
    pub(super) timeout: Duration,
    /// The file of trusted authorities, in place of the system's.
    pub(super) certificate: Option<PathBuf>,
    /// The files of the client's certificate and key.
    pub(super) client: Option<(PathBuf, PathBuf)>,
}

/// The protocol of the export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Grpc,
    Http,
}

/// The variables of one setting: for spans alone, and for all that is exported.
macro_rules! otlp {
    ($name:literal) => {
        &[
            concat!("OTEL_EXPORTER_OTLP_TRACES_", $name),
            concat!("OTEL_EXPORTER_OTLP_", $name),
        ]
    };
}

pub(super) fn target(from: &mut Variables) -> Option<Target> {
    let exporter = from.parse(
        &["OTEL_TRACES_EXPORTER"],
        "otlp or none",
        |text| match text {
            "otlp" => Some(true),
            "none" => Some(false),
            _ => None,
        },
    );
    let protocol = from.parse(
        otlp!("PROTOCOL"),
        "http/protobuf or grpc",
        |text| match text {
            "grpc" => Some(Protocol::Grpc),
            "http/protobuf" => Some(Protocol::Http),
            _ => None,
        },
    );
    let protocol = protocol.unwrap_or(Protocol::Http);
    let insecure = from.parse(otlp!("INSECURE"), "true or false", |text| {
        text.to_ascii_lowercase().parse::<bool>().ok()
    });
    let given = from.first(otlp!("ENDPOINT"));
    let is_given = given.is_some();
    let endpoint = given.and_then(|set| {
        let is_whole = set.name == "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
        let endpoint = endpoint(&set.value, protocol, is_whole, insecure == Some(true));
        if endpoint.is_none() {
            // Its value may have a password.
            from.say(format!(
                "invalid value for {}: expected http://HOST:PORT or https://HOST:PORT; using the default",
                set.name
            ));
        }
        endpoint
    });
    let endpoint = endpoint.unwrap_or_else(|| match protocol {
        Protocol::Grpc => Uri::from_static("http://localhost:4317"),
        Protocol::Http => Uri::from_static("http://localhost:4318/v1/traces"),
    });
    let gzip = from.parse(otlp!("COMPRESSION"), "gzip or none", |text| match text {
        "gzip" => Some(true),
        "none" => Some(false),
        _ => None,
    });
    let timeout = from.milliseconds(otlp!("TIMEOUT"));
    let mut file = |names: &[&'static str]| from.first(names).map(|set| PathBuf::from(set.value));
    let certificate = file(otlp!("CERTIFICATE"));
    let client = (file(otlp!("CLIENT_CERTIFICATE")), file(otlp!("CLIENT_KEY")));
    let client = match client {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => {
            let names = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY";
            from.say(format!(
                "expected both or neither of {names}; using neither"
            ));
            None
        }
    };
    let headers = headers(from);
    exporter.unwrap_or(is_given).then_some(Target {
        endpoint,
        protocol,
        headers,
        gzip: gzip.unwrap_or(false),
        timeout: timeout.unwrap_or(EXPORT_TIMEOUT),
        certificate,
        client,
    })
}

/// The address that spans are sent to. Over HTTP, one for all that is exported lacks the
/// path; over gRPC, an address may lack the scheme.
fn endpoint(text: &str, protocol: Protocol, is_whole: bool, insecure: bool) -> Option<Uri> {
    let text = match (protocol, text.contains("://")) {
        (_, true) => text.to_owned(),
        (Protocol::Grpc, false) if insecure => format!("http://{text}"),
        (Protocol::Grpc, false) => format!("https://{text}"),
        (Protocol::Http, false) => return None,
    };
    let text = match protocol {
        Protocol::Http if !is_whole => format!("{}/v1/traces", text.trim_end_matches('/')),
        _ => text,
    };
    let uri: Uri = text.parse().ok()?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    let authority = uri.authority()?;
    let fits = is_http && !authority.host().is_empty() && !authority.as_str().contains('@');
    fits.then_some(uri)
}

/// The headers, whose values may be secret, and so are not in the complaint.
fn headers(from: &mut Variables) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Some(set) = from.first(otlp!("HEADERS")) else {
        return headers;
    };
    let read = pairs(&set.value).and_then(|pairs| {
        pairs
            .into_iter()
            .map(|(name, value)| {
                let name = name.parse::<HeaderName>().ok()?;
                Some((name, HeaderValue::try_from(value).ok()?))
            })
            .collect::<Option<Vec<_>>>()
    });
    match read {
        Some(read) => headers.extend(read),
        None => from.say(format!(
            "invalid value for {}: expected name=value,name=value, percent-encoded; sending none",
            set.name
        )),
    }
    headers
}
