//! The bounded channel itself.

use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use futures::task::AtomicWaker;
use tokio::sync::{SetOnce, mpsc};
use tokio_util::sync::PollSender;

use crate::error::RunError;
use crate::limits::CHANNEL_ITEMS;

/// The end of a channel, and the reader to wake.
#[derive(Debug, Default)]
struct End {
    result: OnceLock<Result<(), RunError>>,
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

/// The writer's end. Dropping it and all its clones without [`Sender::end`] is a failure.
#[derive(Debug)]
pub struct Sender<T> {
    /// Boxed, since the queue allocates 32 places at once, which would be most of the cost of a short
    /// channel.
    pub(super) values: mpsc::Sender<Box<T>>,
    sent: Arc<SetOnce<()>>,
    end: Arc<End>,
}

// Derived, it would require `T: Clone`.
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
    /// Sends a value, and waits for room.
    ///
    /// # Errors
    ///
    /// [`RunError::ReaderGone`].
    pub async fn send(&self, value: T) -> Result<(), RunError> {
        let sent = self.values.send(Box::new(value)).await;
        // An earlier value may have set it.
        let _ = self.sent.set(());
        sent.map_err(|_| RunError::ReaderGone)
    }

    /// Ends the channel: everything was sent.
    pub fn finish(self) {
        self.end(&Ok(()));
    }

    /// Ends the channel with an error: the rest is missing.
    pub fn fail(self, error: RunError) {
        self.end(&Err(error));
    }

    /// Ends the channel with the writer's result. Only the first call has an effect. Values
    /// sent after it may be lost.
    pub fn end(&self, end: &Result<(), RunError>) {
        if self.end.result.set(end.clone()).is_ok() {
            self.end.reader.wake();
        }
    }

    /// Whether the channel has ended.
    pub fn has_ended(&self) -> bool {
        self.end.result.get().is_some()
    }

    /// Whether there is a reader.
    pub fn has_reader(&self) -> bool {
        !self.values.is_closed()
    }

    /// Waits until the reader is gone.
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

    /// A sender for poll functions, and the flag to set when it sends.
    pub(super) fn poll_sender(&self) -> (PollSender<Box<T>>, Arc<SetOnce<()>>) {
        (PollSender::new(self.values.clone()), Arc::clone(&self.sent))
    }
}

/// The reader's end. Dropping it stops the writer.
#[derive(Debug)]
pub struct Receiver<T> {
    values: mpsc::Receiver<Box<T>>,
    end: Arc<End>,
}

impl<T> Receiver<T> {
    /// The next value, or `None` after the last one.
    ///
    /// # Errors
    ///
    /// The writer's error, after the values that it sent before it;
    /// [`RunError::WriterGone`] if it was dropped without an end.
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
            Poll::Ready(Some(value)) => return Poll::Ready(Ok(Some(*value))),
            Poll::Ready(None) => {
                let end = self.end.result.get().cloned();
                let end = end.unwrap_or(Err(RunError::WriterGone));
                return Poll::Ready(end.map(|()| None));
            }
            Poll::Pending => {}
        }
        self.end.reader.register(context.waker());
        let Some(end) = self.end.result.get() else {
            return Poll::Pending;
        };
        // Values sent before the end have arrived.
        Poll::Ready(match self.values.try_recv() {
            Ok(value) => Ok(Some(*value)),
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
    async fn a_failed_or_lost_writer_is_an_error() {
        let (writer, mut reader) = channel::<u8>();
        writer.fail(RunError::Failed("x".to_owned()));
        assert_eq!(reader.recv().await, Err(RunError::Failed("x".to_owned())));
        let (writer, mut reader) = channel::<u8>();
        drop(writer);
        assert_eq!(reader.recv().await, Err(RunError::WriterGone));
    }

    #[tokio::test]
    async fn the_end_arrives_while_a_writer_is_alive() {
        let (writer, mut reader) = channel();
        assert!(!writer.has_sent());
        let clone = writer.clone();
        writer.send(7).await.expect("a reader");
        let reading = spawn(async move {
            let read = [reader.recv().await, reader.recv().await];
            assert_eq!(read, [Ok(Some(7)), Ok(None)]);
        });
        tokio::task::yield_now().await;
        writer.finish();
        reading.await.expect("the end");
        clone.end(&Err(RunError::Failed("too late".to_owned())));
        assert!(clone.has_sent() && !clone.has_reader());
    }

    /// Whether the future has to wait.
    async fn waits(future: impl Future) -> bool {
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending()))
            .await
    }

    #[tokio::test]
    async fn the_writer_waits_for_the_reader_and_notices_its_end() {
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
