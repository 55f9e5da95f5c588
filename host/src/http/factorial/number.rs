//! `GET /factorial/{n}`: one number.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, Version};
use axum::response::Response;
use bytes::Bytes;

use super::openapi::{Number, Whole};
use super::parse::{ParsedRequest, RequestQuery, Segment};
use super::response::{self, Answer};
use super::{Service, json};
use crate::http::server::{
    ClientCopy, Codings, CommonRefusals, JobRefusals, Length, Problem, Representation, TooOld,
    negotiate, too_old, weak_tag,
};
use crate::worlds::factorial::{self, Count, Job};

/// The media type of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Media {
    Text,
    Json,
}

const MEDIA: &[(&str, Media)] = &[
    ("text/plain", Media::Text),
    ("application/json", Media::Json),
];

/// About the length of an object without its digits.
const JSON_BYTES: u64 = 128;

/// One number: its digits, or a JSON object with its digits and their grade of certainty.
///
/// `Content-Length` is sent if the number of digits is known before the computation. An incomplete
/// answer is shorter, or lacks its last chunk.
#[utoipa::path(
    method(get, head),
    path = "/factorial/{n}",
    params(
        ("n" = inline(Whole), Path, description = "The number whose factorial is computed", example = 20),
        RequestQuery,
        ("If-None-Match" = inline(Option<String>), Header, description = "Entity tags of representations that the client has"),
    ),
    responses(
        (status = 200, description = "The number",
            content(
                (String = "text/plain", example = "2432902008176640000"),
                (Number = "application/json"),
            ),
            headers(("ETag" = String, description = "The weak entity tag of this representation in all codings")),
        ),
        (status = 304, description = "The client has this representation",
            headers(("ETag" = String, description = "The weak entity tag of this representation in all codings")),
        ),
        CommonRefusals,
        JobRefusals,
        TooOld,
    )
)]
pub(super) async fn factorial(
    State(service): State<Service>,
    Segment(n): Segment,
    request: Request,
) -> Result<Response, Problem> {
    // Extractors of the parts would copy each of them.
    let (request, _) = request.into_parts();
    let parsed = ParsedRequest::from_uri(&n, &request.uri)?;
    let media = negotiate(&request.headers, MEDIA)?;
    let codings = Codings::of(request.version, &request.headers)?;
    let representation = Representation {
        media_type: media.name(),
        cache: service.cache_control(),
        is_negotiated: true,
        tag: tag(&service, &parsed.request, media),
    };
    let copy = ClientCopy::of(&request.headers, representation.tag.as_ref());
    if copy == ClientCopy::This {
        return Ok(representation.not_modified());
    }
    let problem = |error| parsed.problem(error);
    let admitting = parsed.admit(service.factorial());
    let job = admitting.await.map_err(problem)?;
    let length = length(&job, media);
    let is_short = response::is_short(&job);
    let is_exact = matches!(length, Length::Exact(_));
    if request.version < Version::HTTP_11 && !is_exact && !is_short {
        return Ok(too_old());
    }
    if copy == ClientCopy::Any {
        return Ok(representation.not_modified());
    }
    let body = if request.method == Method::HEAD {
        None
    } else {
        let answer = if is_short {
            response::start(job).await
        } else {
            let starting = response::start(job);
            service.server().run_on_workers(starting).await?
        };
        let answer = answer.map_err(problem)?;
        Some(body(answer, parsed.request, media))
    };
    Ok(representation.response(codings, body, length))
}

impl Media {
    const fn name(self) -> &'static str {
        match self {
            Self::Text => "text/plain; charset=utf-8",
            Self::Json => "application/json",
        }
    }
}

/// The entity tag: a component always gives the same answer.
fn tag(service: &Service, request: &factorial::Request, media: Media) -> Option<HeaderValue> {
    let factorial::Request {
        kind,
        n,
        format,
        proved,
    } = request;
    let media = match media {
        Media::Text => "text",
        Media::Json => "json",
    };
    let proved = if *proved { "-proved" } else { "" };
    let component = service.component();
    weak_tag(format_args!(
        "{component}-{kind}-{n}-{format}{proved}-{media}"
    ))
}

/// The length of the answer, as far as it is known before the computation. An object also has
/// fields that are known only after it.
fn length(job: &Job, media: Media) -> Length {
    match (job.cost().output_bytes, media) {
        (Count::Exact(bytes), Media::Text) => Length::Exact(bytes),
        (Count::AtMost(bytes), Media::Text) => Length::AtMost(bytes),
        (Count::Exact(bytes) | Count::AtMost(bytes), Media::Json) => {
            Length::AtMost(bytes.saturating_add(JSON_BYTES))
        }
        (Count::Beyond, _) => Length::Unknown,
    }
}

fn body(answer: Answer, request: factorial::Request, media: Media) -> Body {
    match (answer, media) {
        (Answer::Short(value), Media::Text) => value.into(),
        (Answer::Short(value), Media::Json) => json::number(&request, None, &value).into(),
        (Answer::Long(long), Media::Text) => {
            Body::from_stream(long.pieces(Bytes::new(), |_, _| Bytes::new()))
        }
        (Answer::Long(long), Media::Json) => Body::from_stream(
            long.pieces(json::number_start(&request, None).into(), |long, grade| {
                json::number_end(long.digits(), grade).into()
            }),
        ),
    }
}
