//! The run of one instance, from its first attempt to the record of its end.

use std::pin::pin;
use std::time::Instant;

use bytes::Bytes;
use cocoon::RunError;
use cocoon::channel::{Receiver, channel};
use cocoon::component::Component;
use cocoon::pool::Pool;
use cocoon::span::{SpanGuard, record};
use cocoon::worlds::command::{self, Exit, Program, Start, Stream};
use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use super::arguments::Arguments;
use super::input::Input;
use super::jobs::Job;
use super::lines::Line;
use super::order::Turn;
use super::outcome::{Ending, Outcome};
use super::output::Printer;
use super::results::Results;
use super::sink::Sink;
use crate::cli::commands::exec_grants::GrantArgs;
use crate::cli::failure::Failure;

/// The data that all instances share.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(super) struct Batch {
    pub(super) component: Component<Program>,
    pub(super) pool: Pool,
    pub(super) grants: GrantArgs,
    pub(super) arguments: Arguments,
    pub(super) input: Input,
    pub(super) printer: Printer,
    pub(super) stdout_is_terminal: bool,
    pub(super) stderr_is_terminal: bool,
    /// Attempts of a failed instance after the first one.
    pub(super) retries: u32,
    pub(super) results: Results,
    /// Whether there is one instance, which has this command's standard streams.
    pub(super) is_single: bool,
    pub(super) fail_fast: bool,
    /// Cancelled by Ctrl-C, `--fail-fast` or a failure of this command's own: all instances end.
    pub(super) end: CancellationToken,
}

impl Batch {
    /// Adds the result of an instance.
    ///
    /// # Errors
    ///
    /// If standard output fails.
    pub(super) async fn add(&self, outcome: Outcome) -> Result<(), Failure> {
        if self.fail_fast && outcome.ending.is_failure() {
            self.end.cancel();
        }
        if let Ending::Error(_) = &outcome.ending {
            // Its backtrace follows what the program itself wrote.
            self.printer.finish().await?;
        }
        self.results.add(outcome, self.is_single);
        Ok(())
    }
}

/// Runs one instance, repeats failed attempts, and prints the output of the last one.
///
/// # Errors
///
/// If this command's own files or streams fail.
pub(super) async fn run(batch: &Batch, mut job: Job) -> Result<Outcome, Failure> {
    let guard = SpanGuard::new(Span::current(), "the command ended first");
    let mut attempts = 0;
    loop {
        attempts += 1;
        let started = Instant::now();
        let mut sink = Sink::new(&batch.printer, job.instance, batch.retries > 0)?;
        let (ending, memory_bytes) = {
            let attempt = pin!(attempt(batch, &mut job, &mut sink));
            tokio::select! {
                biased;
                ending = attempt => ending?,
                () = batch.end.cancelled() => (Ending::Ended, None),
            }
        };
        let outcome = Outcome {
            instance: job.instance,
            ending,
            elapsed: started.elapsed(),
            memory_bytes,
            output_bytes: sink.bytes(),
            attempts,
        };
        let is_last =
            attempts > batch.retries || batch.input.is_spent() || batch.end.is_cancelled();
        if !is_last && outcome.ending.is_worth_a_retry() {
            continue;
        }
        record_end(&guard.end(), &outcome.ending);
        wait_for(&mut job.turn).await;
        if !matches!(outcome.ending, Ending::Ended) {
            sink.commit().await?;
        }
        batch.printer.end(&outcome).await?;
        return Ok(outcome);
    }
}

/// Runs the program once. Returns its end and its peak of memory.
async fn attempt(
    batch: &Batch,
    job: &mut Job,
    sink: &mut Sink<'_>,
) -> Result<(Ending, Option<u64>), Failure> {
    let start = match start(batch, job).await? {
        Ok(start) => start,
        Err(error) => return Ok((Ending::Error(error), None)),
    };
    let (sender, output) = channel();
    let deadline = batch.pool.deadline();
    let grants = batch.grants.of(job.instance);
    let running = pin!(command::run_measured(
        &batch.pool,
        &batch.component,
        &grants,
        start,
        &deadline,
        sender,
    ));
    // The channel ends with the program.
    let (ending, written) = tokio::join!(running, write(&mut job.turn, sink, output));
    written?;
    let end = match ending.result {
        Ok(Exit { code, .. }) => Ending::Exit(code),
        Err(error) => Ending::Error(error),
    };
    Ok((end, ending.memory_bytes))
}

/// The arguments and the streams of an attempt, or the fault of its line.
async fn start(batch: &Batch, job: &Job) -> Result<Result<Start, RunError>, Failure> {
    let (argument, input) = match &job.line {
        None => (None, batch.input.open().await?),
        Some(line) => {
            let bytes = match &line.bytes {
                Ok(bytes) => bytes.clone(),
                Err(error) => return Ok(Err(error.clone())),
            };
            if batch.arguments.have_line() {
                (Some(bytes), command::Input::default())
            } else {
                (None, command::Input::Bytes(bytes))
            }
        }
    };
    let line = match argument.as_deref().map(Line::argument).transpose() {
        Ok(line) => line,
        Err(error) => return Ok(Err(error)),
    };
    Ok(Ok(Start {
        arguments: batch.arguments.fill(job.instance, line),
        input,
        stdout_is_terminal: batch.stdout_is_terminal,
        stderr_is_terminal: batch.stderr_is_terminal,
        // A program does not answer for the time until its turn.
        clock_stops: job.turn.is_some(),
    }))
}

/// Writes the output of a program to `sink`, which waits for its turn if it prints.
async fn write(
    turn: &mut Option<Turn>,
    sink: &mut Sink<'_>,
    mut output: Receiver<(Stream, Bytes)>,
) -> Result<(), Failure> {
    if sink.is_direct() {
        wait_for(turn).await;
    }
    while let Ok(Some((stream, bytes))) = output.recv().await {
        sink.write(stream, bytes).await?;
        while let Some(Ok(Some((stream, bytes)))) = output.recv().now_or_never() {
            sink.write(stream, bytes).await?;
        }
        sink.push().await?;
    }
    Ok(())
}

async fn wait_for(turn: &mut Option<Turn>) {
    if let Some(turn) = turn {
        turn.wait().await;
    }
}

fn record_end(span: &Span, ending: &Ending) {
    match ending {
        Ending::Exit(code) => {
            span.record("cocoon.exit", code);
            if *code != 0 {
                record(span, &code.to_string(), "the program failed");
            }
        }
        Ending::Error(error) => record(span, error.name(), error),
        Ending::Ended => record(span, "cancelled", "the command ended first"),
    }
}
