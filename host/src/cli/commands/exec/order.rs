//! The turns of instances that print in the order of their numbers.
//!
//! An instance whose turn has not come waits when its channel is full. The lowest running number
//! always has its turn and ends by its deadline, so instances never wait for each other in a
//! circle. A turn ends when it is dropped, whatever becomes of the instance.

use tokio::sync::oneshot;

/// Makes a turn for each instance, in order.
#[derive(Default)]
pub(in crate::cli::commands) struct Order {
    last: Option<oneshot::Receiver<()>>,
}

/// The turn of one instance.
pub(in crate::cli::commands) struct Turn {
    /// Ends with the turn before. `None` when that has ended.
    before: Option<oneshot::Receiver<()>>,
    _end: oneshot::Sender<()>,
}

impl Order {
    /// Makes the turn after all others.
    pub(in crate::cli::commands) fn turn(&mut self) -> Turn {
        let (end, ended) = oneshot::channel();
        Turn {
            before: self.last.replace(ended),
            _end: end,
        }
    }
}

impl Turn {
    /// Waits until all turns before this one have ended.
    pub(in crate::cli::commands) async fn wait(&mut self) {
        if let Some(before) = &mut self.before {
            // The sender is dropped and sends nothing.
            let _ = before.await;
            self.before = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    async fn waits(turn: &mut Turn) -> bool {
        let mut waiting = pin!(turn.wait());
        std::future::poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context).is_pending()))
            .await
    }

    #[tokio::test]
    async fn turns_come_in_order_however_they_end() {
        let mut order = Order::default();
        let (mut first, mut second, mut third) = (order.turn(), order.turn(), order.turn());
        assert!(!waits(&mut first).await);
        assert!(waits(&mut second).await && waits(&mut third).await);
        drop(first);
        assert!(waits(&mut third).await && !waits(&mut second).await);
        drop(second);
        assert!(!waits(&mut third).await);
        drop(third);
        assert!(!waits(&mut order.turn()).await);
    }
}
