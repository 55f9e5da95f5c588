//! Shared code of the peer programs: their arguments and their output.

use std::io::{self, Write as _};

/// Runs a peer program, `PROGRAM N digits|product`.
///
/// `product` prints the number of bits, so that the product is not optimised away and no digits
/// are computed.
///
/// # Errors
///
/// Invalid arguments, or an output that cannot be written.
pub fn run<N>(
    factorial: impl FnOnce(u64) -> N,
    bits: impl FnOnce(&N) -> u64,
    digits: impl FnOnce(&N) -> String,
) -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let usage = || io::Error::other("usage: PROGRAM N digits|product");
    let [n, what] = arguments.as_slice() else {
        return Err(usage());
    };
    let product = factorial(n.parse().map_err(|_| usage())?);
    let mut text = match what.as_str() {
        "product" => bits(&product).to_string(),
        "digits" => digits(&product),
        _ => return Err(usage()),
    };
    text.push('\n');
    // Bypasses the line buffer of `stdout`, which would copy the digits.
    io::stdout().lock().write_all(text.as_bytes())
}
