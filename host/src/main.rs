//! The binary `cocoon`: parses its arguments, runs one command, and prints an error on one line.

mod cli;

use std::process::ExitCode;

/// A sandbox makes hundreds of small allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
