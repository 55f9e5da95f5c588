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

mod broadcast;
mod guest;
mod output;

use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

use crate::error::RunError;
use crate::limits::CHANNEL_ITEMS;

pub use broadcast::Broadcast;
pub use guest::{Closed, Inlet, Intake, Outlet, Promise, byte_outlet};
pub use output::Output;

/// How a channel ended.
type End = Arc<OnceLock<Result<(), RunError>>>;

/// Makes a channel that holds [`CHANNEL_ITEMS`] values.
pub fn channel<T: Send + 'static>() -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = mpsc::channel(CHANNEL_ITEMS);
    let end = End::default();
    (
        Sender {
            values: sender,
            end: Arc::clone(&end),
        },
        Receiver {
            values: receiver,
            end,
        },
    )
}

/// The writer's end. Dropping it without [`Sender::finish`] is a failure.
#[derive(Debug)]
pub struct Sender<T> {
    values: mpsc::Sender<T>,
    end: End,
}

impl<T: Send + 'static> Sender<T> {
    /// Sends a value, after the reader has made room for it.
    ///
    /// # Errors
    ///
    /// [`RunError::ReaderGone`].
    pub async fn send(&self, value: T) -> Result<(), RunError> {
        self.values
            .send(value)
            .await
            .map_err(|_| RunError::ReaderGone)
    }

    /// Says that everything was sent.
    pub fn finish(self) {
        self.end_with(Ok(()));
    }

    /// Says that the rest is missing, and why.
    pub fn fail(self, error: RunError) {
        self.end_with(Err(error));
    }

    /// Ends the channel as its writer ended.
    pub fn end_with(self, end: Result<(), RunError>) {
        // The first word counts; there is one `Sender` and it is used up here.
        let _ = self.end.set(end);
    }

    /// Whether somebody reads.
    pub fn has_reader(&self) -> bool {
        !self.values.is_closed()
    }

    /// Waits until the reader goes away.
    pub async fn reader_gone(&self) {
        self.values.closed().await;
    }

    /// A second writer for the same values, which has no say in how they end.
    fn values(&self) -> PollSender<T> {
        PollSender::new(self.values.clone())
    }
}

/// The reader's end. Dropping it stops the writer.
#[derive(Debug)]
pub struct Receiver<T> {
    values: mpsc::Receiver<T>,
    end: End,
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
        match ready!(self.values.poll_recv(context)) {
            Some(value) => Poll::Ready(Ok(Some(value))),
            None => Poll::Ready(match self.end.get() {
                Some(Ok(())) => Ok(None),
                Some(Err(error)) => Err(error.clone()),
                None => Err(RunError::WriterGone),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn values_come_in_order_and_then_the_end() {
        let (writer, mut reader) = channel();
        let writing = tokio::spawn(async move {
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
