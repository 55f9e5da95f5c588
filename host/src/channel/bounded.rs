//! Channels: bounded, ordered, typed paths that carry failure as well as
//! values, between two sandboxes or between a sandbox and the host.
//!
//! A channel lives as long as one of its ends. Its writer waits while the reader
//! is [`CHANNEL_ITEMS`] values behind. Its reader sees every value in order and
//! then either the end, if the writer said that it was done, or the failure;
//! never an end that nobody meant.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), cocoon::RunError> {
//! use cocoon::RunError;
//! use cocoon::channel::channel;
//!
//! let (writer, mut reader) = channel();
//! writer.send(1).await?;
//! writer.fail(RunError::Failed("it went wrong".to_owned()));
//!
//! assert_eq!(reader.recv().await?, Some(1));
//! assert!(reader.recv().await.is_err());
//! # Ok(())
//! # }
//! ```

mod guest;
mod output;

use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use futures::task::AtomicWaker;
use tokio::sync::{SetOnce, mpsc};
use tokio_util::sync::PollSender;

use crate::error::RunError;
use crate::limits::CHANNEL_ITEMS;

pub use guest::{ByteInlet, Closed, Inlet, Intake, Loan, Outlet, Promise, byte_outlet};
pub use output::Output;

/// How a channel ended, and who waits to hear of it.
#[derive(Debug, Default)]
struct End {
    said: OnceLock<Result<(), RunError>>,
    reader: AtomicWaker,
}

/// Makes a channel that holds [`CHANNEL_ITEMS`] values.
pub fn channel<T: Send + 'static>() -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = mpsc::channel(CHANNEL_ITEMS);
    let end = Arc::<End>::default();
    (
        Sender {
            values: sender,
            sent: Arc::default(),
            end: Arc::clone(&end),
        },
        Receiver {
            values: receiver,
            end,
        },
    )
}

/// The writer's end. Dropping it, and all its clones, without a word on how it
/// ended is a failure.
#[derive(Debug)]
pub struct Sender<T> {
    values: mpsc::Sender<T>,
    sent: Arc<SetOnce<()>>,
    end: Arc<End>,
}

// The values need not be cloned.
impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self {
            values: self.values.clone(),
            sent: Arc::clone(&self.sent),
            end: Arc::clone(&self.end),
        }
    }
}

impl<T: Send + 'static> Sender<T> {
    /// Sends a value, after the reader has made room for it.
    ///
    /// # Errors
    ///
    /// [`RunError::ReaderGone`].
    pub async fn send(&self, value: T) -> Result<(), RunError> {
        let sent = self.values.send(value).await;
        // It may have been set before.
        let _ = self.sent.set(());
        sent.map_err(|_| RunError::ReaderGone)
    }

    /// Says that everything was sent.
    pub fn finish(self) {
        self.end(&Ok(()));
    }

    /// Says that the rest is missing, and why.
    pub fn fail(self, error: RunError) {
        self.end(&Err(error));
    }

    /// Ends the channel as its writer ended. The first word counts; whatever is
    /// sent after it may be lost.
    pub fn end(&self, end: &Result<(), RunError>) {
        if self.end.said.set(end.clone()).is_ok() {
            self.end.reader.wake();
        }
    }

    /// Whether it was said how it ended.
    pub fn has_ended(&self) -> bool {
        self.end.said.get().is_some()
    }

    /// Whether somebody reads.
    pub fn has_reader(&self) -> bool {
        !self.values.is_closed()
    }

    /// Waits until the reader goes away.
    pub async fn reader_gone(&self) {
        self.values.closed().await;
    }

    /// Whether anything was sent.
    pub fn has_sent(&self) -> bool {
        self.sent.initialized()
    }

    /// Waits until something was sent.
    pub async fn first_sent(&self) {
        self.sent.wait().await;
    }

    /// A writer for the same values that can be polled, and the flag to raise when
    /// it sends.
    fn values(&self) -> (PollSender<T>, Arc<SetOnce<()>>) {
        (PollSender::new(self.values.clone()), Arc::clone(&self.sent))
    }
}

/// The reader's end. Dropping it stops the writer.
#[derive(Debug)]
pub struct Receiver<T> {
    values: mpsc::Receiver<T>,
    end: Arc<End>,
}

impl<T> Receiver<T> {
    /// The next value, or `None` after the last one.
    ///
    /// # Errors
    ///
    /// Why the writer failed, after the values that it sent before;
    /// [`RunError::WriterGone`] where it left without a word.
    pub async fn recv(&mut self) -> Result<Option<T>, RunError> {
        std::future::poll_fn(|context| self.poll_recv(context)).await
    }

    /// As [`Receiver::recv`], for futures written by hand.
    ///
    /// # Errors
    ///
    /// As [`Receiver::recv`].
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<T>, RunError>> {
        match self.values.poll_recv(context) {
            Poll::Ready(Some(value)) => return Poll::Ready(Ok(Some(value))),
            Poll::Ready(None) => {
                let said = self.end.said.get().cloned();
                let end = said.unwrap_or(Err(RunError::WriterGone));
                return Poll::Ready(end.map(|()| None));
            }
            Poll::Pending => {}
        }
        self.end.reader.register(context.waker());
        let Some(end) = self.end.said.get() else {
            return Poll::Pending;
        };
        // What was sent before the end was said is there by now.
        Poll::Ready(match self.values.try_recv() {
            Ok(value) => Ok(Some(value)),
            Err(_) => end.clone().map(|()| None),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::spawn;

    #[tokio::test]
    async fn values_come_in_order_and_then_the_end() {
        let (writer, mut reader) = channel();
        let writing = spawn(async move {
            for value in 0..100 {
                writer.send(value).await.expect("a reader");
            }
            writer.finish();
        });
        for value in 0..100 {
            assert_eq!(reader.recv().await, Ok(Some(value)));
        }
        assert_eq!(reader.recv().await, Ok(None));
        writing.await.expect("the writer");
    }

    #[tokio::test]
    async fn a_failed_or_lost_writer_is_no_end() {
        let (writer, mut reader) = channel::<u8>();
        writer.fail(RunError::Trapped("x".to_owned()));
        assert_eq!(reader.recv().await, Err(RunError::Trapped("x".to_owned())));
        let (writer, mut reader) = channel::<u8>();
        drop(writer);
        assert_eq!(reader.recv().await, Err(RunError::WriterGone));
    }

    #[tokio::test]
    async fn the_end_is_heard_while_there_still_is_a_writer() {
        let (writer, mut reader) = channel();
        assert!(!writer.has_sent());
        let held = writer.clone();
        writer.send(7).await.expect("a reader");
        let reading = spawn(async move {
            let read = [reader.recv().await, reader.recv().await];
            assert_eq!(read, [Ok(Some(7)), Ok(None)]);
        });
        tokio::task::yield_now().await;
        writer.finish();
        reading.await.expect("the end");
        held.end(&Err(RunError::Failed("too late".to_owned())));
        assert!(held.has_sent() && !held.has_reader());
    }

    /// Whether the future has to wait.
    async fn waits(future: impl Future) -> bool {
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending()))
            .await
    }

    #[tokio::test]
    async fn the_writer_waits_for_the_reader_and_hears_of_its_end() {
        let (writer, reader) = channel();
        for value in 0..CHANNEL_ITEMS {
            writer.send(value).await.expect("room");
        }
        assert!(waits(writer.send(0)).await);
        drop(reader);
        assert_eq!(writer.send(0).await, Err(RunError::ReaderGone));
        writer.reader_gone().await;
    }
}
