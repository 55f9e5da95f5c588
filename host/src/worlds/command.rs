//! Any `wasi:cli/run` component, run as a program in a sandbox.
//!
//! A program lives for one call of `run`. It reaches its arguments, its standard
//! streams and what it was granted, and nothing else.

use bytes::Bytes;
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p2::bindings::{Command, CommandPre};
use wasmtime_wasi::p2::pipe::MemoryInputPipe;

use crate::channel::{Output, Sender};
use crate::component::{Component, ComponentError, Grants};
use crate::deadline::Deadline;
use crate::error::RunError;
use crate::limits::{Limit, Limits};
use crate::pool::{Need, Pool};
use crate::sandbox::Sandbox;

crate::world!(
    /// Components that export `wasi:cli/run`.
    Program,
    CommandPre<crate::component::State>,
    Command
);

/// One of a program's two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// What a program is started with.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// Its arguments, its own name first.
    pub arguments: Vec<String>,
    /// Its standard input.
    pub input: Bytes,
}

/// How a program ended that nothing stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// 0 for success.
    pub code: i32,
    /// The most memory that it had.
    pub memory_bytes: u64,
}

/// Why a program did not run to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// It could not be given what it was granted.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// It was stopped, or failed.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Runs `component` in a sandbox of its own and sends what it writes to
/// `output`, which is ended as the program ended.
///
/// # Errors
///
/// What kept it from starting, or stopped it. An exit code is no error.
pub async fn run(
    pool: &Pool,
    component: &Component<Program>,
    grants: &Grants,
    start: Start,
    deadline: &Deadline,
    output: Sender<(Stream, Bytes)>,
) -> Result<Exit, ProgramError> {
    let running = run_with(pool, component, grants, start, deadline, &output);
    let ran = tokio::select! {
        ran = running => ran,
        // A program that writes no more would not notice.
        () = output.reader_gone() => Err(RunError::ReaderGone.into()),
    };
    if let Err(ProgramError::Run(error)) = &ran {
        pool.meter().ended_with(error);
    }
    output.end(&match &ran {
        Ok(_) => Ok(()),
        Err(ProgramError::Run(error)) => Err(error.clone()),
        Err(ProgramError::Component(error)) => Err(RunError::Failed(error.to_string())),
    });
    ran
}

/// Host memory that each program reserves under `limits`.
pub fn need(limits: &Limits) -> Need {
    Need {
        cap_bytes: limits.get(Limit::SandboxMemory),
        buffer_bytes: limits.program_buffer_bytes(),
    }
}

async fn run_with(
    pool: &Pool,
    component: &Component<Program>,
    grants: &Grants,
    start: Start,
    deadline: &Deadline,
    output: &Sender<(Stream, Bytes)>,
) -> Result<Exit, ProgramError> {
    let limits = pool.limits();
    let permit = pool.admit(need(limits), deadline).await;
    let permit = permit.map_err(|error| match error {
        // Unlike a number, a program says nothing of what it needs.
        RunError::TooLarge {
            limit: limit @ Limit::TotalMemory,
            value,
            needed,
            ..
        } => RunError::TooLarge {
            limit,
            value,
            needed,
            needs: "of memory, which --sandbox-memory sets, beyond what is kept for small jobs"
                .into(),
        },
        error => error,
    })?;
    let stdout = Output::new(output, Stream::Out, limits.get(Limit::Output));
    let mut wasi = WasiCtxBuilder::new();
    wasi.args(&start.arguments)
        .stdin(MemoryInputPipe::new(start.input))
        .stderr(stdout.sibling(Stream::Err))
        .stdout(stdout);
    grants.apply(&mut wasi, limits);
    let mut sandbox = Sandbox::new(component, permit, Some(wasi.build())).await?;
    let running =
        sandbox.run(
            async |store, program| match program.wasi_cli_run().call_run(store).await {
                Ok(result) => Ok(i32::from(result.is_err())),
                Err(error) => match error.downcast_ref::<I32Exit>() {
                    Some(&I32Exit(code)) => Ok(code),
                    None => Err(error),
                },
            },
        );
    let code = tokio::select! {
        ran = running => ran?,
        // A program that writes nothing more would never notice.
        () = output.reader_gone() => return Err(RunError::ReaderGone.into()),
    };
    Ok(Exit {
        code,
        memory_bytes: sandbox.memory_bytes(),
    })
}
