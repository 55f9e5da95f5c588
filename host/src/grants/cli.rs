//! The arguments, variables and streams of a sandbox.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, empty};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::cli::{IsTerminal, StdinStream, StdoutStream};
use wasmtime_wasi::p2::{InputStream, OutputStream};

/// The arguments, variables and streams of one sandbox. The default has none, and closed streams.
pub(crate) struct Cli {
    /// Its arguments, its own name first.
    pub(crate) arguments: Vec<String>,
    /// Its environment variables.
    pub(crate) environment: Vec<(String, String)>,
    /// Its standard input.
    pub(crate) stdin: Arc<dyn StdinStream + Sync>,
    /// Its standard output.
    pub(crate) stdout: Arc<dyn StdoutStream + Sync>,
    /// Its standard error.
    pub(crate) stderr: Arc<dyn StdoutStream + Sync>,
}

impl Default for Cli {
    fn default() -> Self {
        Self {
            arguments: Vec::new(),
            environment: Vec::new(),
            stdin: Arc::new(empty()),
            stdout: Arc::new(empty()),
            stderr: Arc::new(empty()),
        }
    }
}

impl Cli {
    /// Gives the same to Wasmtime's own `wasi:cli`, which WASI 0.3 uses.
    pub(super) fn apply(&self, wasi: &mut WasiCtxBuilder) {
        wasi.args(&self.arguments)
            .envs(&self.environment)
            .stdin(SharedInput(Arc::clone(&self.stdin)))
            .stdout(SharedOutput(Arc::clone(&self.stdout)))
            .stderr(SharedOutput(Arc::clone(&self.stderr)));
    }
}

/// An input that two implementations of `wasi:cli` read.
struct SharedInput(Arc<dyn StdinStream + Sync>);

impl IsTerminal for SharedInput {
    fn is_terminal(&self) -> bool {
        self.0.is_terminal()
    }
}

impl StdinStream for SharedInput {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        self.0.async_stream()
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        self.0.p2_stream()
    }
}

/// An output that two implementations of `wasi:cli` write.
struct SharedOutput(Arc<dyn StdoutStream + Sync>);

impl IsTerminal for SharedOutput {
    fn is_terminal(&self) -> bool {
        self.0.is_terminal()
    }
}

impl StdoutStream for SharedOutput {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        self.0.async_stream()
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        self.0.p2_stream()
    }
}
