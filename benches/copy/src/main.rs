//! Copies standard input to standard output, in blocks of 64 KiB.

use std::io::{self, Read as _, Write as _};

const BLOCK_BYTES: usize = 64 << 10;

fn main() -> io::Result<()> {
    let mut block = vec![0; BLOCK_BYTES];
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    loop {
        match input.read(&mut block)? {
            0 => return output.flush(),
            length => output.write_all(&block[..length])?,
        }
    }
}
