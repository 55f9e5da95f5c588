//! The output of an attempt until it is published: in memory, and in a file beyond a chunk.

use bytes::Bytes;
use cocoon::limits::{CHUNK_BYTES, QUEUE_PART_BYTES};
use cocoon::queue::add_chunk;
use cocoon::worlds::command::Stream;

use crate::cli::commands::exec::outputs::Outputs;
use crate::cli::commands::exec::spool::Spool;
use crate::cli::failure::Failure;

/// The bytes of a chunk's header in a message.
const HEADER_BYTES: u64 = 5;

/// The output of an attempt.
#[derive(Default)]
pub(super) struct Kept {
    /// Chunks as they lie in the queue.
    packed: Vec<u8>,
    spool: Option<Spool>,
    /// Bytes of standard output and of standard error.
    bytes: [u64; 2],
    chunks: u64,
}

/// The output of an instance that has ended.
pub(super) enum Output {
    /// Its chunks, packed.
    Short(Bytes),
    /// Its chunks in a file, and their bytes with their headers.
    Long(Box<Spool>, u64),
}

impl Kept {
    pub(super) fn end(self) -> Output {
        match self.spool {
            None => Output::Short(self.packed.into()),
            Some(spool) => {
                let bytes = self.bytes[0] + self.bytes[1] + self.chunks * HEADER_BYTES;
                Output::Long(Box::new(spool), bytes)
            }
        }
    }
}

impl Outputs for Kept {
    fn is_direct(&self) -> bool {
        false
    }

    fn bytes(&self) -> [u64; 2] {
        self.bytes
    }

    async fn write(&mut self, stream: Stream, bytes: Bytes) -> Result<(), Failure> {
        self.bytes[stream as usize] += bytes.len() as u64;
        self.chunks += 1;
        if self.spool.is_none() && self.packed.len() + bytes.len() > CHUNK_BYTES {
            let mut spool = Spool::new()?;
            let packed = Bytes::from(std::mem::take(&mut self.packed));
            for (stream, bytes) in cocoon::queue::chunks(packed).unwrap_or_default() {
                spool.write(stream, &bytes).await?;
            }
            self.spool = Some(spool);
        }
        if let Some(spool) = &mut self.spool {
            return spool.write(stream, &bytes).await;
        }
        add_chunk(&mut self.packed, stream, &bytes);
        Ok(())
    }

    async fn push(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}

const _: () = assert!(CHUNK_BYTES * 2 <= QUEUE_PART_BYTES);
