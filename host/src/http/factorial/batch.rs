//! `POST /batch`: requests in, a line each, and answers out, in order.
//!
//! The route reads no further line while the client does not take the answers, so a client that
//! reads slowly writes slowly. Short answers are computed ahead, several at once. A long answer
//! waits for its turn, and is then sent piece by piece.

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

use super::openapi::{BatchLine, LineProblem};
use super::parse::{EXAMPLE_LINE, ParsedRequest, RequestFields};
use super::response::{self, Answer};
use super::{Service, json};
use crate::error::RunError;
use crate::http::server::{
    BodyRefusals, BodyWriter, Codings, CommonRefusals, Item, Length, Problem, Representation,
    TooOld, awaits_continue, is_charset_utf8, negotiate, stream_body, too_old, weighted,
};
use crate::json::to_json;
use crate::limits::{ITEMS_AT_ONCE, Limit};
use crate::span::spawn;
use crate::worlds::factorial::Factorial;

const NDJSON: &str = "application/x-ndjson";
/// Media types of a batch.
const MEDIA: [&str; 5] = [
    NDJSON,
    "application/ndjson",
    "application/jsonl",
    "application/json",
    // curl's default.
    "application/x-www-form-urlencoded",
];

/// Many numbers in one request: one request on each line, and one answer on each line, in order.
///
/// The answer to an invalid or failed request is `{"problem":{…}}`, and other lines are
/// unaffected. If a job fails after its first digits were sent, the whole response ends early.
#[utoipa::path(
    post,
    path = "/batch",
    request_body(
        content = RequestFields,
        content_type = "application/x-ndjson",
        description = "A stream of lines, each with the schema of a request; blank lines are ignored",
    ),
    responses(
        (status = 200, description = "The answers, a stream of lines", body = BatchLine, content_type = "application/x-ndjson"),
        CommonRefusals,
        BodyRefusals,
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
    negotiate(&headers, &[(NDJSON, ())])?;
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
        first_piece(&service, body).await?
    } else {
        body
    };
    let server = service.server().clone();
    let answers = stream_body(&server, async move |writer| {
        let result = answer_all(&service, body, &writer).await;
        (writer, result)
    });
    let representation = Representation::fresh(NDJSON).negotiated();
    Ok(representation.response(codings, Some(answers), Length::Unknown))
}

/// Waits for the first piece of `body`. A client that waits for `100 Continue` sends it then.
async fn first_piece(service: &Service, mut body: Body) -> Result<Body, Problem> {
    let limits = service.server().limits();
    let first = timeout(limits.duration(Limit::Stall), body.frame()).await;
    let first = first.map_err(|_| RunError::stopped(Limit::Stall, limits.get(Limit::Stall)))?;
    match first {
        None => Err(empty()),
        Some(Ok(first)) => {
            let first = futures::stream::iter(first.into_data().ok().map(Ok));
            Ok(Body::from_stream(first.chain(body.into_data_stream())))
        }
        Some(Err(error)) => Err(Problem::malformed(format!(
            "expected a whole request body, got a part of one: {error}"
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

/// The answer to a line before its turn.
enum Line {
    Whole(String),
    Long(ParsedRequest),
}

async fn answer_all(service: &Service, body: Body, writer: &BodyWriter) -> Result<(), RunError> {
    let factorial = service.factorial();
    let lines = Lines {
        body: body.into_data_stream(),
        read: BytesMut::new(),
        line_bytes_max: service.server().limits().bytes(Limit::BatchLine),
        skipping: false,
        over: false,
    };
    let mut answers = std::pin::pin!(
        lines
            .stream(writer)
            .map(|line| {
                let factorial = factorial.clone();
                let answer = AbortOnDropHandle::new(spawn(async move {
                    let answer = match line? {
                        Ok(line) => answer_ahead(&factorial, &line).await,
                        Err(problem) => Err(problem),
                    };
                    Ok::<_, RunError>(
                        answer.unwrap_or_else(|problem| Line::Whole(problem_line(&problem))),
                    )
                }));
                async move { answer.await.map_err(|_| RunError::WriterGone)? }
            })
            .buffered(ITEMS_AT_ONCE)
    );
    while let Some(answer) = writer.or_reader_gone(answers.next()).await? {
        match answer? {
            Line::Whole(line) => writer.send(line).await?,
            Line::Long(parsed) => send_long(factorial, parsed, writer).await?,
        }
    }
    Ok(())
}

/// The answer to a line, if it is short.
async fn answer_ahead(factorial: &Factorial, line: &[u8]) -> Result<Line, Problem> {
    let parsed = ParsedRequest::from_json(line)?;
    let problem = |error| parsed.problem(error);
    let job = parsed.admit(factorial).await.map_err(problem)?;
    if !response::is_short(&job) {
        return Ok(Line::Long(parsed));
    }
    match response::start(job).await.map_err(problem)? {
        Answer::Short(value) => {
            let mut line = json::number(&parsed.request, None, &value);
            line.push('\n');
            Ok(Line::Whole(line))
        }
        Answer::Long(_) => Ok(Line::Long(parsed)),
    }
}

async fn send_long(
    factorial: &Factorial,
    parsed: ParsedRequest,
    writer: &BodyWriter,
) -> Result<(), RunError> {
    let starting = async { response::start(parsed.admit(factorial).await?).await };
    let long = match writer.or_reader_gone(starting).await? {
        Ok(Answer::Long(long)) => long,
        Ok(Answer::Short(value)) => {
            let line = json::number(&parsed.request, None, &value);
            return writer.send(line + "\n").await;
        }
        Err(error) => return writer.send(problem_line(&parsed.problem(error))).await,
    };
    let start = json::number_start(&parsed.request, None).into();
    let mut pieces = std::pin::pin!(long.pieces(start, |long, grade| {
        (json::number_end(long.digits(), grade) + "\n").into()
    }));
    while let Some(piece) = writer.or_reader_gone(pieces.next()).await? {
        writer.send(piece?).await?;
    }
    Ok(())
}

fn problem_line(problem: &Problem) -> String {
    // Serializing it cannot fail.
    to_json(&LineProblem { problem }).unwrap_or_default() + "\n"
}

/// The lines of a body. At most one of them is in memory.
struct Lines {
    body: BodyDataStream,
    read: BytesMut,
    line_bytes_max: u64,
    /// Whether the rest of a line that is too long is skipped.
    skipping: bool,
    over: bool,
}

/// A line, or its problem.
type Read = Result<Bytes, Problem>;

impl Lines {
    /// The lines as a stream, without empty ones. An error ends it.
    fn stream(self, writer: &BodyWriter) -> impl Stream<Item = Result<Read, RunError>> {
        futures::stream::unfold(self, async move |mut lines| {
            match lines.next(writer).await {
                Ok(Some(line)) => Some((Ok(line), lines)),
                Ok(None) => None,
                Err(error) => {
                    lines.over = true;
                    Some((Err(error), lines))
                }
            }
        })
    }

    async fn next(&mut self, writer: &BodyWriter) -> Result<Option<Read>, RunError> {
        loop {
            if let Some(end) = self.read.iter().position(|&byte| byte == b'\n') {
                let mut line = self.read.split_to(end + 1);
                line.truncate(end);
                if std::mem::take(&mut self.skipping) || line.trim_ascii().is_empty() {
                    continue;
                }
                return Ok(Some(self.check_length(line.freeze())));
            }
            if self.over {
                let last = std::mem::take(&mut self.read).freeze();
                if std::mem::take(&mut self.skipping) || last.trim_ascii().is_empty() {
                    return Ok(None);
                }
                return Ok(Some(self.check_length(last)));
            }
            if self.skipping {
                self.read.clear();
            } else if self.read.len() as u64 > self.line_bytes_max {
                self.read.clear();
                self.skipping = true;
                return Ok(Some(Err(self.too_long())));
            }
            match timeout(writer.stall(), self.body.next()).await {
                Ok(Some(Ok(bytes))) => self.read.extend_from_slice(&bytes),
                Ok(Some(Err(error))) => {
                    return Err(RunError::Failed(format!(
                        "the request body ended early: {error}"
                    )));
                }
                Ok(None) => self.over = true,
                Err(_) => return Err(writer.stall_error()),
            }
        }
    }

    fn check_length(&self, line: Bytes) -> Read {
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
                "{limit}: expected at most {}, got more; use --{} to raise it",
                limit.format(value),
                limit.spec().flag
            ),
        )
        .of_limit(limit, value)
    }
}
