//! The client of the OpenTelemetry protocol: one request for each batch, over HTTP or gRPC.
//!
//! `opentelemetry-otlp` hides the server's answers: the requested pause, rejected spans and their
//! reasons. Both protocols are one `POST` each.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use prost::Message as _;
use tokio::time::timeout;

use super::export_answer::{Answer, Refusal, answer, is_passing, retry_after, with_message};
use super::target::{Protocol, Target};
use super::{grpc, tls};
use crate::limits::EXPORT_ANSWER_BYTES;

const PROTOBUF: &str = "application/x-protobuf";

/// The client.
pub(super) struct Client {
    http: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    endpoint: Uri,
    protocol: Protocol,
    headers: HeaderMap,
    gzip: bool,
    timeout: Duration,
}

impl Client {
    /// A client, and the problems of its certificates, without which it works then.
    pub(super) fn new(target: Target) -> (Self, Vec<String>) {
        let is_encrypted = target.endpoint.scheme_str() == Some("https");
        let (tls, complaints) = tls::config(&target, is_encrypted);
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(target.timeout));
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http();
        let mut http = legacy::Client::builder(TokioExecutor::new());
        http.pool_timer(TokioTimer::new()).pool_max_idle_per_host(1);
        let connector = match target.protocol {
            Protocol::Grpc => {
                // Finds a receiver that has disappeared, so that the next batch connects again.
                http.http2_only(true)
                    .timer(TokioTimer::new())
                    .http2_keep_alive_interval(target.timeout)
                    .http2_keep_alive_timeout(target.timeout)
                    .http2_keep_alive_while_idle(true);
                https.enable_http2().wrap_connector(connector)
            }
            Protocol::Http => https.enable_http1().wrap_connector(connector),
        };
        let endpoint = match target.protocol {
            Protocol::Grpc => grpc::at(target.endpoint),
            Protocol::Http => target.endpoint,
        };
        let mut headers = target.headers;
        let own = HeaderValue::from_static(concat!("cocoon/", env!("CARGO_PKG_VERSION")));
        headers.insert(USER_AGENT, own);
        let media = match target.protocol {
            Protocol::Grpc => {
                grpc::headers(&mut headers, target.gzip, target.timeout);
                grpc::MEDIA
            }
            Protocol::Http => PROTOBUF,
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
        if target.gzip && target.protocol == Protocol::Http {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let client = Self {
            http: http.build(connector),
            endpoint,
            protocol: target.protocol,
            headers,
            gzip: target.gzip,
            timeout: target.timeout,
        };
        (client, complaints)
    }

    /// A request's body.
    pub(super) fn message(&self, request: Vec<u8>) -> Bytes {
        let message = if self.gzip { zipped(&request) } else { request };
        match self.protocol {
            Protocol::Grpc => grpc::frame(&message, self.gzip),
            Protocol::Http => message.into(),
        }
    }

    /// Sends a body once.
    pub(super) async fn send(&self, message: Bytes) -> Result<Answer, Refusal> {
        let sent = timeout(self.timeout, self.exchange(message)).await;
        sent.unwrap_or_else(|_| {
            let reason = format!("no answer within {:?}", self.timeout);
            Err(Refusal::passing(reason))
        })
    }

    async fn exchange(&self, message: Bytes) -> Result<Answer, Refusal> {
        let mut request = Request::new(Full::new(message));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.clone();
        request.headers_mut().clone_from(&self.headers);
        let response = self.http.request(request).await;
        let response = response.map_err(|error| Refusal::passing(explained(&error)))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, EXPORT_ANSWER_BYTES).collect().await;
        let (body, trailers) = match body {
            Ok(body) => {
                let trailers = body.trailers().cloned().unwrap_or_default();
                (body.to_bytes(), trailers)
            }
            // The status is enough.
            Err(_) if self.protocol == Protocol::Http => (Bytes::new(), HeaderMap::new()),
            Err(error) => {
                return Err(Refusal::passing(format!("the answer broke off: {error}")));
            }
        };
        let response = Response::from_parts(head, body);
        match self.protocol {
            Protocol::Grpc => grpc::read(&response, &trailers),
            Protocol::Http => read(&response),
        }
    }
}

/// Reads an answer over HTTP.
fn read(response: &Response<Bytes>) -> Result<Answer, Refusal> {
    let status = response.status();
    if status.is_success() {
        return Ok(answer(response.body()));
    }
    let message = match grpc::Status::decode(response.body().clone()) {
        Ok(status) if is_protobuf(response.headers()) => status.message,
        _ if is_protobuf(response.headers()) => String::new(),
        _ => String::from_utf8_lossy(response.body()).into_owned(),
    };
    Err(Refusal {
        reason: with_message(&status.to_string(), &message),
        is_passing: is_passing(status),
        retry_after: retry_after(response.headers()),
    })
}

fn is_protobuf(headers: &HeaderMap) -> bool {
    let media = headers.get(CONTENT_TYPE);
    media.is_some_and(|media| media.as_bytes().starts_with(PROTOBUF.as_bytes()))
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut zip = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to a vector never fails.
    let _ = zip.write_all(bytes);
    zip.finish().unwrap_or_default()
}

/// The reason of a failed request, with a hint where one helps.
fn explained(error: &legacy::Error) -> String {
    let mut root: &dyn Error = error;
    while let Some(source) = root.source() {
        root = source;
    }
    let reason = root.to_string();
    let hint = if reason.contains("UnknownIssuer") {
        "; use OTEL_EXPORTER_OTLP_CERTIFICATE to name the file of the certificate's authority"
    } else if reason.contains("InvalidContentType") {
        "; the endpoint does not speak TLS: use http://"
    } else if reason.contains("CertificateRequired") || reason.contains("HandshakeFailure") {
        "; use OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY if the \
         server asks for a certificate"
    } else {
        ""
    };
    reason + hint
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, headers: &[(&'static str, &str)], body: &[u8]) -> Response<Bytes> {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        response.body(body.to_vec().into()).expect("a response")
    }

    #[test]
    fn a_refusal_says_why_and_whether_it_passes() {
        let status = grpc::Status {
            message: "no\nmore".to_owned(),
            ..grpc::Status::default()
        };
        let protobuf = ("content-type", PROTOBUF);
        let body = status.encode_to_vec();
        let refused = read(&response(503, &[protobuf, ("retry-after", "7")], &body));
        let expected = Refusal {
            reason: "503 Service Unavailable: no more".to_owned(),
            is_passing: true,
            retry_after: Some(Duration::from_secs(7)),
        };
        assert_eq!(refused, Err(expected));
        let refused = read(&response(400, &[], b"bad <b>")).expect_err("a refusal");
        assert_eq!(refused.reason, "400 Bad Request: bad <b>");
        assert!(!refused.is_passing);
        let read = read(&response(200, &[], b"{}"));
        assert_eq!(read, Ok(Answer::default()));
    }
}
