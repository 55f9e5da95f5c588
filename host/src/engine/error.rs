//! The error of an engine that does not start, and errors of Wasmtime as text.

use crate::limits::ERROR_CHARS;
use crate::text;

/// Why an engine does not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Not even one sandbox fits.
    #[error(
        "there is no room for a single sandbox: {memory} of memory for all sandboxes and {mappings} free \
         mappings; at least 3 MiB, beside {program} for the program, and 2053 mappings are needed \
         (--total-memory sets the memory)"
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
        "the address space is limited to {limit} (`ulimit -v`), and at least {least} are needed"
    )]
    AddressSpace {
        /// The limit, as a person writes it.
        limit: String,
        /// The least that is enough, likewise.
        least: String,
    },
    /// Wasmtime refused to start.
    #[error("the WebAssembly engine does not start here: {0}")]
    Start(String),
}

/// `error` and its causes on one line.
pub(crate) fn one_line(error: &wasmtime::Error) -> String {
    text::one_line(&format!("{error:#}"), ERROR_CHARS)
}
