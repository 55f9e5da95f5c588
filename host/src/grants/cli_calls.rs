//! `wasi:cli` of WASI 0.2, over the [`Cli`](super::cli::Cli) of a sandbox.
//!
//! Wasmtime's own needs a `WasiCtx`, and so random generators and clocks for each sandbox. A small
//! program seldom asks for either.

use wasmtime::component::{HasData, Resource};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p2::bindings::cli::{
    environment, exit, stderr, stdin, stdout, terminal_input, terminal_output, terminal_stderr,
    terminal_stdin, terminal_stdout,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};

use super::state::State;

/// The calls of one sandbox.
pub(super) struct CliCalls<'a>(pub(super) &'a mut State);

/// Gives the linker access to [`CliCalls`].
pub(super) struct HasCli;

impl HasData for HasCli {
    type Data<'a> = CliCalls<'a>;
}

impl environment::Host for CliCalls<'_> {
    fn get_environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.0.cli().environment.clone())
    }

    fn get_arguments(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.0.cli().arguments.clone())
    }

    fn initial_cwd(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }
}

impl exit::Host for CliCalls<'_> {
    fn exit(&mut self, status: Result<(), ()>) -> wasmtime::Result<()> {
        Err(I32Exit(i32::from(status.is_err())).into())
    }

    fn exit_with_code(&mut self, code: u8) -> wasmtime::Result<()> {
        Err(I32Exit(code.into()).into())
    }
}

impl stdin::Host for CliCalls<'_> {
    fn get_stdin(&mut self) -> wasmtime::Result<Resource<DynInputStream>> {
        let stream = self.0.cli().stdin.p2_stream();
        Ok(self.0.resources.push(stream)?)
    }
}

impl stdout::Host for CliCalls<'_> {
    fn get_stdout(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        let stream = self.0.cli().stdout.p2_stream();
        Ok(self.0.resources.push(stream)?)
    }
}

impl stderr::Host for CliCalls<'_> {
    fn get_stderr(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        let stream = self.0.cli().stderr.p2_stream();
        Ok(self.0.resources.push(stream)?)
    }
}

type TerminalInput = terminal_input::TerminalInput;
type TerminalOutput = terminal_output::TerminalOutput;

impl CliCalls<'_> {
    fn terminal_output(
        &mut self,
        is_terminal: bool,
    ) -> wasmtime::Result<Option<Resource<TerminalOutput>>> {
        let terminal = is_terminal.then(|| self.0.resources.push(TerminalOutput {}));
        Ok(terminal.transpose()?)
    }
}

impl terminal_input::Host for CliCalls<'_> {}

impl terminal_input::HostTerminalInput for CliCalls<'_> {
    fn drop(&mut self, terminal: Resource<TerminalInput>) -> wasmtime::Result<()> {
        self.0.resources.delete(terminal)?;
        Ok(())
    }
}

impl terminal_output::Host for CliCalls<'_> {}

impl terminal_output::HostTerminalOutput for CliCalls<'_> {
    fn drop(&mut self, terminal: Resource<TerminalOutput>) -> wasmtime::Result<()> {
        self.0.resources.delete(terminal)?;
        Ok(())
    }
}

impl terminal_stdin::Host for CliCalls<'_> {
    fn get_terminal_stdin(&mut self) -> wasmtime::Result<Option<Resource<TerminalInput>>> {
        let is_terminal = self.0.cli().stdin.is_terminal();
        let terminal = is_terminal.then(|| self.0.resources.push(TerminalInput {}));
        Ok(terminal.transpose()?)
    }
}

impl terminal_stdout::Host for CliCalls<'_> {
    fn get_terminal_stdout(&mut self) -> wasmtime::Result<Option<Resource<TerminalOutput>>> {
        let is_terminal = self.0.cli().stdout.is_terminal();
        self.terminal_output(is_terminal)
    }
}

impl terminal_stderr::Host for CliCalls<'_> {
    fn get_terminal_stderr(&mut self) -> wasmtime::Result<Option<Resource<TerminalOutput>>> {
        let is_terminal = self.0.cli().stderr.is_terminal();
        self.terminal_output(is_terminal)
    }
}
