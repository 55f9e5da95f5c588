//! `GET /factorial/{n}`: one number.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, ETAG, UPGRADE, VARY,
};
use axum::http::{HeaderValue, Method, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::answer::{self, Answer};
use super::ask::{Asked, AskedQuery};
use super::negotiate::{best, has};
use super::{Problem, Service};
use crate::factorial::{self, Admitted};

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

/// One number: its digits, or a JSON object with them and how it was made sure
/// that they are right.
///
/// `Content-Length` is told wherever the number of digits is known beforehand.
/// An answer that breaks off is shorter, or lacks the end of its chunks.
#[utoipa::path(
    method(get, head),
    path = "/factorial/{n}",
    params(("n" = u64, Path, description = "The number whose factorial is meant", example = 20), AskedQuery),
    responses(
        (status = 200, description = "The number", content(
            (String = "text/plain", example = "2432902008176640000"),
            (super::openapi::Number = "application/json"),
        )),
        (status = 304, description = "The client has it"),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn factorial(
    State(service): State<Service>,
    Path(n): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    // Whole: extractors of its parts would copy each of them.
    let (request, _) = request.into_parts();
    let asked = Asked::from_uri(&n, &request.uri)?;
    let media = best(&request.headers, MEDIA)?;
    let tag = tag(&service, &asked.request, media);
    let mut response = if has(&request.headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let admitted = answer::admit(service.factorial(), asked).await?;
        let length = length(&admitted, media);
        if request.version < Version::HTTP_11 && length.is_none() && !answer::is_short(&admitted) {
            return Ok(too_old());
        }
        let body = if request.method == Method::HEAD {
            Body::empty()
        } else {
            let answer = if answer::is_short(&admitted) {
                answer::start(admitted).await?
            } else {
                service.work(answer::start(admitted)).await??
            };
            body(answer, asked.request, media)
        };
        told(body, length, media)
    };
    let headers = response.headers_mut();
    let cached = HeaderValue::from_static(service.0.cache_control);
    headers.insert(CACHE_CONTROL, cached);
    headers.insert(VARY, HeaderValue::from_static("accept"));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(ETAG, tag);
    }
    Ok(response)
}

/// The name of this very representation: the same component says the same.
fn tag(service: &Service, request: &factorial::Request, media: Media) -> String {
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
    format!("\"{component}-{kind}-{n}-{format}{proved}-{media}\"")
}

/// The bytes of the answer, where they are known beforehand. An object also tells
/// what is known only in the end.
fn length(admitted: &Admitted, media: Media) -> Option<u64> {
    match media {
        Media::Text => admitted.cost().output_bytes.exact(),
        Media::Json => None,
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

fn told(body: Body, length: Option<u64>, media: Media) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    let media = match media {
        Media::Text => "text/plain; charset=utf-8",
        Media::Json => "application/json",
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    if let Some(length) = length {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    response
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
