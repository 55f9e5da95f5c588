//! The API's description of answers other than 200: each status once, with its headers, by
//! name.

use std::collections::BTreeMap;

use utoipa::IntoResponses;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use utoipa::openapi::{Components, ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

use super::PROBLEM_JSON;

/// A status, and the header field that tells the client how to proceed.
struct Refusal {
    status: &'static str,
    name: &'static str,
    why: &'static str,
    header: Option<(&'static str, &'static str, Type)>,
}

impl Refusal {
    const fn new(status: &'static str, name: &'static str, why: &'static str) -> Self {
        Self {
            status,
            name,
            why,
            header: None,
        }
    }

    const fn with(self, name: &'static str, what: &'static str, kind: Type) -> Self {
        Self {
            header: Some((name, what, kind)),
            ..self
        }
    }

    fn response(&self) -> Response {
        let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem")));
        let response = ResponseBuilder::new()
            .description(self.why)
            .content(PROBLEM_JSON, problem.build())
            .header(
                "Cache-Control",
                text_header("`no-store`, since errors are not cached"),
            );
        match &self.header {
            Some((name, what, kind)) => response.header(*name, header(what, kind.clone())),
            None => response,
        }
        .build()
    }
}

fn header(what: &str, kind: Type) -> utoipa::openapi::Header {
    let schema: Object = ObjectBuilder::new().schema_type(kind).build();
    HeaderBuilder::new()
        .schema(Some(schema))
        .description(Some(what))
        .build()
}

/// A header field whose value is text.
pub(crate) fn text_header(what: &str) -> utoipa::openapi::Header {
    header(what, Type::String)
}

const REFUSALS: [Refusal; 14] = [
    Refusal::new("400", "Malformed", "The request is malformed"),
    Refusal::new("401", "Unauthorized", "The token is missing or wrong").with(
        "WWW-Authenticate",
        "The challenge of RFC 6750",
        Type::String,
    ),
    Refusal::new(
        "406",
        "NotAcceptable",
        "The service has no representation that the Accept or Accept-Encoding header allows",
    ),
    Refusal::new("408", "Stalled", "The client sent nothing within `--stall`"),
    Refusal::new("414", "TargetTooLong", "The request target is too long"),
    Refusal::new(
        "415",
        "UnsupportedMediaType",
        "The body is compressed, or its type is not lines of JSON",
    )
    .with(
        "Accept-Encoding",
        "`identity`, if the body was compressed",
        Type::String,
    ),
    Refusal::new(
        "417",
        "ExpectationFailed",
        "The Expect header has an expectation other than 100-continue",
    ),
    Refusal::new(
        "422",
        "TooLarge",
        "The request needs more than the limit that the problem names, or more than a component can compute",
    ),
    Refusal::new(
        "426",
        "UpgradeRequired",
        "The length of the answer is unknown in advance, and HTTP/1.0 cannot mark its end",
    )
    .with("Upgrade", "The required version of HTTP", Type::String),
    Refusal::new(
        "431",
        "HeadersTooLarge",
        "The head of the request is larger than `--headers`",
    ),
    Refusal::new(
        "502",
        "BadGateway",
        "The component trapped, broke a rule or exceeded a limit while it ran",
    ),
    Refusal::new(
        "503",
        "Busy",
        "The queue is full, or no memory is free for the job",
    )
    .with(
        "Retry-After",
        "Seconds to wait before a retry",
        Type::Integer,
    ),
    Refusal::new(
        "503",
        "NotReady",
        "The service accepts no work, for the reason in the problem",
    )
    .with(
        "Retry-After",
        "Seconds to wait before a retry",
        Type::Integer,
    ),
    Refusal::new(
        "504",
        "DeadlinePassed",
        "The job passed the deadline of the service or the `timeout` of the request",
    ),
];

/// Adds all of them to the components, where operations refer to them.
pub(crate) fn add_refusals(components: &mut Components) {
    for refusal in &REFUSALS {
        let name = refusal.name.to_owned();
        components.responses.insert(name, refusal.response().into());
    }
}

/// The response that `reference` names, without its body, which HEAD does not have.
pub(crate) fn without_body(reference: &Ref) -> Option<Response> {
    let name = reference.ref_location.rsplit('/').next()?;
    let refusal = REFUSALS.iter().find(|refusal| refusal.name == name)?;
    let mut response = refusal.response();
    response.content.clear();
    Some(response)
}

fn select(names: &[&str]) -> BTreeMap<String, RefOr<Response>> {
    let refusals = REFUSALS
        .iter()
        .filter(|refusal| names.contains(&refusal.name));
    refusals
        .map(|refusal| {
            let reference = Ref::from_response_name(refusal.name);
            (refusal.status.to_owned(), RefOr::Ref(reference))
        })
        .collect()
}

/// Refusals of any request, whatever its route.
pub(crate) struct CommonRefusals;

impl IntoResponses for CommonRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        select(&[
            "Malformed",
            "Unauthorized",
            "NotAcceptable",
            "TargetTooLong",
            "ExpectationFailed",
            "HeadersTooLarge",
        ])
    }
}

/// Ends of jobs without an answer.
pub(crate) struct JobRefusals;

impl IntoResponses for JobRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        select(&["TooLarge", "BadGateway", "Busy", "DeadlinePassed"])
    }
}

/// Refusals of answers of unknown length to HTTP/1.0.
pub(crate) struct TooOld;

impl IntoResponses for TooOld {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        select(&["UpgradeRequired"])
    }
}

/// Refusals of requests with a body.
pub(crate) struct BodyRefusals;

impl IntoResponses for BodyRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        select(&["Stalled", "UnsupportedMediaType", "Busy"])
    }
}

/// A service that takes no work.
pub(crate) struct NotReady;

impl IntoResponses for NotReady {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        select(&["NotReady"])
    }
}
