//! `GET /kinds/{n}` and `GET /info/{n}`: one of each kind, and facts without a computation.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use futures::StreamExt as _;
use serde::Serialize;
use utoipa::ToSchema;

use super::Service;
use super::openapi::Whole;
use super::parse::{self, KindQuery, ParsedRequest, Segment};
use super::response::{self, Answer};
use crate::error::RunError;
use crate::http::server::{
    Codings, CommonRefusals, JobRefusals, Problem, Representation, negotiate,
};
use crate::json::to_json;
use crate::worlds::factorial::{Factorial, FactsRecord, Kind, ONE_OF_EACH_KIND};

const JSON: &str = "application/json";
const MEDIA: &[(&str, ())] = &[(JSON, ())];

fn json(codings: Codings, record: &impl Serialize) -> Result<Response, Problem> {
    let representation = Representation::fresh(JSON).negotiated();
    Ok(representation.whole(codings, to_json(record)?))
}

/// One kind of factorial of a number.
#[derive(Serialize, ToSchema)]
pub(super) struct OneKind {
    /// The kind, in the form of the parameter `kind`.
    #[schema(value_type = Kind)]
    kind: String,
    /// The mathematical notation.
    #[schema(required = true, example = "10!!")]
    notation: Option<String>,
    /// The digits of a short number.
    #[schema(required = true, example = "3840")]
    value: Option<String>,
    /// The problem in place of a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    problem: Option<Problem>,
}

/// Each kind of factorial of n, each from its own sandbox.
#[utoipa::path(
    get,
    path = "/kinds/{n}",
    params(("n" = inline(Whole), Path, description = "The number whose factorials are computed", example = 10)),
    responses(
        (status = 200, description = "One of each kind", body = [OneKind]),
        CommonRefusals,
        JobRefusals,
    )
)]
pub(super) async fn kinds(
    State(service): State<Service>,
    Segment(n): Segment,
    uri: Uri,
    headers: HeaderMap,
    codings: Codings,
) -> Result<Response, Problem> {
    let n = parse::number_from_uri(&n, &uri)?;
    negotiate(&headers, MEDIA)?;
    let kinds = futures::stream::iter(ONE_OF_EACH_KIND)
        .map(|kind| {
            let factorial = service.factorial().clone();
            service
                .server()
                .run_on_workers(one_kind(factorial, kind, n))
        })
        .buffered(ONE_OF_EACH_KIND.len());
    let kinds: Vec<_> = kinds.collect().await;
    let kinds: Result<Vec<_>, RunError> = kinds.into_iter().collect();
    json(codings, &kinds?)
}

async fn one_kind(factorial: Factorial, kind: Kind, n: u64) -> OneKind {
    let mut notation = None;
    let value = value(&factorial, kind, n, &mut notation).await;
    let (value, problem) = match value {
        Ok(value) => (Some(value), None),
        Err(error) => (None, Some(error.into())),
    };
    OneKind {
        kind: kind.to_string(),
        notation,
        value,
        problem,
    }
}

async fn value(
    factorial: &Factorial,
    kind: Kind,
    n: u64,
    notation: &mut Option<String>,
) -> Result<String, RunError> {
    let mut job = ParsedRequest::decimal(kind, n).admit(factorial).await?;
    *notation = Some(job.notation().await?);
    let digits = job.cost().digits;
    let too_long = || {
        RunError::OutOfReach(format!(
            "expected a number that is short enough for a list, got {digits} digits; use GET /factorial/{n}?kind={kind}"
        ))
    };
    if !response::is_short(&job) {
        return Err(too_long());
    }
    match response::start(job).await? {
        Answer::Short(value) => Ok(value),
        Answer::Long(_) => Err(too_long()),
    }
}

/// Number of digits, trailing zeros, leading digits and memory of any n!, without computing n!.
#[utoipa::path(
    get,
    path = "/info/{n}",
    params(
        ("n" = inline(Whole), Path, description = "The number whose factorial is described", example = 1000),
        KindQuery,
    ),
    responses(
        (status = 200, description = "The facts that need no computation", body = FactsRecord),
        CommonRefusals,
        JobRefusals,
    )
)]
pub(super) async fn info(
    State(service): State<Service>,
    Segment(n): Segment,
    uri: Uri,
    headers: HeaderMap,
    codings: Codings,
) -> Result<Response, Problem> {
    let (kind, n) = parse::kind_from_uri(&n, &uri)?;
    negotiate(&headers, MEDIA)?;
    let facts = service.factorial().info(kind, n).await?;
    json(codings, &FactsRecord::new(kind, n, facts))
}
