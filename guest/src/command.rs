//! The component as a program: `wasi:cli/run`.
//!
//! Arguments in, text out. What the text says is
//! [`listing`](crate::listing)'s knowledge.

use std::io::{self, Write};

use crate::bindings::Component;
use crate::bindings::exports::wasi::cli::run::Guest;
use crate::command_line::{self, USAGE};
use crate::error::Error;
use crate::listing::Listing;

/// Bytes that are written at once, unless the text ends before.
const WRITE_BYTES: usize = 64 * 1024;

impl Guest for Component {
    fn run() -> Result<(), ()> {
        // The first argument is the name of the program.
        let command = command_line::parse(std::env::args().skip(1)).map_err(|error| {
            complain(&["factorial: ", error.text(), "\n", USAGE, "\n"]);
        })?;
        let listing = Listing::new(command).map_err(|error| complain_of(&error))?;
        print(listing)
    }
}

/// Prints the text. A reader that has gone ends it without a word, but not as
/// if all had been printed.
fn print(mut listing: Listing) -> Result<(), ()> {
    let mut stdout = io::stdout().lock();
    let mut text = Vec::new();
    loop {
        let more = listing
            .append_to(&mut text)
            .map_err(|error| complain_of(&error))?;
        if text.len() >= WRITE_BYTES || !more {
            stdout.write_all(&text).map_err(|_| ())?;
            text.clear();
        }
        if !more {
            return stdout.flush().map_err(|_| ());
        }
    }
}

fn complain_of(error: &Error) {
    complain(&["factorial: ", error.text(), "\n"]);
}

fn complain(text: &[&str]) {
    // There is nobody left to tell that standard error is closed.
    let _ = io::stderr().write_all(text.concat().as_bytes());
}
