//! `words`: counts the lines, words and bytes of standard input, and prints the ten most
//! frequent words. `words factorials` prints 0! to 10!.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Read as _, Write};
use std::process::ExitCode;

/// The number of words in the list.
const FREQUENT: usize = 10;
/// Bytes for each read.
const BLOCK_BYTES: usize = 64 << 10;

/// Counters of a text that arrives in blocks.
#[derive(Default)]
struct Counts {
    lines: u64,
    words: u64,
    bytes: u64,
    /// In the order of their bytes.
    each: BTreeMap<Vec<u8>, u64>,
    /// The last word so far, which the next block may continue.
    word: Vec<u8>,
}

impl Counts {
    fn add(&mut self, block: &[u8]) {
        for &byte in block {
            if byte == b'\n' {
                self.lines += 1;
            }
            // All bytes of a character beyond ASCII are letters.
            if byte.is_ascii_alphabetic() || !byte.is_ascii() {
                self.word.push(byte.to_ascii_lowercase());
            } else {
                self.end_word();
            }
        }
        self.bytes += block.len() as u64;
    }

    fn end_word(&mut self) {
        if self.word.is_empty() {
            return;
        }
        self.words += 1;
        if let Some(count) = self.each.get_mut(&self.word) {
            *count += 1;
        } else {
            self.each.insert(self.word.clone(), 1);
        }
        self.word.clear();
    }

    fn print(&self, mut out: impl Write) -> io::Result<()> {
        writeln!(out, "lines {}", self.lines)?;
        writeln!(out, "words {}", self.words)?;
        writeln!(out, "bytes {}", self.bytes)?;
        let mut frequent: Vec<_> = self.each.iter().collect();
        // Stable: words of one count stay in order.
        frequent.sort_by_key(|&(_, &count)| Reverse(count));
        for (word, count) in frequent.into_iter().take(FREQUENT) {
            write!(out, "{count} ")?;
            out.write_all(word)?;
            out.write_all(b"\n")?;
        }
        out.flush()
    }
}

fn count_words() -> io::Result<()> {
    let mut counts = Counts::default();
    let mut block = vec![0; BLOCK_BYTES];
    let mut input = io::stdin().lock();
    loop {
        let length = input.read(&mut block)?;
        if length == 0 {
            break;
        }
        counts.add(&block[..length]);
    }
    counts.end_word();
    counts.print(BufWriter::new(io::stdout().lock()))
}

fn print_factorials() -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut factorial = 1_u64;
    for n in 0..=10 {
        factorial *= n.max(1);
        writeln!(out, "{n}! = {factorial}")?;
    }
    out.flush()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => count_words(),
        ["factorials"] => print_factorials(),
        _ => {
            eprintln!("usage: words [factorials]");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("words: {error}");
            ExitCode::FAILURE
        }
    }
}
