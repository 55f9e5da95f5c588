//! Standard output, written by one thread, so that no task waits for the system.
//!
//! Tokio's own writer copies each piece, and moves it to a thread and back. Here the pieces wait
//! in a bounded channel, uncopied, while the one before is written. The thread ends with the
//! writer. A thread that is stuck in a write without a reader is left behind when the program
//! ends.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;

use bytes::{Bytes, BytesMut};
use cocoon::limits::{CHANNEL_ITEMS, CHUNK_BYTES};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};

/// Shorter pieces are joined.
const SHORT_BYTES: usize = 8 << 10;

enum Order {
    Write(Bytes),
    /// Answered when all earlier pieces are written.
    Flush(oneshot::Sender<()>),
}

/// The writer's end of standard output.
pub(super) struct Stdout {
    pending: BytesMut,
    orders: mpsc::Sender<Order>,
    /// `None` after its failure was reported.
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Stdout {
    pub(super) fn new() -> Self {
        let (orders, received) = mpsc::channel(CHANNEL_ITEMS);
        Self {
            pending: BytesMut::new(),
            orders,
            thread: Some(spawn_blocking(|| write(received))),
        }
    }

    /// Writes a copy of `bytes`, together with others.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= CHUNK_BYTES {
            self.hand_over().await?;
        }
        Ok(())
    }

    /// Writes `chunk` without copying it, unless it is short.
    pub(super) async fn write_chunk(&mut self, chunk: Bytes) -> io::Result<()> {
        if chunk.len() < SHORT_BYTES {
            return self.write(&chunk).await;
        }
        self.hand_over().await?;
        self.order(Order::Write(chunk)).await
    }

    /// Waits until all of it is written.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        self.hand_over().await?;
        let (done, flushed) = oneshot::channel();
        self.order(Order::Flush(done)).await?;
        match flushed.await {
            Ok(()) => Ok(()),
            Err(_) => self.failed().await,
        }
    }

    async fn hand_over(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let pending = self.pending.split().freeze();
        self.order(Order::Write(pending)).await
    }

    async fn order(&mut self, order: Order) -> io::Result<()> {
        match self.orders.send(order).await {
            Ok(()) => Ok(()),
            Err(_) => self.failed().await,
        }
    }

    /// The error of the thread that has ended.
    async fn failed(&mut self) -> io::Result<()> {
        let lost = || io::Error::other("it has failed before");
        let thread = self.thread.take().ok_or_else(lost)?;
        Err(match thread.await {
            Ok(Err(error)) => error,
            Ok(Ok(())) | Err(_) => lost(),
        })
    }
}

/// Writes pieces until the channel ends, or until a write fails.
fn write(mut orders: mpsc::Receiver<Order>) -> io::Result<()> {
    // The buffer of the standard library would copy too.
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
