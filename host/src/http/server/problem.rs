//! Problems: the errors that a client receives (RFC 9457).

use std::num::NonZeroU32;
#[cfg(feature = "compiler")]
use std::time::Duration;

use axum::http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, UPGRADE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::access_log::Reason;
use crate::error::RunError;
use crate::limits::Limit;

/// The media type of a problem.
pub const PROBLEM_JSON: &str = "application/problem+json";
/// `Retry-After` of a busy service, in seconds.
pub(super) const RETRY_AFTER_SECONDS: &str = "1";

/// Why there is no answer.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// The kind of problem, for programs.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference", example = "urn:cocoon:problem:too-large")]
    name: &'static str,
    /// The status in words.
    #[schema(example = "Unprocessable Entity")]
    title: &'static str,
    /// The status of the response that it is, or would be.
    #[schema(example = 422, minimum = 400, maximum = 599)]
    status: u16,
    /// The expected input, and the received one.
    detail: Box<str>,
    /// The limit that the request met, by the name of its flag.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "output")]
    limit: Option<&'static str>,
    /// The value of that limit, in bytes, milliseconds or as a count.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    value: Option<u64>,
    /// The need of the request, in the same unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    needed: Option<u64>,
    /// The route of the handler.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    route: Option<Box<str>>,
    #[serde(skip)]
    #[schema(ignore)]
    retry_seconds: Option<NonZeroU32>,
}

impl Problem {
    /// A problem of HTTP itself, which has no name but its status.
    pub fn plain(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            name: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into().into(),
            limit: None,
            value: None,
            needed: None,
            route: None,
            retry_seconds: None,
        }
    }

    /// A request past the rate of a route, after `wait` of which it may be sent again.
    #[cfg(feature = "compiler")]
    pub(crate) fn past_rate(detail: String, wait: Duration) -> Self {
        // Rounded up: a client that retries then is served.
        let seconds = u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
        Self {
            name: "urn:cocoon:problem:rate",
            retry_seconds: NonZeroU32::new(seconds.max(1)),
            ..Self::plain(StatusCode::TOO_MANY_REQUESTS, detail)
        }
    }

    /// The same, of a request to the handler of `route`.
    #[cfg(feature = "compiler")]
    #[must_use]
    pub(crate) fn of_route(self, route: &str) -> Self {
        Self {
            route: Some(route.into()),
            ..self
        }
    }

    /// A problem of a job.
    fn of_job(status: StatusCode, name: &'static str, error: &RunError) -> Self {
        Self {
            name,
            ..Self::plain(status, error.to_string())
        }
    }

    /// The same, with the limit that was met.
    #[must_use]
    pub fn of_limit(self, limit: Limit, value: u64) -> Self {
        Self {
            limit: Some(limit.spec().flag),
            value: Some(value),
            ..self
        }
    }

    /// The same, with other words.
    #[must_use]
    pub fn with_detail(self, detail: impl Into<String>) -> Self {
        Self {
            detail: detail.into().into(),
            ..self
        }
    }

    /// A malformed request; `detail` says what is expected.
    pub fn malformed(detail: impl Into<String>) -> Self {
        RunError::Malformed(detail.into()).into()
    }

    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The problem as one JSON object.
    pub fn to_json(&self) -> Vec<u8> {
        // Serializing it cannot fail.
        serde_json::to_vec(self).unwrap_or_else(|_| b"{}".to_vec())
    }
}

/// The status of each error of a job. The names are for programs.
impl From<RunError> for Problem {
    fn from(error: RunError) -> Self {
        const TOO_MUCH: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
        const BROKEN: StatusCode = StatusCode::BAD_GATEWAY;
        match error {
            RunError::Malformed(_) => Self::of_job(
                StatusCode::BAD_REQUEST,
                "urn:cocoon:problem:malformed",
                &error,
            ),
            RunError::TooLarge {
                limit,
                value,
                needed,
                ..
            } => {
                let status = match limit {
                    Limit::RequestBody => StatusCode::PAYLOAD_TOO_LARGE,
                    _ => TOO_MUCH,
                };
                Self {
                    needed: Some(needed),
                    ..Self::of_job(status, "urn:cocoon:problem:too-large", &error)
                        .of_limit(limit, value)
                }
            }
            RunError::OutOfReach(_) => {
                Self::of_job(TOO_MUCH, "urn:cocoon:problem:out-of-reach", &error)
            }
            RunError::Busy { limit, value } => Self::of_job(
                StatusCode::SERVICE_UNAVAILABLE,
                "urn:cocoon:problem:busy",
                &error,
            )
            .of_limit(limit, value),
            RunError::Stopped { limit, value } => {
                let status = match limit {
                    Limit::Deadline => StatusCode::GATEWAY_TIMEOUT,
                    Limit::Stall => StatusCode::REQUEST_TIMEOUT,
                    Limit::RequestBody => StatusCode::PAYLOAD_TOO_LARGE,
                    _ => BROKEN,
                };
                Self::of_job(status, "urn:cocoon:problem:stopped", &error).of_limit(limit, value)
            }
            RunError::OverPromise { promised_bytes } => {
                Self::of_job(BROKEN, "urn:cocoon:problem:over-promise", &error)
                    .of_limit(Limit::SandboxMemory, promised_bytes)
            }
            RunError::Trapped { .. } => Self::of_job(BROKEN, "urn:cocoon:problem:trapped", &error),
            RunError::Failed(_) => Self::of_job(BROKEN, "urn:cocoon:problem:failed", &error),
            RunError::ReaderGone => Self::of_job(BROKEN, "urn:cocoon:problem:reader-gone", &error),
            RunError::WriterGone => Self::of_job(BROKEN, "urn:cocoon:problem:writer-gone", &error),
            RunError::Upstream(cause) => Self::from(cause.cause()),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let retry_seconds = self.retry_seconds;
        let mut response = (status, self.to_json()).into_response();
        response.extensions_mut().insert(Reason(self.detail.into()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = retry_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.get()));
        } else if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
        }
        response
    }
}

/// The refusal of a client of HTTP/1.0, which cannot see that a body without a length was cut.
pub(crate) fn too_old() -> Response {
    let mut response = Problem::plain(
        StatusCode::UPGRADE_REQUIRED,
        "expected HTTP/1.1 or HTTP/2 for an answer of unknown length, got HTTP/1.0, which cannot \
         mark its end",
    )
    .into_response();
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("HTTP/1.1"));
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    response
}
