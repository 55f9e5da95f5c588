//! The error of an engine that does not start, and errors of Wasmtime as text.

use crate::limits::ERROR_CHARS;
use crate::text;

/// Why an engine does not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Not even one sandbox fits.
    #[error(
        "expected room for one sandbox: 3 MiB of memory besides {program} for the program, and 2053 free memory \
         mappings, got {memory} and {mappings}; use --total-memory to set the memory, or \
         `sysctl vm.max_map_count` to raise the mappings"
    )]
    NoRoom {
        /// Memory of all sandboxes, as a person writes it.
        memory: String,
        /// Memory that the program keeps for itself, likewise.
        program: String,
        /// Mappings that the kernel still allows.
        mappings: u64,
    },
    /// The program's mappings do not fit.
    #[error(
        "expected an address space of at least {least}, got {limit}; use `ulimit -v` to raise it"
    )]
    AddressSpace {
        /// The limit, as a person writes it.
        limit: String,
        /// The least that is enough, likewise.
        least: String,
    },
    /// Wasmtime refused to start.
    #[error("cannot start the WebAssembly engine: {0}")]
    Start(String),
}

/// `error` and its causes on one line.
pub(crate) fn one_line(error: &wasmtime::Error) -> String {
    text::one_line(&format!("{error:#}"), ERROR_CHARS)
}
