//! The standard output or error of a program in a sandbox, as a channel of bytes.
//!
//! It has two bounds: the program waits while the reader is behind, and is stopped when the
//! sum of its outputs exceeds their cap.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use tokio::sync::mpsc::{self, OwnedPermit};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::Sender;
use crate::error::RunError;
use crate::limits::{CHUNK_BYTES, Limit};

/// One of a program's outputs, tagged as `tag` in a channel that several may
/// share.
pub struct Output<T> {
    values: mpsc::Sender<(T, Bytes)>,
    tag: T,
    cap_bytes: u64,
    left_bytes: Arc<AtomicU64>,
}

impl<T: Copy + Send + Sync + 'static> Output<T> {
    /// An output into the channel of `sender`.
    pub fn new(sender: &Sender<(T, Bytes)>, tag: T, cap_bytes: u64) -> Self {
        let left_bytes = Arc::new(AtomicU64::new(cap_bytes));
        Self {
            values: sender.values.clone(),
            tag,
            cap_bytes,
            left_bytes,
        }
    }

    /// Another output of the same program: same channel, same cap.
    #[must_use]
    pub fn sibling(&self, tag: T) -> Self {
        Self {
            values: self.values.clone(),
            tag,
            cap_bytes: self.cap_bytes,
            left_bytes: Arc::clone(&self.left_bytes),
        }
    }
}

impl<T> IsTerminal for Output<T> {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl<T: Copy + Send + Sync + 'static> StdoutStream for Output<T> {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // Only WASI 0.3 asks for this, and none of its interfaces is linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Stream {
            output: self.sibling(self.tag),
            room: None,
        })
    }
}

struct Stream<T> {
    output: Output<T>,
    room: Option<OwnedPermit<(T, Bytes)>>,
}

#[async_trait]
impl<T: Copy + Send + Sync + 'static> Pollable for Stream<T> {
    async fn ready(&mut self) {
        if self.room.is_none() {
            // The next `check_write` reports that the reader is gone.
            self.room = self.output.values.clone().reserve_owned().await.ok();
        }
    }
}

#[async_trait]
impl<T: Copy + Send + Sync + 'static> OutputStream for Stream<T> {
    fn check_write(&mut self) -> StreamResult<usize> {
        if self.room.is_none() {
            match self.output.values.clone().try_reserve_owned() {
                Ok(room) => self.room = Some(room),
                Err(mpsc::error::TrySendError::Full(_)) => return Ok(0),
                Err(mpsc::error::TrySendError::Closed(_)) => return Err(StreamError::Closed),
            }
        }
        Ok(CHUNK_BYTES)
    }

    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        if bytes.len() > CHUNK_BYTES {
            return Err(StreamError::trap(
                "expected a write within the permit of check-write, got more",
            ));
        }
        let output = &self.output;
        let count = bytes.len() as u64;
        let reserved =
            output
                .left_bytes
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                    left.checked_sub(count)
                });
        if reserved.is_err() {
            let error = RunError::stopped(Limit::Output, output.cap_bytes);
            return Err(StreamError::Trap(error.into()));
        }
        let Some(room) = self.room.take() else {
            return Err(StreamError::trap(
                "expected a write within the permit of check-write, got more",
            ));
        };
        room.send((output.tag, bytes));
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        // A written chunk is in the channel already.
        Ok(())
    }
}
