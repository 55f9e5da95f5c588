//! The stream of a connection of outgoing requests.
//!
//! The client ends a connection only after it has written what it holds. So a server that reads
//! nothing would keep the connection forever, even after the sandbox has ended.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep};

/// A connection with its descriptor.
pub(super) struct Stream<T = TcpStream> {
    io: TokioIo<T>,
    /// The time in which the server takes a byte.
    patience: Duration,
    /// The end of the wait of a write.
    stall: Option<Pin<Box<Sleep>>>,
    _descriptor: OwnedSemaphorePermit,
}

impl<T> Stream<T> {
    /// A connection over `stream`, whose writes fail after `patience` without progress.
    pub(super) fn new(stream: T, patience: Duration, descriptor: OwnedSemaphorePermit) -> Self {
        Self {
            io: TokioIo::new(stream),
            patience,
            stall: None,
            _descriptor: descriptor,
        }
    }

    /// The result of a write, or an error if it has waited for too long.
    fn check<R>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        let patience = self.patience;
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(stall.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl<T> Read for Stream<T>
where
    TokioIo<T>: Read + Unpin,
    T: Unpin,
{
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<T> Write for Stream<T>
where
    TokioIo<T>: Write + Unpin,
    T: Unpin,
{
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.check(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, bytes);
        self.check(context, written)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt as _, duplex};
    use tokio::sync::Semaphore;

    use super::*;

    async fn write(patience: Duration, pause: Duration) -> io::Result<usize> {
        let (near, mut far) = duplex(4);
        let descriptors = Arc::new(Semaphore::new(1));
        let descriptor = Arc::clone(&descriptors).try_acquire_owned();
        let mut stream = Stream::new(near, patience, descriptor.expect("one is free"));
        let mut write =
            async || poll_fn(|context| Pin::new(&mut stream).poll_write(context, b"abcd")).await;
        assert_eq!(write().await?, 4);
        let reading = async {
            sleep(pause).await;
            let mut read = [0; 4];
            far.read_exact(&mut read).await.expect("four bytes");
            std::future::pending().await
        };
        tokio::select! {
            written = write() => written,
            never = reading => never,
        }
    }

    #[tokio::test]
    async fn a_server_that_reads_nothing_fails_a_write() {
        let (short, long) = (Duration::from_millis(20), Duration::from_hours(1));
        let failed = write(short, long).await.expect_err("no room");
        assert_eq!(failed.kind(), io::ErrorKind::TimedOut);
        assert_eq!(write(long, short).await.expect("room"), 4);
    }
}
