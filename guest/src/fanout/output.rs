//! One output of a part: an answer, or a message to another sandbox.

use alloc::vec::Vec;

use super::wire::Encoder;
use crate::answer::Pieces;

/// An output that is written piece by piece.
pub enum Output {
    /// The digits, or any other answer.
    Answer(Pieces),
    /// A number, or half of a product, for another sandbox.
    Message(Encoder),
}

impl Output {
    /// Most bytes that one call of [`Self::append_to`] appends.
    pub fn piece_max(&self) -> usize {
        match self {
            Self::Answer(pieces) => pieces.piece_max(),
            Self::Message(_) => Encoder::piece_max(),
        }
    }

    /// Returns the capacity of chunks of at most `bytes_max` bytes, or less if the output
    /// is shorter.
    pub fn chunk_bytes(&self, bytes_max: usize) -> usize {
        let bytes = match self {
            Self::Answer(pieces) => pieces.bytes_left(),
            Self::Message(message) => message.bytes_left(),
        };
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        // One piece must fit even if the output is shorter.
        bytes.min(bytes_max).max(self.piece_max())
    }

    /// Appends pieces while the capacity of `chunk` is sure to hold the next one. Returns
    /// false if none was left.
    pub fn fill(&mut self, chunk: &mut Vec<u8>) -> bool {
        while chunk.capacity() - chunk.len() >= self.piece_max() {
            if !self.append_to(chunk) {
                return false;
            }
        }
        true
    }

    /// Appends the next piece. Returns false if none was left.
    pub fn append_to(&mut self, bytes: &mut Vec<u8>) -> bool {
        match self {
            Self::Answer(pieces) => pieces.append_to(bytes),
            Self::Message(message) => message.append_to(bytes),
        }
    }
}
