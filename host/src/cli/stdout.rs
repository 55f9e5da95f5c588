//! Standard output, written by one thread, so that no task blocks.
//!
//! Tokio's writer copies each chunk, and moves it to a thread and back. Here the chunks wait in a
//! bounded channel without a copy while the thread writes the previous one. The thread ends with
//! the writer. The end of the program does not wait for a thread in a write without a reader.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;

use bytes::{Bytes, BytesMut};
use cocoon::limits::{CHANNEL_ITEMS, CHUNK_BYTES};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};

/// Shorter chunks are joined.
const SHORT_BYTES: usize = 8 << 10;

enum Order {
    Write(Bytes),
    /// A reply is due when all earlier orders are written.
    Flush(oneshot::Sender<()>),
}

/// The sending end of the thread's channel.
pub(super) struct Stdout {
    pending: BytesMut,
    orders: mpsc::Sender<Order>,
    /// `None` after it failed.
    thread: Option<JoinHandle<io::Result<()>>>,
    /// The error of the thread.
    error: Option<io::Error>,
}

impl Stdout {
    pub(super) fn new() -> Self {
        let (orders, received) = mpsc::channel(CHANNEL_ITEMS);
        Self {
            pending: BytesMut::new(),
            orders,
            thread: Some(spawn_blocking(|| write(received))),
            error: None,
        }
    }

    /// Copies `bytes` to a buffer that is written when it has the size of a chunk.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= CHUNK_BYTES {
            self.push().await?;
        }
        Ok(())
    }

    /// Writes `chunk` without a copy, unless it is short.
    pub(super) async fn write_chunk(&mut self, chunk: Bytes) -> io::Result<()> {
        if chunk.len() < SHORT_BYTES {
            return self.write(&chunk).await;
        }
        self.push().await?;
        self.order(Order::Write(chunk)).await
    }

    /// Waits until everything is written.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        self.push().await?;
        let (done, flushed) = oneshot::channel();
        self.order(Order::Flush(done)).await?;
        match flushed.await {
            Ok(()) => Ok(()),
            Err(_) => self.failed().await,
        }
    }

    /// Passes what is pending to the thread.
    pub(super) async fn push(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        // The wait may be dropped, so the bytes stay here until there is a place for them.
        if let Ok(place) = self.orders.reserve().await {
            place.send(Order::Write(self.pending.split().freeze()));
            return Ok(());
        }
        self.failed().await
    }

    async fn order(&mut self, order: Order) -> io::Result<()> {
        match self.orders.send(order).await {
            Ok(()) => Ok(()),
            Err(_) => self.failed().await,
        }
    }

    /// Returns the error of the thread, which accepts no more orders. Several tasks may share the
    /// writer, and each returns the same error.
    async fn failed(&mut self) -> io::Result<()> {
        // The wait may be dropped, and the error has another reader then.
        if let Some(thread) = &mut self.thread {
            self.error = thread.await.ok().and_then(Result::err);
            self.thread = None;
        }
        Err(match &self.error {
            Some(error) => error
                .raw_os_error()
                .map_or_else(|| error.kind().into(), io::Error::from_raw_os_error),
            None => io::Error::other("an earlier write failed"),
        })
    }
}

/// Writes chunks until the channel ends or a write fails.
fn write(mut orders: mpsc::Receiver<Order>) -> io::Result<()> {
    // The buffer of the standard library would copy.
    let mut out = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    while let Some(order) = orders.blocking_recv() {
        match order {
            Order::Write(bytes) => out.write_all(&bytes)?,
            // The receiver may be gone.
            Order::Flush(done) => drop(done.send(())),
        }
    }
    Ok(())
}
