//! Running a component as a program.
//!
//! A program lives for one call of `run`. It reaches its arguments, its standard streams and
//! its grants, and nothing else.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt as _;
use wasmtime::Store;
use wasmtime_wasi::cli::StdinStream;
use wasmtime_wasi::p2::pipe::MemoryInputPipe;

pub use super::program::Program;
use crate::channel::{FileInput, Output, Sender};
use crate::component::{Component, World};
use crate::deadline::Deadline;
use crate::error::RunError;
use crate::grants::{Cli, Grants, State};
use crate::limits::{Limit, Limits};
use crate::pool::{Need, Pool};
use crate::sandbox::Sandbox;

/// One of a program's two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// The standard input of a program.
#[derive(Clone, Debug)]
pub enum Input {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A file that is read as far as the program asks.
    File(FileInput),
}

impl Default for Input {
    fn default() -> Self {
        Self::Bytes(Bytes::new())
    }
}

/// The arguments and the standard streams of a program.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// Its arguments, its own name first.
    pub arguments: Vec<String>,
    /// Its standard input.
    pub input: Input,
    /// Whether the program sees its standard output as a terminal.
    pub stdout_is_terminal: bool,
    /// Whether the program sees its standard error as a terminal.
    pub stderr_is_terminal: bool,
    /// Whether the clock of its deadline stops while it waits for the reader of its output.
    pub clock_stops: bool,
}

/// The end of a program that nothing stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// 0 for success.
    pub code: i32,
    /// Its peak of memory.
    pub memory_bytes: u64,
}

/// The end of a program, and its peak of memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// As [`run`] returns it.
    pub result: Result<Exit, RunError>,
    /// `None` for a program that was refused, or whose reader was gone.
    pub memory_bytes: Option<u64>,
}

/// Runs `component` in a sandbox of its own and sends its output to `output`, which ends with the
/// result of the program.
///
/// # Errors
///
/// The error that refused or stopped it. A program that exits with any code is no error.
pub async fn run(
    pool: &Pool,
    component: &Component<Program>,
    grants: &Grants,
    start: Start,
    deadline: &Deadline,
    output: Sender<(Stream, Bytes)>,
) -> Result<Exit, RunError> {
    let ending = run_measured(pool, component, grants, start, deadline, output);
    ending.await.result
}

/// As [`run`], with the peak of memory of a program that was stopped, too.
pub async fn run_measured(
    pool: &Pool,
    component: &Component<Program>,
    grants: &Grants,
    start: Start,
    deadline: &Deadline,
    output: Sender<(Stream, Bytes)>,
) -> Ending {
    let program = async |store: &mut Store<State>, program: &<Program as World>::Exports| {
        program.run(store).await
    };
    // Pinned here and below, since a future of an argument is moved, and these are large.
    let running = run_in_sandbox(pool, component, grants, start, deadline, &output, program);
    let running = pin!(running);
    let ended = tokio::select! {
        ended = running => ended,
        // A program that writes no more would not notice.
        () = output.reader_gone() => Err(RunError::ReaderGone),
    };
    let (result, memory_bytes) = match ended {
        Ok((Ok(code), memory_bytes)) => (Ok(Exit { code, memory_bytes }), Some(memory_bytes)),
        Ok((Err(error), memory_bytes)) => (Err(error), Some(memory_bytes)),
        Err(error) => (Err(error), None),
    };
    let result = pool.meter().watch(result);
    output.end(&result.clone().map(|_| ()));
    Ending {
        result,
        memory_bytes,
    }
}

/// Host memory that each program reserves under `limits`.
pub fn need(limits: &Limits) -> Need {
    Need {
        cap_bytes: limits.bytes(Limit::SandboxMemory),
        buffer_bytes: limits.program_buffer_bytes(),
    }
}

/// Makes one call in a sandbox of its own, under the limits of a program. Returns its result and
/// the peak of memory, or the error of a sandbox that did not start.
pub(super) async fn run_in_sandbox<W: World, R>(
    pool: &Pool,
    component: &Component<W>,
    grants: &Grants,
    start: Start,
    deadline: &Deadline,
    output: &Sender<(Stream, Bytes)>,
    call: impl AsyncFnOnce(&mut Store<State>, &W::Exports) -> wasmtime::Result<R>,
) -> Result<(Result<R, RunError>, u64), RunError> {
    let limits = pool.limits();
    let mut need = need(limits);
    if !grants.http.is_empty() {
        need.buffer_bytes += Limits::http_buffer_bytes(true);
    }
    let permit = pool.reserve(need, deadline).await;
    let permit = permit.map_err(|error| match error {
        // A program promises nothing, so the flag sets how much it needs.
        RunError::TooLarge {
            limit: limit @ Limit::TotalMemory,
            value,
            needed,
            ..
        } => RunError::TooLarge {
            limit,
            value,
            needed,
            needs: " for --sandbox-memory, beyond the reserve for small jobs".into(),
        },
        error => error,
    })?;
    // The place is released after the sandbox is dropped.
    let copy = component.copy_with_place(permit.meter());
    let component = copy.as_ref().map_or(component, |&(copy, _)| copy);
    let mut stdout = Output::new(output, Stream::Out, limits.bytes(Limit::Output));
    if start.clock_stops {
        stdout = stdout.with_clock(deadline);
    }
    let (outputs, stderr) = (stdout.clone(), stdout.sibling(Stream::Err));
    let mut exceeded = pin!(stdout.exceeded());
    let stdin: Arc<dyn StdinStream + Sync> = match start.input {
        Input::Bytes(bytes) => Arc::new(MemoryInputPipe::new(bytes)),
        Input::File(file) => Arc::new(file),
    };
    let cli = Cli {
        arguments: start.arguments,
        environment: Vec::new(),
        stdin,
        stdout: Arc::new(stdout.on_terminal(start.stdout_is_terminal)),
        stderr: Arc::new(stderr.on_terminal(start.stderr_is_terminal)),
    };
    let granting = grants.of_sandbox(
        cli,
        component.folders(),
        component.denials(),
        component.engine(),
    );
    let wasi = deadline.within(pin!(granting)).await?;
    let wasi = wasi.map_err(|error| RunError::Malformed(error.to_string()))?;
    let sandbox = {
        let starting = pin!(Sandbox::new(component, permit, Some(wasi)));
        outputs.drive(starting).await
    };
    let mut sandbox = sandbox.inspect_err(|_| outputs.finish())?;
    let ended = {
        let running = pin!(sandbox.run(call));
        tokio::select! {
            biased;
            result = outputs.drive(running) => Ok(result),
            error = exceeded.as_mut() => Err(error),
        }
    };
    outputs.finish();
    let result = match ended {
        // The program may have ended because of the write that exceeded the cap.
        Ok(result) => exceeded.now_or_never().map_or(result, Err),
        Err(error) => Err(error),
    };
    Ok((result, sandbox.memory_bytes()))
}
