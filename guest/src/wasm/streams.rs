//! The ends of streams that every export shares.

use alloc::string::String;
use alloc::vec::Vec;

use wit_bindgen::{FutureReader, FutureWriter, StreamReader, StreamResult, StreamWriter};

use super::bindings::exports::cocoon::factorial::factorial as wit;
use super::bindings::wit_future;
use crate::fanout::Output;
use crate::verify::Checker;

/// Bytes of the longest chunk of a stream.
pub(super) const CHUNK_BYTES_MAX: usize = 64 * 1024;

/// The certainty of a number, or the reason why its stream broke off.
pub(super) type Outcome = FutureReader<Result<wit::Grade, wit::Error>>;

/// The end that resolves an [`Outcome`].
pub(super) type OutcomeWriter = FutureWriter<Result<wit::Grade, wit::Error>>;

/// Creates both ends of an outcome. If the writer is dropped, the outcome is a failure, so
/// that the reader never takes a broken stream for a complete one.
pub(super) fn new_outcome() -> (OutcomeWriter, Outcome) {
    wit_future::new(|| {
        Err(wit::Error::Failed(String::from(
            "expected all digits, got an early end",
        )))
    })
}

/// Writes an output chunk by chunk. Returns false if the reader closed the stream.
pub(super) async fn write_output(output: &mut Output, writer: &mut StreamWriter<u8>) -> bool {
    let chunk_bytes = output.chunk_bytes(CHUNK_BYTES_MAX);
    let mut chunk = Vec::new();
    loop {
        chunk.reserve_exact(chunk_bytes);
        let more = output.fill(&mut chunk);
        if !chunk.is_empty() {
            // Returns the bytes that the reader left, or the empty buffer for reuse.
            chunk = writer.write_all(chunk).await;
        }
        if !chunk.is_empty() {
            return false;
        }
        if !more {
            return true;
        }
    }
}

/// Reads digits until they end or are wrong. Drops the reader before the residues are
/// computed, so that the writer does not wait for them.
pub(super) async fn read_digits(mut checker: Checker, mut digits: StreamReader<u8>) -> Checker {
    let mut chunk = Vec::with_capacity(CHUNK_BYTES_MAX);
    loop {
        let (result, bytes) = digits.read(chunk).await;
        let at_end = !matches!(result, StreamResult::Complete(_));
        if !checker.push(&bytes) || at_end {
            return checker;
        }
        chunk = bytes;
        chunk.clear();
    }
}
