//! The bytes in the streams of one sandbox's files and sockets.

use std::collections::HashMap;

use crate::limits::{CHUNK_BYTES, STREAM_BYTES, STREAM_BYTES_MIN};

/// Buffered bytes of streams, by the stream's index in the resource table.
#[derive(Debug, Default)]
pub(super) struct StreamBuffers {
    held_bytes: HashMap<u32, usize>,
    all_bytes: usize,
}

impl StreamBuffers {
    /// The part of `wanted` bytes that may be moved next.
    pub(super) fn grant(&self, wanted: usize) -> usize {
        let left = STREAM_BYTES.saturating_sub(self.all_bytes);
        wanted.min(CHUNK_BYTES).min(left.max(STREAM_BYTES_MIN))
    }

    /// Sets the buffered bytes of `stream`.
    pub(super) fn hold(&mut self, stream: u32, bytes: usize) {
        self.release(stream);
        if bytes > 0 {
            self.held_bytes.insert(stream, bytes);
            self.all_bytes += bytes;
        }
    }

    /// Clears the buffered bytes of `stream`.
    pub(super) fn release(&mut self, stream: u32) {
        if let Some(bytes) = self.held_bytes.remove(&stream) {
            self.all_bytes -= bytes;
        }
    }

    /// The part of `wanted` bytes that may be read from `stream`.
    pub(super) fn grant_read(&self, stream: u32, wanted: u64) -> usize {
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        match self.held_bytes.get(&stream) {
            // The guest may take all that the stream has buffered.
            Some(_) => wanted.min(CHUNK_BYTES),
            None => self.grant(wanted),
        }
    }

    /// Counts a read of up to `size` bytes that returned `bytes`. A file that returned none is
    /// still reading, and one that returned `size` may have more.
    pub(super) fn after_read(&mut self, stream: u32, size: usize, bytes: usize) {
        match (bytes, self.held_bytes.get(&stream).copied()) {
            (0, None) => self.hold(stream, size),
            (0, Some(_)) => {}
            (_, Some(held)) if bytes == size => self.hold(stream, held.saturating_sub(bytes)),
            _ => self.release(stream),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_share_a_budget_and_each_has_a_little() {
        let mut buffers = StreamBuffers::default();
        for stream in 0..3 {
            let granted = buffers.grant(usize::MAX);
            assert_eq!(granted, CHUNK_BYTES);
            buffers.hold(stream, granted);
        }
        assert_eq!(buffers.grant(usize::MAX), STREAM_BYTES_MIN);
        assert_eq!(buffers.grant(7), 7);
        buffers.release(1);
        assert_eq!(buffers.grant(usize::MAX), CHUNK_BYTES);
        buffers.release(1);
        assert_eq!(buffers.all_bytes, 2 * CHUNK_BYTES);
    }

    #[test]
    fn a_read_holds_its_unread_bytes() {
        let mut buffers = StreamBuffers::default();
        let size = buffers.grant_read(5, 10_000);
        assert_eq!(size, 10_000);
        buffers.after_read(5, size, 0);
        assert_eq!(buffers.all_bytes, 10_000);
        buffers.after_read(5, 4000, 4000);
        assert_eq!(buffers.all_bytes, 6000);
        buffers.after_read(5, 4000, 3000);
        assert_eq!(buffers.all_bytes, 0);
    }
}
