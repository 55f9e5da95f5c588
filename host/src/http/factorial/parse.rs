//! The parser of requests, for all routes.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::Uri;
use axum::http::request::Parts;
use serde::{Deserialize, Deserializer};
use utoipa::{IntoParams, ToSchema};

use super::openapi::Whole;
use crate::error::RunError;
use crate::http::server::Problem;
use crate::json::Object;
use crate::limits::Limit;
use crate::worlds::factorial::{Factorial, Format, Job, Kind, Request};

/// A line of a batch, for messages.
pub(super) const EXAMPLE_LINE: &str = r#"{"n": 20, "kind": "factorial"}"#;

/// The fields of a request as text, from a path and a query or a line of a batch.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BatchRequest)]
pub(super) struct RequestFields {
    /// The number whose factorial is meant.
    #[schema(value_type = Whole)]
    n: u64,
    /// The kind of factorial; `factorial` by default.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Kind, required = false)]
    kind: Option<String>,
    /// The format of the number; `decimal` by default.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Format, required = false)]
    format: Option<String>,
    /// Whether every product must be proved exact.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    proved: Option<bool>,
    /// The time that the client waits; it lowers the deadline, and never raises it.
    #[serde(default, deserialize_with = "present")]
    #[schema(
        nullable = false,
        example = "5s",
        pattern = "^[1-9][0-9]{0,5}(ms|s|m|h)$"
    )]
    timeout: Option<String>,
}

/// Reads a field that must not be null.
fn present<'de, D, T>(value: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(value).map(Some)
}

/// The one variable segment of a path, decoded.
pub(super) struct Segment(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(segment)) => Ok(Self(segment)),
            Err(_) => Err(Problem::malformed(
                "expected a path of UTF-8 after percent-decoding, got other bytes",
            )),
        }
    }
}

/// A parsed request.
#[derive(Clone, Copy, Debug)]
pub(super) struct ParsedRequest {
    pub(super) request: Request,
    /// The client's patience in milliseconds; `u64::MAX` without a limit.
    pub(super) patience_ms: u64,
}

/// The query of a route that computes.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "the API's description is derived from it")]
pub(super) struct RequestQuery {
    /// The kind of factorial; `factorial` by default
    #[param(value_type = Kind, required = false, example = "factorial")]
    kind: Option<String>,
    /// The format of the number; `decimal` by default
    #[param(value_type = Format, required = false, example = "decimal")]
    format: Option<String>,
    /// Whether every product must be proved exact
    #[param(nullable = false)]
    proved: Option<bool>,
    /// The time that the client waits; it lowers the deadline, and never raises it
    #[param(
        nullable = false,
        example = "5s",
        pattern = "^[1-9][0-9]{0,5}(ms|s|m|h)$"
    )]
    timeout: Option<String>,
}

/// The query of a route that does not compute the number.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "the API's description is derived from it")]
pub(super) struct KindQuery {
    /// The kind of factorial; `factorial` by default
    #[param(value_type = Kind, required = false, example = "factorial")]
    kind: Option<String>,
}

impl ParsedRequest {
    /// Reads `/{n}?kind=…&format=…&proved=…&timeout=…`.
    pub(super) fn from_uri(n: &str, uri: &Uri) -> Result<Self, Problem> {
        let mut fields = RequestFields {
            n: number(n)?,
            ..RequestFields::default()
        };
        for (name, value) in parameters(uri)? {
            let again = match name.as_str() {
                "kind" => fields.kind.replace(value).is_some(),
                "format" => fields.format.replace(value).is_some(),
                "timeout" => fields.timeout.replace(value).is_some(),
                "proved" => fields.proved.replace(yes_or_no(&value)?).is_some(),
                _ => return Err(unknown(&name, "kind, format, proved and timeout")),
            };
            if again {
                return Err(twice(&name));
            }
        }
        fields.parse()
    }

    /// A request for all digits of the `kind` of `n`, by a client that waits for the deadline.
    pub(super) const fn decimal(kind: Kind, n: u64) -> Self {
        Self {
            request: Request::decimal(kind, n),
            patience_ms: u64::MAX,
        }
    }

    /// Reads one line of a batch.
    pub(super) fn from_json(line: &[u8]) -> Result<Self, Problem> {
        let Object(fields) =
            serde_json::from_slice::<Object<RequestFields>>(line).map_err(|error| {
                Problem::malformed(format!("expected a line such as {EXAMPLE_LINE}: {error}"))
            })?;
        fields.parse()
    }

    /// Admits the request, for as long as the client waits.
    ///
    /// # Errors
    ///
    /// As [`Factorial::admit_within`].
    pub(super) async fn admit(&self, factorial: &Factorial) -> Result<Job, RunError> {
        factorial.admit_within(self.request, self.patience_ms).await
    }

    /// The problem for the `error` of the job. It names a deadline that the client lowered as
    /// `timeout`.
    pub(super) fn problem(&self, error: RunError) -> Problem {
        let lowered = match error {
            RunError::Stopped {
                limit: Limit::Deadline,
                value,
            } if value == self.patience_ms => Some(Limit::Deadline.format(value)),
            _ => None,
        };
        let problem = Problem::from(error);
        match lowered {
            Some(timeout) => problem.with_detail(format!(
                "stopped by the timeout of the request ({timeout}); use a longer `timeout`, or \
                 none for the deadline of the service"
            )),
            None => problem,
        }
    }
}

impl RequestFields {
    fn parse(self) -> Result<ParsedRequest, Problem> {
        let patience_ms = match &self.timeout {
            None => u64::MAX,
            Some(text) => Limit::Deadline
                .parse(text)
                .map_err(|wrong| Problem::malformed(format!("timeout: {wrong}")))?,
        };
        Ok(ParsedRequest {
            request: Request {
                kind: kind(self.kind.as_deref())?,
                n: self.n,
                format: parsed("format", self.format.as_deref(), Format::Decimal)?,
                proved: self.proved.unwrap_or(false),
            },
            patience_ms,
        })
    }
}

/// Reads `/{n}?kind=…`, of a route without a computation.
pub(super) fn kind_from_uri(n: &str, uri: &Uri) -> Result<(Kind, u64), Problem> {
    let n = number(n)?;
    let mut kind_text = None;
    for (name, value) in parameters(uri)? {
        if name != "kind" {
            return Err(unknown(&name, "kind"));
        }
        if kind_text.replace(value).is_some() {
            return Err(twice(&name));
        }
    }
    Ok((kind(kind_text.as_deref())?, n))
}

/// Reads `/{n}` without any query.
pub(super) fn number_from_uri(n: &str, uri: &Uri) -> Result<u64, Problem> {
    match parameters(uri)?.first() {
        None => number(n),
        Some((name, _)) => Err(Problem::malformed(format!(
            "`{name}` is no parameter here; there are none"
        ))),
    }
}

fn number(text: &str) -> Result<u64, Problem> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let n = text.parse().ok().filter(|_| is_plain);
    n.ok_or_else(|| {
        Problem::malformed(format!(
            "`{text}` is no N; it is a whole number from 0 to {}",
            u64::MAX
        ))
    })
}

fn kind(text: Option<&str>) -> Result<Kind, Problem> {
    parsed("kind", text, Kind::Factorial)
}

fn parsed<T: FromStr<Err = String>>(
    name: &str,
    text: Option<&str>,
    default: T,
) -> Result<T, Problem> {
    text.map_or(Ok(default), |text| {
        text.parse()
            .map_err(|wrong| Problem::malformed(format!("`{text}` is no {name}; {wrong}")))
    })
}

fn parameters(uri: &Uri) -> Result<Vec<(String, String)>, Problem> {
    if uri.query().is_none() {
        return Ok(Vec::new());
    }
    match Query::try_from_uri(uri) {
        Ok(Query(parameters)) => Ok(parameters),
        Err(error) => Err(Problem::malformed(format!(
            "expected a query of names and values: {error}"
        ))),
    }
}

fn yes_or_no(text: &str) -> Result<bool, Problem> {
    match text {
        "" | "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(Problem::malformed(format!(
            "proved is true or false, not `{text}`"
        ))),
    }
}

fn unknown(name: &str, known: &str) -> Problem {
    Problem::malformed(format!("`{name}` is no parameter here; there are {known}"))
}

fn twice(name: &str) -> Problem {
    Problem::malformed(format!("`{name}` is given twice; give it once"))
}
