//! A body that a task writes piece by piece. The task ends when its client disconnects, or reads
//! nothing for `--stall`.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use tokio::time::timeout;

use super::ServerState;
use crate::channel::{Sender, channel};
use crate::error::RunError;
use crate::limits::Limit;
use crate::span::spawn_on;

/// The writing end of a body.
pub(crate) struct BodyWriter {
    pieces: Sender<Bytes>,
    stall: Duration,
    stall_ms: u64,
}

/// Spawns the task `write` and returns its body. `write` returns the writer with the result, which
/// ends the body.
pub(crate) fn stream_body<F>(server: &ServerState, write: impl FnOnce(BodyWriter) -> F) -> Body
where
    F: Future<Output = (BodyWriter, Result<(), RunError>)> + Send + 'static,
{
    let (pieces, mut written) = channel();
    let task = write(BodyWriter {
        pieces,
        stall: server.limits().duration(Limit::Stall),
        stall_ms: server.limits().get(Limit::Stall),
    });
    // The writer notices a client that disconnected.
    spawn_on(server.workers(), async move {
        let (writer, result) = task.await;
        writer.pieces.end(&result);
    });
    Body::from_stream(futures::stream::poll_fn(move |context| {
        written.poll_recv(context).map(Result::transpose)
    }))
}

impl BodyWriter {
    /// Sends a piece, and waits for room.
    ///
    /// # Errors
    ///
    /// [`RunError::ReaderGone`], or [`RunError::Stopped`] by [`Limit::Stall`].
    pub(crate) async fn send(&self, piece: impl Into<Bytes>) -> Result<(), RunError> {
        match timeout(self.stall, self.pieces.send(piece.into())).await {
            Ok(sent) => sent,
            Err(_) => Err(self.stall_error()),
        }
    }

    /// Waits for `event`, or until the reader is gone.
    ///
    /// # Errors
    ///
    /// [`RunError::ReaderGone`].
    pub(crate) async fn or_reader_gone<R>(
        &self,
        event: impl Future<Output = R>,
    ) -> Result<R, RunError> {
        tokio::select! {
            event = event => Ok(event),
            () = self.pieces.reader_gone() => Err(RunError::ReaderGone),
        }
    }

    /// The error of a client that takes or sends nothing.
    pub(crate) fn stall_error(&self) -> RunError {
        RunError::stopped(Limit::Stall, self.stall_ms)
    }

    /// The time for which a client may take or send nothing.
    pub(crate) fn stall(&self) -> Duration {
        self.stall
    }
}
