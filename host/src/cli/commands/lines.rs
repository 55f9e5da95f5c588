//! Results as lines, one for each request. Requests run concurrently, each in its own sandbox, and
//! results are printed in order.

use std::time::Instant;

use bytes::Bytes;
use cocoon::RunError;
use cocoon::channel::{Receiver, channel};
use cocoon::json::to_json;
use cocoon::span::{self, SpanGuard, spawn};
use cocoon::worlds::factorial::{Factorial, Grade, GradeRecord, Request, count_digits};
use futures::{Stream, StreamExt as _};
use serde::Serialize;
use tokio::task::JoinHandle;
use tracing::{Instrument as _, Span};

use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::trace;

/// One result as JSON.
#[derive(Serialize)]
pub(crate) struct Record<'a> {
    pub(crate) n: u64,
    pub(crate) kind: String,
    pub(crate) value: &'a str,
    /// Number of digits in `value`, without those of an exponent.
    pub(crate) digits: usize,
    pub(crate) elapsed_us: u64,
    #[serde(flatten)]
    pub(crate) grade: GradeRecord,
}

/// A running coroutine for one line.
struct Line {
    request: Request,
    notation: String,
    digits: Receiver<Bytes>,
    /// The task that sends the digits and returns their grade.
    sending: JoinHandle<Result<Grade, RunError>>,
    started: Instant,
}

/// Prints a line for each of `requests`.
pub(super) async fn print(
    factorial: &Factorial,
    requests: impl Iterator<Item = Request> + Send + 'static,
    json: bool,
) -> Result<(), Failure> {
    let mut output = Output::stdout();
    let mut lines = std::pin::pin!(start(factorial, requests));
    while let Some(line) = lines.next().await {
        let line = line?;
        if json {
            print_json(line, &mut output).await?;
        } else {
            print_text(line, &mut output).await?;
        }
        output.flush().await?;
    }
    output.finish().await
}

/// Starts a coroutine for each request, as many at once as fit.
///
/// Requests are admitted in order, so that a line never waits for memory of a later one that
/// waits to be printed.
fn start(
    factorial: &Factorial,
    requests: impl Iterator<Item = Request> + Send + 'static,
) -> impl Stream<Item = Result<Line, Failure>> {
    let places = usize::try_from(factorial.sandboxes()).unwrap_or(usize::MAX);
    let (lines, started) = tokio::sync::mpsc::channel(places);
    let factorial = factorial.clone();
    spawn(async move {
        for (number, request) in (1..).zip(requests) {
            let line = start_line(&factorial, request).instrument(trace::instance(number));
            let line = line.await.map_err(Failure::from);
            if lines.send(line).await.is_err() {
                return;
            }
        }
    });
    futures::stream::unfold(started, async |mut started| {
        started.recv().await.map(|line| (line, started))
    })
}

async fn start_line(factorial: &Factorial, request: Request) -> Result<Line, RunError> {
    let started = Instant::now();
    let mut job = factorial.admit(request).await?;
    let notation = job.notation().await?;
    let (sender, digits) = channel();
    let sending = spawn(async move {
        let guard = SpanGuard::new(Span::current(), "the command ended first");
        let sent = job.send_to(sender).await;
        let span = guard.end();
        sent.inspect_err(|error| span::record(&span, error.name(), error))
    });
    Ok(Line {
        request,
        notation,
        digits,
        sending,
        started,
    })
}

async fn print_text(mut line: Line, output: &mut Output) -> Result<(), Failure> {
    output.write(line.notation.as_bytes()).await?;
    output.write(b" = ").await?;
    while let Some(chunk) = line.digits.recv().await? {
        output.write_chunk(chunk).await?;
    }
    output.write(b"\n").await
}

async fn print_json(mut line: Line, output: &mut Output) -> Result<(), Failure> {
    let mut value = Vec::new();
    while let Some(chunk) = line.digits.recv().await? {
        value.extend_from_slice(&chunk);
    }
    let grade = line.sending.await.map_err(|_| RunError::WriterGone)??;
    let json = record(line.request, &value, line.started, &grade)?;
    output.write(&json).await
}

/// Returns a result as a line of JSON, with its grade.
pub(super) fn record(
    request: Request,
    value: &[u8],
    started: Instant,
    grade: &Grade,
) -> Result<Vec<u8>, Failure> {
    let value = std::str::from_utf8(value)
        .map_err(|_| RunError::Failed("expected digits as text, got other bytes".to_owned()))?;
    json_line(&Record {
        n: request.n,
        kind: request.kind.to_string(),
        value,
        digits: count_digits(value.as_bytes()),
        elapsed_us: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        grade: grade.into(),
    })
}

/// Returns any record as a line of JSON.
pub(super) fn json_line(record: &impl Serialize) -> Result<Vec<u8>, Failure> {
    Ok((to_json(record)? + "\n").into_bytes())
}
