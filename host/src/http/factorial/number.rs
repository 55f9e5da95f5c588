//! `GET /factorial/{n}`: one number.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, UPGRADE};
use axum::http::{HeaderValue, Method, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::answer::{self, Answer};
use super::ask::{Asked, AskedQuery, Segment};
use super::openapi::{Failed, Number, Refused, TooOld, Whole};
use super::representation::{Codings, Held, Representation, best, weak_tag};
use super::{Problem, Service};
use crate::factorial::{self, Admitted, Count};

/// How a number is represented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Media {
    Text,
    Json,
}

const MEDIA: &[(&str, Media)] = &[
    ("text/plain", Media::Text),
    ("application/json", Media::Json),
];

/// About what an object has around its digits.
const JSON_BYTES: u64 = 128;

/// One number: its digits, or a JSON object with them and how it was made sure
/// that they are right.
///
/// `Content-Length` is sent wherever the number of digits is known beforehand.
/// An answer that breaks off is shorter, or lacks the end of its chunks.
#[utoipa::path(
    method(get, head),
    path = "/factorial/{n}",
    params(
        ("n" = inline(Whole), Path, description = "The number whose factorial is meant", example = 20),
        AskedQuery,
        ("If-None-Match" = inline(Option<String>), Header, description = "Entity tags of answers that the client has"),
    ),
    responses(
        (status = 200, description = "The number",
            content(
                (String = "text/plain", example = "2432902008176640000"),
                (Number = "application/json"),
            ),
            headers(("ETag" = String, description = "The weak entity tag of this representation, in all of its codings")),
        ),
        (status = 304, description = "The client has it",
            headers(("ETag" = String, description = "The weak entity tag of this representation, in all of its codings")),
        ),
        Refused,
        Failed,
        TooOld,
    )
)]
pub(super) async fn factorial(
    State(service): State<Service>,
    Segment(n): Segment,
    request: Request,
) -> Result<Response, Problem> {
    // Whole: extractors of its parts would copy each of them.
    let (request, _) = request.into_parts();
    let asked = Asked::from_uri(&n, &request.uri)?;
    let media = best(&request.headers, MEDIA)?;
    let codings = Codings::of(request.version, &request.headers)?;
    let representation = Representation {
        media_type: media.name(),
        cache: service.0.cache_control,
        is_negotiated: true,
        tag: tag(&service, &asked.request, media),
    };
    let held = Held::of(&request.headers, representation.tag.as_ref());
    if held == Held::This {
        return Ok(representation.not_modified());
    }
    let problem = |error| asked.problem(error);
    let admitted = answer::admit(service.factorial(), asked)
        .await
        .map_err(problem)?;
    let bytes = bytes(&admitted, media);
    let is_short = answer::is_short(&admitted);
    if request.version < Version::HTTP_11 && bytes.exact().is_none() && !is_short {
        return Ok(too_old());
    }
    if held == Held::Any {
        return Ok(representation.not_modified());
    }
    let body = if request.method == Method::HEAD {
        None
    } else {
        let answer = if is_short {
            answer::start(admitted).await
        } else {
            service.work(answer::start(admitted)).await?
        };
        let answer = answer.map_err(problem)?;
        Some(body(answer, asked.request, media))
    };
    Ok(representation.response(codings, body, bytes))
}

impl Media {
    const fn name(self) -> &'static str {
        match self {
            Self::Text => "text/plain; charset=utf-8",
            Self::Json => "application/json",
        }
    }
}

/// The name of this very representation: the same component says the same.
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

/// What is known of the answer's bytes beforehand. An object also has what is known
/// only in the end.
fn bytes(admitted: &Admitted, media: Media) -> Count {
    let digits = admitted.cost().output_bytes;
    match (media, digits.most()) {
        (Media::Json, Some(most)) => Count::AtMost(most.saturating_add(JSON_BYTES)),
        _ => digits,
    }
}

fn body(answer: Answer, request: factorial::Request, media: Media) -> Body {
    match (answer, media) {
        (Answer::Short(value), Media::Text) => value.into(),
        (Answer::Short(value), Media::Json) => answer::json(&request, "", &value).into(),
        (Answer::Long(long), Media::Text) => {
            Body::from_stream(long.pieces(Bytes::new(), |_, _| Bytes::new()))
        }
        (Answer::Long(long), Media::Json) => Body::from_stream(
            long.pieces(answer::json_start(&request, "").into(), |long, grade| {
                answer::json_end(long.digits(), grade).into()
            }),
        ),
    }
}

/// To a client of HTTP/1.0, a body without a length that is cut looks whole.
pub(super) fn too_old() -> Response {
    let mut response = Problem::plain(
        StatusCode::UPGRADE_REQUIRED,
        "the length of this answer is not known beforehand, and HTTP/1.0 could not tell a cut one \
         from a whole one; ask with HTTP/1.1 or HTTP/2",
    )
    .into_response();
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("HTTP/1.1"));
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    response
}
