//! The binary `cocoon`: reads its arguments, runs one command, and says in one
//! line what went wrong.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
