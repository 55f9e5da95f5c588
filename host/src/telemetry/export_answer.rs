//! The answer of a receiver of spans to a batch.

use std::time::{Duration, SystemTime};

use hyper::StatusCode;
use hyper::header::{HeaderMap, RETRY_AFTER};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;

use crate::limits::EXPORT_MESSAGE_CHARS;
use crate::text::one_line;

/// The server's answer to an accepted batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// Spans that it rejected.
    pub(super) rejected: u64,
    /// The reason, or a warning; empty without either.
    pub(super) message: String,
}

/// The error of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: String,
    /// Whether a retry may succeed.
    pub(super) is_passing: bool,
    /// The pause that the server requests.
    pub(super) retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal that may pass.
    pub(super) fn passing(reason: String) -> Self {
        Self {
            reason,
            is_passing: true,
            retry_after: None,
        }
    }
}

/// Whether the same request may succeed later.
pub(super) fn is_passing(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

/// The answer to an accepted batch.
pub(super) fn answer(message: &[u8]) -> Answer {
    let partial = ExportTraceServiceResponse::decode(message).unwrap_or_default();
    let Some(partial) = partial.partial_success else {
        return Answer::default();
    };
    Answer {
        rejected: u64::try_from(partial.rejected_spans).unwrap_or(0),
        message: one_line(&partial.error_message, EXPORT_MESSAGE_CHARS),
    }
}

/// `what`, followed by the server's message, if any.
pub(super) fn with_message(what: &str, message: &str) -> String {
    match one_line(message, EXPORT_MESSAGE_CHARS) {
        message if message.is_empty() => what.to_owned(),
        message => format!("{what}: {message}"),
    }
}

/// The value of `Retry-After`: seconds, or the time until a date.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_wait_is_seconds_or_a_date() {
        let after = |text: &str| {
            let value = text.parse().expect("a header");
            retry_after(&[(RETRY_AFTER, value)].into_iter().collect())
        };
        assert_eq!(after("120"), Some(Duration::from_mins(2)));
        let most = "99999999999999999999999";
        assert_eq!(after(most), Some(Duration::from_secs(u64::MAX)));
        let past = "Wed, 21 Oct 2015 07:28:00 GMT";
        assert_eq!(after(past), Some(Duration::ZERO));
        let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_mins(1));
        assert!(after(&soon).is_some_and(|after| after > Duration::from_secs(50)));
        for wrong in ["", "-1", "soon", "1.5"] {
            assert_eq!(after(wrong), None, "{wrong}");
        }
    }
}
