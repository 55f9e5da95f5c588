//! The standard output or error of a program in a sandbox, as a channel of bytes.
//!
//! It has two bounds: the program waits while the reader is behind, and is stopped when the
//! sum of its outputs exceeds their cap.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use tokio::sync::SetOnce;
use tokio::sync::mpsc::{self, OwnedPermit};
use tokio_util::sync::PollSender;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::Sender;
use crate::deadline::Deadline;
use crate::error::RunError;
use crate::limits::{CHUNK_BYTES, Limit};

/// One of a program's outputs, tagged as `tag` in a channel that several may
/// share.
#[derive(Clone)]
pub struct Output<T> {
    values: mpsc::Sender<(T, Bytes)>,
    tag: T,
    budget: Arc<Budget>,
    is_terminal: bool,
    /// Its clock stops while the program waits for the reader.
    deadline: Option<Deadline>,
}

/// The bytes that all outputs of a program may have together.
struct Budget {
    cap_bytes: u64,
    left_bytes: AtomicU64,
    exceeded: SetOnce<()>,
}

impl Budget {
    /// Takes `count` bytes.
    fn take(&self, count: u64) -> Result<(), RunError> {
        let (set, get) = (Ordering::Relaxed, Ordering::Relaxed);
        let left = &self.left_bytes;
        let taken = left.fetch_update(set, get, |left| left.checked_sub(count));
        taken.map(drop).map_err(|_| {
            // An earlier write may have set it.
            let _ = self.exceeded.set(());
            self.error()
        })
    }

    fn error(&self) -> RunError {
        RunError::stopped(Limit::Output, self.cap_bytes)
    }
}

impl<T: Copy + Send + Sync + 'static> Output<T> {
    /// An output into the channel of `sender`.
    pub fn new(sender: &Sender<(T, Bytes)>, tag: T, cap_bytes: u64) -> Self {
        Self {
            values: sender.values.clone(),
            tag,
            budget: Arc::new(Budget {
                cap_bytes,
                left_bytes: AtomicU64::new(cap_bytes),
                exceeded: SetOnce::new(),
            }),
            is_terminal: false,
            deadline: None,
        }
    }

    /// Another output of the same program: same channel, same cap.
    #[must_use]
    pub fn sibling(&self, tag: T) -> Self {
        Self {
            tag,
            is_terminal: false,
            ..self.clone()
        }
    }

    /// The same output, which the program sees as a terminal if `is_terminal`.
    #[must_use]
    pub fn on_terminal(self, is_terminal: bool) -> Self {
        Self {
            is_terminal,
            ..self
        }
    }

    /// The same output. While the program waits for its reader, the clock of `deadline` stops.
    #[must_use]
    pub fn with_clock(self, deadline: &Deadline) -> Self {
        Self {
            deadline: Some(deadline.clone()),
            ..self
        }
    }

    /// Waits until the program exceeds the cap, and returns the error that stops it. Interfaces
    /// of WASI 0.3 pass only the program an error.
    pub fn exceeded(&self) -> impl Future<Output = RunError> + use<T> {
        let budget = Arc::clone(&self.budget);
        async move {
            budget.exceeded.wait().await;
            budget.error()
        }
    }
}

impl<T> IsTerminal for Output<T> {
    fn is_terminal(&self) -> bool {
        self.is_terminal
    }
}

impl<T: Copy + Send + Sync + 'static> StdoutStream for Output<T> {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(Writer {
            output: self.clone(),
            values: PollSender::new(self.values.clone()),
            paused: None,
        })
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Stream {
            output: self.clone(),
            room: None,
        })
    }
}

/// Stops the clock of a deadline while it exists.
struct Pause(Deadline);

impl Pause {
    fn start(deadline: Option<&Deadline>) -> Option<Self> {
        deadline.map(|deadline| {
            deadline.pause();
            Self(deadline.clone())
        })
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        self.0.resume();
    }
}

/// An output as WASI 0.2 writes it.
struct Stream<T> {
    output: Output<T>,
    room: Option<OwnedPermit<(T, Bytes)>>,
}

#[async_trait]
impl<T: Copy + Send + Sync + 'static> Pollable for Stream<T> {
    async fn ready(&mut self) {
        if self.room.is_some() {
            return;
        }
        let values = &self.output.values;
        if let Ok(room) = values.clone().try_reserve_owned() {
            self.room = Some(room);
            return;
        }
        let _pause = Pause::start(self.output.deadline.as_ref());
        // The next `check_write` reports that the reader is gone.
        self.room = values.clone().reserve_owned().await.ok();
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
        let taken = self.output.budget.take(bytes.len() as u64);
        taken.map_err(|error| StreamError::Trap(error.into()))?;
        let Some(room) = self.room.take() else {
            return Err(StreamError::trap(
                "expected a write within the permit of check-write, got more",
            ));
        };
        room.send((self.output.tag, bytes));
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        // A written chunk is in the channel already.
        Ok(())
    }
}

/// An output as WASI 0.3 writes it.
struct Writer<T> {
    output: Output<T>,
    values: PollSender<(T, Bytes)>,
    paused: Option<Pause>,
}

// Nothing in it is pinned.
impl<T> Unpin for Writer<T> {}

impl<T: Copy + Send + Sync + 'static> AsyncWrite for Writer<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        let writer = self.get_mut();
        let room = writer.values.poll_reserve(context);
        if room.is_pending() && writer.paused.is_none() {
            writer.paused = Pause::start(writer.output.deadline.as_ref());
        }
        ready!(room).map_err(gone)?;
        writer.paused = None;
        let size = bytes.len().min(CHUNK_BYTES);
        let taken = writer.output.budget.take(size as u64);
        taken.map_err(io::Error::other)?;
        let chunk = Bytes::copy_from_slice(&bytes[..size]);
        let sent = writer.values.send_item((writer.output.tag, chunk));
        sent.map_err(gone)?;
        Poll::Ready(Ok(size))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
