//! The frame, the headers and the status of a unary call over gRPC.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use bytes::{BufMut as _, Bytes, BytesMut};
use hyper::header::{HeaderMap, HeaderName, HeaderValue, TE};
use hyper::http::uri::PathAndQuery;
use hyper::{Response, StatusCode, Uri};
use prost::Message as _;

use super::export_answer::{Answer, Refusal, answer, is_passing, retry_after, with_message};
use super::variables::decoded;

pub(super) const MEDIA: &str = "application/grpc";
const METHOD: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
/// The bytes before a message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;

/// `google.rpc.Status`, which is also the body of errors over HTTP.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Status {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
    #[prost(string, tag = "2")]
    pub(super) message: String,
    #[prost(message, repeated, tag = "3")]
    pub(super) details: Vec<Detail>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Detail {
    #[prost(string, tag = "1")]
    pub(super) type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, prost::Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    delay: Option<Delay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, prost::Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// The method at a server.
pub(super) fn at(endpoint: Uri) -> Uri {
    let mut parts = endpoint.into_parts();
    parts.path_and_query = Some(PathAndQuery::from_static(METHOD));
    Uri::from_parts(parts).unwrap_or_default()
}

/// Adds the headers of a call.
pub(super) fn headers(headers: &mut HeaderMap, gzip: bool, timeout: Duration) {
    headers.insert(TE, HeaderValue::from_static("trailers"));
    if gzip {
        let name = HeaderName::from_static("grpc-encoding");
        headers.insert(name, HeaderValue::from_static("gzip"));
    }
    // Eight digits at most.
    let ms = timeout.as_millis().min(99_999_999);
    if let Ok(value) = HeaderValue::try_from(format!("{ms}m")) {
        headers.insert(HeaderName::from_static("grpc-timeout"), value);
    }
}

/// A message in its frame.
pub(super) fn frame(message: &[u8], gzip: bool) -> Bytes {
    let mut frame = BytesMut::with_capacity(PREFIX_BYTES + message.len());
    frame.put_u8(gzip.into());
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(message);
    frame.freeze()
}

/// Reads the server's answer.
pub(super) fn read(response: &Response<Bytes>, trailers: &HeaderMap) -> Result<Answer, Refusal> {
    let head = response.headers();
    // Without a message, the trailers are in the head.
    let field = |name: &str| trailers.get(name).or_else(|| head.get(name));
    let code: Option<i32> =
        field("grpc-status").and_then(|code| code.to_str().ok()?.trim().parse().ok());
    let text = field("grpc-message").and_then(|text| text.to_str().ok());
    let message = text.map(|text| decoded(text).unwrap_or_else(|| text.to_owned()));
    let message = message.unwrap_or_default();
    let Some(code) = code else {
        let status = response.status();
        let reason = if status == StatusCode::OK {
            "expected a gRPC response, got one without a grpc-status".to_owned()
        } else {
            format!("expected a gRPC response, got {status}")
        };
        return Err(Refusal {
            reason,
            is_passing: is_passing(status),
            retry_after: retry_after(head),
        });
    };
    if code == 0 {
        let message = response.body().get(PREFIX_BYTES..).unwrap_or_default();
        return Ok(answer(message));
    }
    let details = field("grpc-status-details-bin").and_then(|details| {
        let text = details.to_str().ok()?.trim_end_matches('=');
        let bytes = BASE64_STANDARD_NO_PAD.decode(text).ok()?;
        Status::decode(bytes.as_slice()).ok()
    });
    let delay = details.as_ref().and_then(delay);
    // OTLP requires a retry after these codes, and after RESOURCE_EXHAUSTED if the server names a
    // pause.
    let is_passing = matches!(code, 1 | 4 | 10 | 11 | 14 | 15) || code == 8 && delay.is_some();
    Err(Refusal {
        reason: with_message(&name(code), &message),
        is_passing,
        retry_after: delay.or_else(|| retry_after(head)),
    })
}

/// The pause that the server requests.
fn delay(status: &Status) -> Option<Duration> {
    let mut details = status.details.iter();
    let info = details.find(|it| it.type_url.ends_with("/google.rpc.RetryInfo"))?;
    let info = RetryInfo::decode(info.value.as_slice()).ok()?;
    let Delay { seconds, nanos } = info.delay?;
    let nanos = u32::try_from(nanos).ok().filter(|it| *it < 1_000_000_000)?;
    Some(Duration::new(u64::try_from(seconds).ok()?, nanos))
}

/// A code by its name.
fn name(code: i32) -> String {
    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    let known = usize::try_from(code).ok().and_then(|at| NAMES.get(at));
    known.map_or_else(|| format!("grpc-status {code}"), |&name| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trailers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut trailers = HeaderMap::new();
        for (name, value) in fields {
            trailers.insert(*name, value.parse().expect("a value"));
        }
        trailers
    }

    #[test]
    fn a_frame_has_a_flag_and_a_length() {
        assert_eq!(frame(b"abc", false), &b"\0\0\0\0\x03abc"[..]);
        assert_eq!(frame(b"", true), &b"\x01\0\0\0\0"[..]);
        let uri = at(Uri::from_static("https://a:1"));
        assert_eq!(uri.to_string(), format!("https://a:1{METHOD}"));
    }

    #[test]
    fn the_status_determines_retries() {
        let response = Response::new(Bytes::from_static(b"\0\0\0\0\0"));
        let read = |fields: &[(&'static str, &str)]| read(&response, &trailers(fields));
        assert_eq!(read(&[("grpc-status", "0")]), Ok(Answer::default()));
        let refused = read(&[("grpc-status", "14"), ("grpc-message", "not%20now")]);
        let expected = Refusal {
            reason: "UNAVAILABLE: not now".to_owned(),
            is_passing: true,
            retry_after: None,
        };
        assert_eq!(refused, Err(expected));
        let exhausted = read(&[("grpc-status", "8")]).expect_err("a refusal");
        assert!(!exhausted.is_passing);
        let info = RetryInfo {
            delay: Some(Delay {
                seconds: 3,
                nanos: 5,
            }),
        };
        let details = Status {
            code: 8,
            message: String::new(),
            details: vec![Detail {
                type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(),
                value: info.encode_to_vec(),
            }],
        };
        let details = BASE64_STANDARD_NO_PAD.encode(details.encode_to_vec());
        let exhausted = read(&[("grpc-status", "8"), ("grpc-status-details-bin", &details)]);
        let exhausted = exhausted.expect_err("a refusal");
        assert!(exhausted.is_passing);
        assert_eq!(exhausted.retry_after, Some(Duration::new(3, 5)));
        let none = read(&[]).expect_err("a refusal");
        assert!(none.reason.contains("grpc-status"), "{none:?}");
    }
}
