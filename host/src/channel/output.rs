//! The standard output or error of a program in a sandbox, as a channel of bytes.
//!
//! Short writes are joined until the program suspends, since its reader often runs on the same thread.
//! An output has two bounds: the program waits while the reader is behind, and is stopped when the
//! sum of its outputs exceeds their cap.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::{io, mem};

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncWrite;
use tokio::sync::SetOnce;
use tokio::sync::mpsc::error::{SendError, TrySendError};
use tokio::sync::mpsc::{self, OwnedPermit};
use tokio_util::sync::PollSender;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::Sender;
use crate::deadline::Deadline;
use crate::error::RunError;
use crate::limits::{CHUNK_BYTES, Limit};

/// The least room that is made for short writes.
const JOINED_BYTES: usize = 1 << 10;

/// One of a program's outputs, tagged as `tag` in a channel that several may
/// share.
#[derive(Clone)]
pub struct Output<T> {
    shared: Arc<Shared<T>>,
    tag: T,
    is_terminal: bool,
    /// Its clock stops while the program waits for the reader.
    deadline: Option<Deadline>,
}

/// The parts that all outputs of a program share.
struct Shared<T> {
    values: mpsc::Sender<Box<(T, Bytes)>>,
    pending: Mutex<Pending<T>>,
    cap_bytes: u64,
    left_bytes: AtomicU64,
    exceeded: SetOnce<()>,
}

/// Bytes that the channel does not have yet.
struct Pending<T> {
    tag: T,
    bytes: BytesMut,
    /// The place in the channel of the last bytes, which therefore never wait.
    last: Option<OwnedPermit<Box<(T, Bytes)>>>,
}

impl<T: Copy + PartialEq> Pending<T> {
    /// The number of bytes that fit.
    fn room(&self, tag: T) -> usize {
        if self.tag == tag || self.bytes.is_empty() {
            CHUNK_BYTES.saturating_sub(self.bytes.len())
        } else {
            0
        }
    }

    fn push(&mut self, tag: T, bytes: Bytes) {
        self.tag = tag;
        if self.bytes.is_empty() && bytes.len() >= JOINED_BYTES {
            // Without a copy, for this is the only owner.
            self.bytes = bytes.into();
        } else {
            self.bytes.reserve(JOINED_BYTES);
            self.bytes.extend_from_slice(&bytes);
        }
    }

    fn take(&mut self) -> (T, Bytes) {
        (self.tag, mem::take(&mut self.bytes).freeze())
    }
}

/// A wait for a place in the channel.
type Place<T> =
    Pin<Box<dyn Future<Output = Result<OwnedPermit<Box<(T, Bytes)>>, SendError<()>>> + Send>>;

impl<T: Copy + PartialEq + Send + 'static> Shared<T> {
    /// A thread that panics leaves the bytes whole.
    fn pending(&self) -> MutexGuard<'_, Pending<T>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of bytes that may be written now, or `None` if the reader is gone.
    fn room(&self, tag: T) -> Option<usize> {
        if self.values.is_closed() {
            return None;
        }
        let mut pending = self.pending();
        match pending.room(tag) {
            0 => match self.values.try_reserve() {
                Ok(place) => {
                    place.send(Box::new(pending.take()));
                    Some(CHUNK_BYTES)
                }
                Err(TrySendError::Full(())) => Some(0),
                Err(TrySendError::Closed(())) => None,
            },
            room => Some(room),
        }
    }

    /// Sends the bytes that are pending, once there is a place for them. `place` is a wait for that.
    fn poll_send(&self, place: &mut Option<Place<T>>, context: &mut Context<'_>) {
        let mut pending = self.pending();
        if pending.bytes.is_empty() {
            *place = None;
            return;
        }
        if place.is_none() {
            match self.values.try_reserve() {
                Ok(place) => return place.send(Box::new(pending.take())),
                Err(TrySendError::Closed(())) => return,
                Err(TrySendError::Full(())) => {}
            }
        }
        let waiting = place.get_or_insert_with(|| Box::pin(self.values.clone().reserve_owned()));
        if let Poll::Ready(reserved) = waiting.as_mut().poll(context) {
            *place = None;
            if let Ok(place) = reserved {
                place.send(Box::new(pending.take()));
            }
        }
    }

    /// Takes `count` bytes of the cap.
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

impl<T: Copy + PartialEq + Send + Sync + 'static> Output<T> {
    /// An output into the channel of `sender`. The program is to be polled by [`Output::drive`].
    pub fn new(sender: &Sender<(T, Bytes)>, tag: T, cap_bytes: u64) -> Self {
        let values = sender.values.clone();
        let pending = Mutex::new(Pending {
            tag,
            bytes: BytesMut::new(),
            last: values.clone().try_reserve_owned().ok(),
        });
        Self {
            shared: Arc::new(Shared {
                values,
                pending,
                cap_bytes,
                left_bytes: AtomicU64::new(cap_bytes),
                exceeded: SetOnce::new(),
            }),
            tag,
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
        let shared = Arc::clone(&self.shared);
        async move {
            shared.exceeded.wait().await;
            shared.error()
        }
    }

    /// Runs the program. Whenever it suspends, what it wrote to its outputs is sent.
    pub async fn drive<R>(&self, mut running: Pin<&mut impl Future<Output = R>>) -> R {
        let mut place: Option<Place<T>> = None;
        std::future::poll_fn(|context| {
            let polled = running.as_mut().poll(context);
            if polled.is_pending() {
                self.shared.poll_send(&mut place, context);
            }
            polled
        })
        .await
    }

    /// Sends the bytes that were written last. It needs no wait.
    pub fn finish(&self) {
        let mut pending = self.shared.pending();
        if pending.bytes.is_empty() {
            return;
        }
        let bytes = Box::new(pending.take());
        match pending.last.take() {
            Some(last) => drop(last.send(bytes)),
            // Without a place, the reader was gone at the start, or this was called before.
            None => drop(self.shared.values.try_send(bytes)),
        }
    }
}

impl<T> IsTerminal for Output<T> {
    fn is_terminal(&self) -> bool {
        self.is_terminal
    }
}

impl<T: Copy + PartialEq + Send + Sync + 'static> StdoutStream for Output<T> {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(Writer {
            values: PollSender::new(self.shared.values.clone()),
            output: self.clone(),
            paused: None,
        })
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Stream(self.clone()))
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
struct Stream<T>(Output<T>);

#[async_trait]
impl<T: Copy + PartialEq + Send + Sync + 'static> Pollable for Stream<T> {
    async fn ready(&mut self) {
        let Output { shared, tag, .. } = &self.0;
        // The next `check_write` reports that the reader is gone.
        while shared.room(*tag) == Some(0) {
            let _pause = Pause::start(self.0.deadline.as_ref());
            if let Ok(place) = shared.values.reserve().await {
                let mut pending = shared.pending();
                if !pending.bytes.is_empty() {
                    place.send(Box::new(pending.take()));
                }
            }
        }
    }
}

#[async_trait]
impl<T: Copy + PartialEq + Send + Sync + 'static> OutputStream for Stream<T> {
    fn check_write(&mut self) -> StreamResult<usize> {
        self.0.shared.room(self.0.tag).ok_or(StreamError::Closed)
    }

    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let Output { shared, tag, .. } = &self.0;
        let mut pending = shared.pending();
        if bytes.len() > pending.room(*tag) {
            return Err(StreamError::trap(
                "expected a write within the permit of check-write, got more",
            ));
        }
        let taken = shared.take(bytes.len() as u64);
        taken.map_err(|error| StreamError::Trap(error.into()))?;
        pending.push(*tag, bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        // Written bytes are sent when the program suspends.
        Ok(())
    }
}

/// An output as WASI 0.3 writes it.
struct Writer<T> {
    output: Output<T>,
    values: PollSender<Box<(T, Bytes)>>,
    paused: Option<Pause>,
}

// Nothing in it is pinned.
impl<T> Unpin for Writer<T> {}

impl<T: Copy + PartialEq + Send + Sync + 'static> AsyncWrite for Writer<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        let Self {
            output,
            values,
            paused,
        } = self.get_mut();
        let Output { shared, tag, .. } = &*output;
        while shared.room(*tag).ok_or_else(gone)? == 0 {
            let place = values.poll_reserve(context);
            if place.is_pending() && paused.is_none() {
                *paused = Pause::start(output.deadline.as_ref());
            }
            ready!(place).map_err(|_| gone())?;
            let mut pending = shared.pending();
            if pending.bytes.is_empty() {
                values.abort_send();
            } else {
                values
                    .send_item(Box::new(pending.take()))
                    .map_err(|_| gone())?;
            }
        }
        *paused = None;
        let mut pending = shared.pending();
        let size = bytes.len().min(pending.room(*tag));
        let taken = shared.take(size as u64);
        taken.map_err(io::Error::other)?;
        pending.push(*tag, Bytes::copy_from_slice(&bytes[..size]));
        Poll::Ready(Ok(size))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
