//! A body that is written piece by piece: by a task of its own, which ends with
//! its reader, and which a reader that takes nothing ends.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use tokio::time::timeout;

use super::Service;
use crate::channel::{Sender, channel};
use crate::error::RunError;
use crate::limits::Limit;
use crate::span::spawn_on;

/// The writing end of a body.
pub(super) struct Feed {
    pieces: Sender<Bytes>,
    stall_ms: u64,
}

/// A body that `write` writes. It ends as `write` does.
pub(super) fn feed<F>(service: &Service, write: impl FnOnce(Feed) -> F) -> Body
where
    F: Future<Output = (Feed, Result<(), RunError>)> + Send + 'static,
{
    let (pieces, mut written) = channel();
    let writing = write(Feed {
        pieces,
        stall_ms: service.limits().get(Limit::Stall),
    });
    // It notices by itself that nobody reads any more.
    spawn_on(&service.0.workers, async move {
        let (feed, ended) = writing.await;
        feed.pieces.end(&ended);
    });
    Body::from_stream(futures::stream::poll_fn(move |context| {
        written.poll_recv(context).map(Result::transpose)
    }))
}

impl Feed {
    /// Sends a piece, after the reader has made room for it.
    ///
    /// # Errors
    ///
    /// [`RunError::ReaderGone`], or [`RunError::Stopped`] by [`Limit::Stall`].
    pub(super) async fn send(&self, piece: impl Into<Bytes>) -> Result<(), RunError> {
        let stall = Duration::from_millis(self.stall_ms);
        match timeout(stall, self.pieces.send(piece.into())).await {
            Ok(sent) => sent,
            Err(_) => Err(self.stalled()),
        }
    }

    /// Waits for `event`, as long as somebody reads.
    ///
    /// # Errors
    ///
    /// [`RunError::ReaderGone`].
    pub(super) async fn meanwhile<R>(&self, event: impl Future<Output = R>) -> Result<R, RunError> {
        tokio::select! {
            event = event => Ok(event),
            () = self.pieces.reader_gone() => Err(RunError::ReaderGone),
        }
    }

    /// What becomes of somebody who takes or sends nothing.
    pub(super) fn stalled(&self) -> RunError {
        RunError::Stopped {
            limit: Limit::Stall,
            value: self.stall_ms,
        }
    }

    /// How long somebody may take or send nothing.
    pub(super) fn stall(&self) -> Duration {
        Duration::from_millis(self.stall_ms)
    }
}
