//! The run of one instance, from its first attempt to the record of its end.

use std::pin::pin;
use std::sync::Arc;
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
use super::outputs::Outputs;
use super::report::Report;
use super::sink::Sink;
use crate::cli::commands::exec_grants::GrantArgs;
use crate::cli::failure::Failure;

/// The data that all instances share.
pub(in crate::cli::commands) struct Programs {
    pub(in crate::cli::commands) component: Arc<Component<Program>>,
    pub(in crate::cli::commands) pool: Pool,
    pub(in crate::cli::commands) grants: GrantArgs,
    pub(in crate::cli::commands) arguments: Arguments,
    pub(in crate::cli::commands) input: Input,
    pub(in crate::cli::commands) stdout_is_terminal: bool,
    pub(in crate::cli::commands) stderr_is_terminal: bool,
    /// Attempts of a failed instance after the first one.
    pub(in crate::cli::commands) retries: u32,
}

/// Runs one instance, and prints the output of its last attempt.
///
/// # Errors
///
/// If this command's own files or streams fail.
pub(super) async fn run(
    programs: &Programs,
    report: &Report,
    mut job: Job,
) -> Result<Outcome, Failure> {
    let instance = job.instance;
    let sink = || Sink::new(&report.printer, instance, programs.retries > 0);
    let (outcome, sink) = run_attempts(programs, &mut job, &report.end, sink).await?;
    wait_for(&mut job.turn).await;
    if !matches!(outcome.ending, Ending::Ended) {
        sink.commit().await?;
    }
    report.printer.end(&outcome).await?;
    Ok(outcome)
}

/// Runs one instance, and repeats failed attempts. Returns the outcome and the outputs of the last
/// one.
///
/// # Errors
///
/// If this command's own files or streams fail.
pub(in crate::cli::commands) async fn run_attempts<O: Outputs>(
    programs: &Programs,
    job: &mut Job,
    end: &CancellationToken,
    outputs: impl Fn() -> Result<O, Failure>,
) -> Result<(Outcome, O), Failure> {
    let guard = SpanGuard::new(Span::current(), "the command ended first");
    let mut attempts = 0;
    loop {
        attempts += 1;
        let started = Instant::now();
        let mut outputs = outputs()?;
        let (ending, memory_bytes) = {
            let attempt = pin!(attempt(programs, job, &mut outputs));
            tokio::select! {
                biased;
                ending = attempt => ending?,
                () = end.cancelled() => (Ending::Ended, None),
            }
        };
        let outcome = Outcome {
            instance: job.instance,
            ending,
            elapsed: started.elapsed(),
            memory_bytes,
            output_bytes: outputs.bytes(),
            attempts,
        };
        let is_last =
            attempts > programs.retries || programs.input.is_spent() || end.is_cancelled();
        if !is_last && outcome.ending.is_worth_a_retry() {
            continue;
        }
        record_end(&guard.end(), &outcome.ending);
        return Ok((outcome, outputs));
    }
}

/// Runs the program once. Returns its end and its peak of memory.
async fn attempt(
    programs: &Programs,
    job: &mut Job,
    outputs: &mut impl Outputs,
) -> Result<(Ending, Option<u64>), Failure> {
    let start = match start(programs, job).await? {
        Ok(start) => start,
        Err(error) => return Ok((Ending::Error(error), None)),
    };
    let (sender, output) = channel();
    let deadline = programs.pool.deadline();
    let grants = programs.grants.of(job.instance);
    let running = pin!(command::run_measured(
        &programs.pool,
        &programs.component,
        &grants,
        start,
        &deadline,
        sender,
    ));
    // The channel ends with the program.
    let (ending, written) = tokio::join!(running, write(&mut job.turn, outputs, output));
    written?;
    let end = match ending.result {
        Ok(Exit { code, .. }) => Ending::Exit(code),
        Err(error) => Ending::Error(error),
    };
    Ok((end, ending.memory_bytes))
}

/// The arguments and the streams of an attempt, or the fault of its line.
async fn start(programs: &Programs, job: &Job) -> Result<Result<Start, RunError>, Failure> {
    let (argument, input) = match &job.line {
        None => (None, programs.input.open().await?),
        Some(line) => {
            let bytes = match &line.bytes {
                Ok(bytes) => bytes.clone(),
                Err(error) => return Ok(Err(error.clone())),
            };
            if programs.arguments.have_line() {
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
        arguments: programs.arguments.fill(job.instance, line),
        input,
        stdout_is_terminal: programs.stdout_is_terminal,
        stderr_is_terminal: programs.stderr_is_terminal,
        // A program does not answer for the time until its turn.
        clock_stops: job.turn.is_some(),
    }))
}

/// Writes the output of a program to `outputs`, which waits for its turn if it prints.
async fn write(
    turn: &mut Option<Turn>,
    outputs: &mut impl Outputs,
    mut output: Receiver<(Stream, Bytes)>,
) -> Result<(), Failure> {
    if outputs.is_direct() {
        wait_for(turn).await;
    }
    while let Ok(Some((stream, bytes))) = output.recv().await {
        outputs.write(stream, bytes).await?;
        while let Some(Ok(Some((stream, bytes)))) = output.recv().now_or_never() {
            outputs.write(stream, bytes).await?;
        }
        outputs.push().await?;
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
