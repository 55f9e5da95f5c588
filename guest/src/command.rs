//! The component as a program: `wasi:cli/run`.
//!
//! Arguments in, text out. What the text says is
//! [`listing`](crate::listing)'s knowledge.

use alloc::vec::Vec;

use crate::bindings::Component;
use crate::bindings::exports::wasi::cli::run::Guest;
use crate::bindings::wasi::cli::{environment, stderr, stdout};
use crate::bindings::wasi::io::streams::OutputStream;
use crate::bindings::wasi::random::insecure_seed;
use crate::command_line::{self, USAGE};
use crate::error::Error;
use crate::listing::Listing;

/// Bytes that are gathered before they are written, unless the text ends.
const GATHERED_BYTES: usize = 16 * 1024;

/// Bytes that one call to WASI may write.
const WRITE_BYTES_MAX: usize = 4096;

impl Guest for Component {
    fn run() -> Result<(), ()> {
        // The first argument is the name of the program.
        let arguments = environment::get_arguments().into_iter().skip(1);
        let command = command_line::parse(arguments).map_err(|error| {
            complain(&["factorial: ", error.text(), "\n", USAGE, "\n"]);
        })?;
        let listing = Listing::new(command, insecure_seed::insecure_seed().0)
            .map_err(|error| complain_of(&error))?;
        print(listing)
    }
}

/// Prints the text. A reader that has gone ends it without a word, but not as
/// if all had been printed.
fn print(mut listing: Listing) -> Result<(), ()> {
    let stdout = stdout::get_stdout();
    let mut text = Vec::new();
    loop {
        let more = listing
            .append_to(&mut text)
            .map_err(|error| complain_of(&error))?;
        if text.len() >= GATHERED_BYTES || !more {
            write(&stdout, &text)?;
            text.clear();
        }
        if !more {
            return Ok(());
        }
    }
}

/// Writes all of it, and waits until the host has taken it.
fn write(stream: &OutputStream, text: &[u8]) -> Result<(), ()> {
    let mut pieces = text.chunks(WRITE_BYTES_MAX);
    pieces.try_for_each(|piece| stream.blocking_write_and_flush(piece).map_err(|_| ()))
}

fn complain_of(error: &Error) {
    complain(&["factorial: ", error.text(), "\n"]);
}

fn complain(text: &[&str]) {
    // There is nobody left to tell that standard error is closed.
    let _ = write(&stderr::get_stderr(), text.concat().as_bytes());
}
