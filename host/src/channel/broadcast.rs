//! One writer and several readers: what is written comes to each of them, in
//! order.
//!
//! It lives as long as one of its channels has a reader, and goes as fast as the
//! slowest. Whoever leaves takes nothing away from the others. How it ended is
//! told to all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::PollSender;

use super::Sender;
use crate::error::RunError;

/// The writer's ends of channels that all carry the same values. Dropping it
/// without [`Broadcast::end`] is a failure.
#[derive(Debug)]
pub struct Broadcast<T> {
    senders: Vec<Sender<T>>,
    sent: Arc<AtomicBool>,
}

impl<T: Clone + Send + 'static> Broadcast<T> {
    /// A writer for the readers of all `senders`.
    pub fn new(senders: Vec<Sender<T>>) -> Self {
        Self {
            senders,
            sent: Arc::default(),
        }
    }

    /// Sends a value, after every reader that is left has made room for it.
    ///
    /// # Errors
    ///
    /// [`RunError::ReaderGone`] where no reader is left.
    pub async fn send(&self, value: T) -> Result<(), RunError> {
        self.sent.store(true, Ordering::Relaxed);
        let mut taken = Err(RunError::ReaderGone);
        for sender in &self.senders {
            if sender.send(value.clone()).await.is_ok() {
                taken = Ok(());
            }
        }
        taken
    }

    /// Says how it ended; the first word counts. The readers hear of it when the
    /// writer is dropped.
    pub fn end(&self, end: &Result<(), RunError>) {
        for sender in &self.senders {
            let _ = sender.end.set(end.clone());
        }
    }

    /// Whether anything was sent.
    pub fn has_sent(&self) -> bool {
        self.sent.load(Ordering::Relaxed)
    }

    /// Whether somebody reads.
    pub fn has_reader(&self) -> bool {
        self.senders.iter().any(Sender::has_reader)
    }

    /// Waits until the last reader goes away.
    pub async fn readers_gone(&self) {
        for sender in &self.senders {
            sender.reader_gone().await;
        }
    }

    /// Second writers for the same values, which have no say in how they end,
    /// and the flag that they raise when they send.
    pub(super) fn values(&self) -> (Vec<PollSender<T>>, Arc<AtomicBool>) {
        let senders = self.senders.iter().map(Sender::values).collect();
        (senders, Arc::clone(&self.sent))
    }
}

impl<T: Clone + Send + 'static> From<Sender<T>> for Broadcast<T> {
    fn from(sender: Sender<T>) -> Self {
        Self::new(vec![sender])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::channel;

    #[tokio::test]
    async fn every_reader_gets_all_of_it_and_the_end() {
        let ((first, mut one), (second, mut two), (third, gone)) =
            (channel(), channel(), channel());
        let all = Broadcast::new(vec![first, second, third]);
        assert!(!all.has_sent());
        drop(gone);
        all.send(7).await.expect("readers");
        assert!(all.has_sent() && all.has_reader());
        let cause = RunError::Failed("it went wrong".to_owned());
        all.end(&Err(cause.clone()));
        all.end(&Ok(()));
        drop(all);
        for reader in [&mut one, &mut two] {
            assert_eq!(reader.recv().await, Ok(Some(7)));
            assert_eq!(reader.recv().await, Err(cause.clone()));
        }
    }

    #[tokio::test]
    async fn it_ends_when_the_last_reader_leaves() {
        let ((first, one), (second, two)) = (channel(), channel());
        let all = Broadcast::new(vec![first, second]);
        drop(one);
        all.send(1).await.expect("one is left");
        drop(two);
        assert_eq!(all.send(2).await, Err(RunError::ReaderGone));
        assert!(!all.has_reader());
        all.readers_gone().await;
    }
}
