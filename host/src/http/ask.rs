//! What a client asks for: the one parser of every route.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::Uri;
use axum::http::request::Parts;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::problem::Problem;
use crate::factorial::{Format, Kind, Request};
use crate::json::Object;
use crate::limits::Limit;

/// A request as it is typed, in a path and a query or as a line of a batch.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Typed {
    /// The number whose factorial is meant.
    #[schema(example = 20)]
    n: u64,
    /// Which factorial; `factorial` where none is given.
    #[schema(example = "factorial")]
    kind: Option<String>,
    /// How it is written; `decimal` where nothing is given.
    #[schema(example = "decimal")]
    format: Option<String>,
    /// Whether every product must be proved exact.
    proved: Option<bool>,
    /// How long the client waits; it can lower the deadline, not raise it.
    #[schema(example = "5s")]
    timeout: Option<String>,
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
    /// factorial, double, multi:K, subfactorial, primorial, superfactorial,
    /// hyperfactorial or alternating
    #[param(example = "factorial")]
    kind: Option<String>,
    /// decimal or scientific:DIGITS
    #[param(example = "decimal")]
    format: Option<String>,
    /// Whether every product must be proved exact
    proved: Option<bool>,
    /// How long the client waits; it can lower the deadline, not raise it
    #[param(example = "5s")]
    timeout: Option<String>,
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
            Problem::malformed(format!(
                "expected a line such as {{\"n\": 20, \"kind\": \"factorial\"}}: {error}"
            ))
        })?;
        typed.understand()
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
    text.parse().map_err(|_| {
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
