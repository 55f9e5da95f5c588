//! `POST /batch`: requests in, a line each, and answers out, in order.
//!
//! Nothing is read while the answers to what was read before are not taken, so a
//! slow reader slows its own writing. Short answers are computed ahead, several
//! at once; a long one waits for its turn, and is then sent piece by piece.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, HttpBody as _};
use axum::extract::State;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version};
use axum::response::{IntoResponse as _, Response};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _};
use http_body_util::BodyExt as _;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::answer::{self, Answer};
use super::ask::{Asked, EXAMPLE_LINE};
use super::factorial::too_old;
use super::feed::{Feed, feed};
use super::field::{Item, weighted};
use super::openapi::{BatchLine, BodyRefused, LineProblem, Refused, TooOld};
use super::protocol::awaits_continue;
use super::representation::{Codings, Representation, best, is_charset_utf8};
use super::{Problem, Service};
use crate::error::RunError;
use crate::factorial::{Count, Factorial};
use crate::limits::{ITEMS_AT_ONCE, Limit};
use crate::span::spawn;

const NDJSON: &str = "application/x-ndjson";
/// What a batch may be called.
const MEDIA: [&str; 5] = [
    NDJSON,
    "application/ndjson",
    "application/jsonl",
    "application/json",
    // What curl says by itself.
    "application/x-www-form-urlencoded",
];

/// Many numbers over one connection: a request a line, an answer a line, in
/// order.
///
/// A line that is no request, or that fails, has `{"problem":{…}}` for its
/// answer, and the others are not touched by it. Where an answer fails after its
/// first digits were sent, the whole breaks off.
#[utoipa::path(
    post,
    path = "/batch",
    request_body(
        content = super::ask::Typed,
        content_type = "application/x-ndjson",
        description = "A stream of lines, each with the schema of a request; blank lines are skipped",
    ),
    responses(
        (status = 200, description = "The answers: a stream of lines", body = BatchLine, content_type = "application/x-ndjson"),
        Refused,
        BodyRefused,
        TooOld,
    )
)]
pub(super) async fn batch(
    State(service): State<Service>,
    version: Version,
    headers: HeaderMap,
    codings: Codings,
    body: Body,
) -> Result<Response, Problem> {
    best(&headers, &[(NDJSON, ())])?;
    check_media(&headers)?;
    if weighted(&headers, &CONTENT_ENCODING).any(|it| !it.value.eq_ignore_ascii_case(b"identity")) {
        return Ok(encoded());
    }
    if version < Version::HTTP_11 {
        return Ok(too_old());
    }
    if body.is_end_stream() {
        return Err(empty());
    }
    let body = if awaits_continue(version, &headers) {
        begun(&service, body).await?
    } else {
        body
    };
    let answers = feed(&service.clone(), async move |feed| {
        let answered = answer_all(&service, body, &feed).await;
        (feed, answered)
    });
    let representation = Representation::fresh(NDJSON).negotiated();
    Ok(representation.response(codings, Some(answers), Count::Beyond))
}

/// `body` from its first piece on, which a client sends that was asked for it.
async fn begun(service: &Service, mut body: Body) -> Result<Body, Problem> {
    let value = service.limits().get(Limit::Stall);
    let first = timeout(Duration::from_millis(value), body.frame()).await;
    let first = first.map_err(|_| RunError::Stopped {
        limit: Limit::Stall,
        value,
    })?;
    match first {
        None => Err(empty()),
        Some(Ok(first)) => {
            let first = futures::stream::iter(first.into_data().ok().map(Ok));
            Ok(Body::from_stream(first.chain(body.into_data_stream())))
        }
        Some(Err(error)) => Err(Problem::malformed(format!(
            "expected a whole request body, got one that broke off: {error}"
        ))),
    }
}

/// A refusal of a request that announces no body, which is a mistake of the client's. A
/// body that turns out to have no lines is a batch without answers.
fn empty() -> Problem {
    Problem::malformed(format!(
        "expected a body of lines such as {EXAMPLE_LINE}, got none"
    ))
}

/// Refuses a body that is something else than lines of JSON. A client that names no
/// type is believed.
fn check_media(headers: &HeaderMap) -> Result<(), Problem> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let Some(named) = types.next() else {
        return Ok(());
    };
    if types.next().is_some() {
        return Err(Problem::malformed(
            "expected one Content-Type header, got several",
        ));
    }
    let is_read = Item::read(named.as_bytes()).is_some_and(|item| {
        let mut charsets = item.parameters.iter();
        let is = |media: &&str| item.value.eq_ignore_ascii_case(media.as_bytes());
        MEDIA.iter().any(is)
            && charsets.all(|(name, value)| {
                !name.eq_ignore_ascii_case(b"charset") || is_charset_utf8(name, value)
            })
    });
    if is_read {
        return Ok(());
    }
    Err(Problem::plain(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        format!(
            "expected {NDJSON} in UTF-8 as the Content-Type, got `{}`",
            named.as_bytes().escape_ascii()
        ),
    ))
}

/// A refusal of a compressed body, with the codings that would be read.
fn encoded() -> Response {
    let mut response = Problem::plain(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "expected a body without a content coding, got one with a Content-Encoding",
    )
    .into_response();
    let codings = HeaderValue::from_static("identity");
    response.headers_mut().insert(ACCEPT_ENCODING, codings);
    response
}

/// What is known of a line's answer before its turn.
enum Line {
    Whole(String),
    Long(Asked),
}

async fn answer_all(service: &Service, body: Body, feed: &Feed) -> Result<(), RunError> {
    let factorial = service.factorial();
    let lines = Lines {
        body: body.into_data_stream(),
        read: BytesMut::new(),
        line_bytes_max: service.limits().get(Limit::BatchLine),
        skipping: false,
        over: false,
    };
    let mut answers = std::pin::pin!(
        lines
            .stream(feed)
            .map(|line| {
                let factorial = factorial.clone();
                let answer = AbortOnDropHandle::new(spawn(async move {
                    let answer = match line? {
                        Ok(line) => answer_ahead(&factorial, &line).await,
                        Err(problem) => Err(problem),
                    };
                    Ok::<_, RunError>(answer.unwrap_or_else(|problem| Line::Whole(told(&problem))))
                }));
                async move { answer.await.map_err(|_| RunError::WriterGone)? }
            })
            .buffered(ITEMS_AT_ONCE)
    );
    while let Some(answer) = feed.meanwhile(answers.next()).await? {
        match answer? {
            Line::Whole(line) => feed.send(line).await?,
            Line::Long(asked) => send_long(factorial, asked, feed).await?,
        }
    }
    Ok(())
}

/// The answer to a line, if it is short.
async fn answer_ahead(factorial: &Factorial, line: &[u8]) -> Result<Line, Problem> {
    let asked = Asked::from_json(line)?;
    let problem = |error| asked.problem(error);
    let admitted = answer::admit(factorial, asked).await.map_err(problem)?;
    if !answer::is_short(&admitted) {
        return Ok(Line::Long(asked));
    }
    match answer::start(admitted).await.map_err(problem)? {
        Answer::Short(value) => {
            let mut line = answer::json(&asked.request, "", &value);
            line.push('\n');
            Ok(Line::Whole(line))
        }
        Answer::Long(_) => Ok(Line::Long(asked)),
    }
}

async fn send_long(factorial: &Factorial, asked: Asked, feed: &Feed) -> Result<(), RunError> {
    let starting = async { answer::start(answer::admit(factorial, asked).await?).await };
    let long = match feed.meanwhile(starting).await? {
        Ok(Answer::Long(long)) => long,
        Ok(Answer::Short(value)) => {
            let line = answer::json(&asked.request, "", &value);
            return feed.send(line + "\n").await;
        }
        Err(error) => return feed.send(told(&asked.problem(error))).await,
    };
    let start = answer::json_start(&asked.request, "").into();
    let mut pieces = std::pin::pin!(long.pieces(start, |long, grade| {
        (answer::json_end(long.digits(), grade) + "\n").into()
    }));
    while let Some(piece) = feed.meanwhile(pieces.next()).await? {
        feed.send(piece?).await?;
    }
    Ok(())
}

fn told(problem: &Problem) -> String {
    let line = serde_json::to_string(&LineProblem { problem });
    line.unwrap_or_else(|_| "{}".to_owned()) + "\n"
}

/// The lines of a body, of which no more than one is held.
struct Lines {
    body: BodyDataStream,
    read: BytesMut,
    line_bytes_max: u64,
    /// In a line that is too long, and answered already.
    skipping: bool,
    over: bool,
}

/// A line, or what is wrong with it.
type Read = Result<Bytes, Problem>;

impl Lines {
    /// Empty lines are none. An error ends the stream.
    fn stream(self, feed: &Feed) -> impl Stream<Item = Result<Read, RunError>> {
        futures::stream::unfold(self, async move |mut lines| match lines.next(feed).await {
            Ok(Some(line)) => Some((Ok(line), lines)),
            Ok(None) => None,
            Err(error) => {
                lines.over = true;
                Some((Err(error), lines))
            }
        })
    }

    async fn next(&mut self, feed: &Feed) -> Result<Option<Read>, RunError> {
        loop {
            if let Some(end) = self.read.iter().position(|&byte| byte == b'\n') {
                let mut line = self.read.split_to(end + 1);
                line.truncate(end);
                if std::mem::take(&mut self.skipping) || line.trim_ascii().is_empty() {
                    continue;
                }
                return Ok(Some(self.held_to_line(line.freeze())));
            }
            if self.over {
                let last = std::mem::take(&mut self.read).freeze();
                if std::mem::take(&mut self.skipping) || last.trim_ascii().is_empty() {
                    return Ok(None);
                }
                return Ok(Some(self.held_to_line(last)));
            }
            if self.skipping {
                self.read.clear();
            } else if self.read.len() as u64 > self.line_bytes_max {
                self.read.clear();
                self.skipping = true;
                return Ok(Some(Err(self.too_long())));
            }
            match timeout(feed.stall(), self.body.next()).await {
                Ok(Some(Ok(bytes))) => self.read.extend_from_slice(&bytes),
                Ok(Some(Err(error))) => {
                    return Err(RunError::Failed(format!("the request broke off: {error}")));
                }
                Ok(None) => self.over = true,
                Err(_) => return Err(feed.stalled()),
            }
        }
    }

    fn held_to_line(&self, line: Bytes) -> Read {
        if line.len() as u64 > self.line_bytes_max {
            Err(self.too_long())
        } else {
            Ok(line)
        }
    }

    fn too_long(&self) -> Problem {
        let (limit, value) = (Limit::BatchLine, self.line_bytes_max);
        Problem::plain(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!(
                "the line is longer than the {limit} may be ({}); --{} raises it",
                limit.format(value),
                limit.spec().flag
            ),
        )
        .of_limit(limit, value)
    }
}
