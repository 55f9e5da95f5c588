//! A program in a sandbox, with the library alone.
//!
//! `cargo run --release -p cocoon --example program -- FILE [ARGUMENT]…` runs the `wasi:cli`
//! component in FILE without grants, and exits with its code. It needs no feature but
//! `compiler`.

use std::error::Error;
use std::io::{Write as _, stderr, stdout};
use std::process::exit;

use cocoon::RunError;
use cocoon::channel::channel;
use cocoon::component::{Component, Source};
use cocoon::engine::Engine;
use cocoon::grants::Grants;
use cocoon::limits::Limits;
use cocoon::machine::Machine;
use cocoon::pool::Pool;
use cocoon::worlds::command::{self, Exit, Start, Stream};

/// Runs the component in the file that `arguments` begin with, and copies its output to the
/// standard streams.
///
/// # Errors
///
/// Where the component cannot be loaded, or what stopped it.
pub async fn run(arguments: Vec<String>) -> Result<Exit, Box<dyn Error>> {
    let file = arguments.first().ok_or("expected FILE [ARGUMENT]…")?;
    let engine = Engine::new(&Limits::COMMANDS, &Machine::detect())?;
    let grants = Grants::default();
    let component = Component::load(&engine, &Source::File(file.into()), &grants).await?;
    let pool = Pool::new(&engine, component.sandboxes());

    let start = Start {
        arguments,
        ..Start::default()
    };
    let deadline = pool.deadline();
    let (sender, mut output) = channel();
    let running = command::run(&pool, &component, &grants, start, &deadline, sender);
    let printing = async {
        while let Some((stream, bytes)) = output.recv().await? {
            let written = match stream {
                Stream::Out => stdout().write_all(&bytes),
                Stream::Err => stderr().write_all(&bytes),
            };
            written.map_err(|_| RunError::ReaderGone)?;
        }
        Ok(())
    };
    // The channel is bounded: a program that writes faster than this prints has to wait.
    let (exit, ()) = tokio::try_join!(running, printing)?;
    Ok(exit)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let exited = run(std::env::args().skip(1).collect()).await?;
    exit(exited.code)
}
