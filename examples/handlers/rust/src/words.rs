//! Counters of a text that arrives in blocks, so its length needs no memory.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde_json::{Value, json};
use wasip2::http::types::{IncomingBody, IncomingRequest};
use wasip2::io::streams::StreamError;

use crate::response::Problem;

/// The number of words in the list.
const FREQUENT: usize = 10;
/// The most that one read returns.
const BLOCK_BYTES: u64 = 64 << 10;

/// Counts the words of the request's body.
pub fn count(request: &IncomingRequest) -> Result<Value, Problem> {
    let body = request.consume().expect("the only reader");
    let stream = body.stream().expect("the only stream");
    let mut counts = Counts::default();
    loop {
        match stream.blocking_read(BLOCK_BYTES) {
            Ok(block) => counts.add(&block),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => {
                let detail = format!("expected a whole body, got {}", error.to_debug_string());
                return Err(Problem::new(400, detail));
            }
        }
    }
    drop(stream);
    drop(IncomingBody::finish(body));
    Ok(counts.into_json())
}

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
        *self.each.entry(std::mem::take(&mut self.word)).or_default() += 1;
    }

    fn into_json(mut self) -> Value {
        self.end_word();
        let mut frequent = Vec::from_iter(self.each);
        // The sort is stable: words of one count stay in order.
        frequent.sort_by_key(|(_, count)| Reverse(*count));
        let frequent = frequent.iter().take(FREQUENT).map(|(word, count)| {
            let word = String::from_utf8_lossy(word);
            json!({ "word": word, "count": count })
        });
        json!({
            "lines": self.lines,
            "words": self.words,
            "bytes": self.bytes,
            "frequent": frequent.collect::<Value>(),
        })
    }
}
