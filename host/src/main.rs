//! The binary `cocoon`: parses its arguments, runs one command, and prints an error on one line.

mod cli;

use std::process::ExitCode;

/// The allocator of musl takes one lock for all threads.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
