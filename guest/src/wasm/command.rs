//! The component as a program: the export `wasi:cli/run`.
//!
//! [`listing`](crate::program::listing) produces the text.

use alloc::vec::Vec;

use super::bindings::Component;
use super::bindings::exports::wasi::cli::run::Guest;
use super::bindings::wasi::cli::{environment, stderr, stdout};
use super::bindings::wasi::io::streams::OutputStream;
use super::bindings::wasi::random::insecure_seed;
use crate::program::command_line::{self, USAGE};
use crate::program::listing::Listing;
use crate::request::Error;

/// Bytes that are collected before a write, except at the end.
const BUFFER_BYTES: usize = 16 * 1024;

/// Most bytes of one call to WASI.
const WRITE_BYTES_MAX: usize = 4096;

impl Guest for Component {
    fn run() -> Result<(), ()> {
        // The first argument is the name of the program.
        let arguments = environment::get_arguments().into_iter().skip(1);
        let command = command_line::parse(arguments).map_err(|error| {
            print_error(&["factorial: ", error.text(), "\n", USAGE, "\n"]);
        })?;
        let listing = Listing::new(command, insecure_seed::insecure_seed().0)
            .map_err(|error| report(&error))?;
        print(listing)
    }
}

/// Prints the text. Fails without a message if the reader closed standard output.
fn print(mut listing: Listing) -> Result<(), ()> {
    let stdout = stdout::get_stdout();
    let mut text = Vec::new();
    loop {
        let more = listing
            .append_to(&mut text)
            .map_err(|error| report(&error))?;
        if text.len() >= BUFFER_BYTES || !more {
            write(&stdout, &text)?;
            text.clear();
        }
        if !more {
            return Ok(());
        }
    }
}

/// Writes all bytes and waits until the host has taken them.
fn write(stream: &OutputStream, text: &[u8]) -> Result<(), ()> {
    let mut pieces = text.chunks(WRITE_BYTES_MAX);
    pieces.try_for_each(|piece| stream.blocking_write_and_flush(piece).map_err(|_| ()))
}

fn report(error: &Error) {
    print_error(&["factorial: ", error.text(), "\n"]);
}

fn print_error(text: &[&str]) {
    // If standard error is closed, no other channel is left for the message.
    let _ = write(&stderr::get_stderr(), text.concat().as_bytes());
}
