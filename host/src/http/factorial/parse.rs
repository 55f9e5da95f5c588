//! What a client asks for: the one parser of every route.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::Uri;
use axum::http::request::Parts;
use serde::{Deserialize, Deserializer};
use utoipa::{IntoParams, ToSchema};

use super::openapi::Whole;
use super::problem::Problem;
use crate::error::RunError;
use crate::factorial::{Format, Kind, Request};
use crate::json::Object;
use crate::limits::Limit;

/// A line of a batch, for messages.
pub(super) const EXAMPLE_LINE: &str = r#"{"n": 20, "kind": "factorial"}"#;

/// A request as it is typed, in a path and a query or as a line of a batch.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BatchRequest)]
pub(super) struct Typed {
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

/// The value of a field that is there, which is not null.
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

/// A request that was understood.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) request: Request,
    /// How long the client waits, in milliseconds.
    pub(super) patience_ms: u64,
}

/// The query of a route that computes.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is what the API's description is made of")]
pub(super) struct AskedQuery {
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

/// The query of a route that knows a number without computing it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is what the API's description is made of")]
pub(super) struct KindQuery {
    /// The kind of factorial; `factorial` by default
    #[param(value_type = Kind, required = false, example = "factorial")]
    kind: Option<String>,
}

impl Asked {
    /// Reads `/{n}?kind=…&format=…&proved=…&timeout=…`.
    pub(super) fn from_uri(n: &str, uri: &Uri) -> Result<Self, Problem> {
        let mut typed = Typed {
            n: number(n)?,
            ..Typed::default()
        };
        for (name, value) in parameters(uri)? {
            let again = match name.as_str() {
                "kind" => typed.kind.replace(value).is_some(),
                "format" => typed.format.replace(value).is_some(),
                "timeout" => typed.timeout.replace(value).is_some(),
                "proved" => typed.proved.replace(yes_or_no(&value)?).is_some(),
                _ => return Err(unknown(&name, "kind, format, proved and timeout")),
            };
            if again {
                return Err(twice(&name));
            }
        }
        typed.understand()
    }

    /// Reads one line of a batch.
    pub(super) fn from_json(line: &[u8]) -> Result<Self, Problem> {
        let Object(typed) = serde_json::from_slice::<Object<Typed>>(line).map_err(|error| {
            Problem::malformed(format!("expected a line such as {EXAMPLE_LINE}: {error}"))
        })?;
        typed.understand()
    }

    /// The problem of the job that ended with `error`. A deadline that the client lowered
    /// is named as the client knows it.
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

impl Typed {
    fn understand(self) -> Result<Asked, Problem> {
        let patience_ms = match &self.timeout {
            None => u64::MAX,
            Some(text) => Limit::Deadline
                .parse(text)
                .map_err(|wrong| Problem::malformed(format!("timeout: {wrong}")))?,
        };
        Ok(Asked {
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

/// Reads `/{n}?kind=…`, where nothing is computed.
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
