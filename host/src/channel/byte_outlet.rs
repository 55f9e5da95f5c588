//! An outlet for bytes, with a cap and a deadline.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::{SetOnce, oneshot};
use tokio_util::sync::PollSender;
use tracing::Span;
use tracing::field::Empty;
use wasmtime::StoreContextMut;
use wasmtime::component::{Source, StreamConsumer, StreamResult};

use super::outlet::wait;
use super::{CloseSignal, Sender};
use crate::deadline::Deadline;
use crate::error::RunError;
use crate::grants::State;
use crate::limits::{CHUNK_BYTES, Limit};

/// Makes an outlet that moves bytes in pieces of up to [`CHUNK_BYTES`], and stops the sandbox
/// after `cap_bytes`. While it waits for its reader, the clock of `deadline`, if any, stops.
pub fn byte_outlet(
    reader: &Sender<Bytes>,
    cap_bytes: u64,
    deadline: Option<Deadline>,
) -> (impl StreamConsumer<State, Item = u8> + use<>, CloseSignal) {
    let (open, closed) = oneshot::channel();
    let (values, sent) = reader.poll_sender();
    let outlet = ByteOutlet {
        values,
        sent,
        cap_bytes,
        left_bytes: cap_bytes,
        deadline,
        span: tracing::debug_span!("channel", cocoon.output_bytes = Empty),
        _open: open,
    };
    (outlet, CloseSignal(closed))
}

struct ByteOutlet {
    values: PollSender<Box<Bytes>>,
    sent: Arc<SetOnce<()>>,
    cap_bytes: u64,
    left_bytes: u64,
    deadline: Option<Deadline>,
    span: Span,
    _open: oneshot::Sender<()>,
}

impl ByteOutlet {
    /// Waits for room. `false` if the reader is gone.
    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        let room = self.values.poll_reserve(context);
        if let Some(deadline) = &self.deadline {
            if room.is_pending() {
                deadline.pause();
            } else {
                deadline.resume();
            }
        }
        room.map(|room| room.is_ok())
    }
}

impl Drop for ByteOutlet {
    fn drop(&mut self) {
        if !self.span.is_disabled() {
            let sent_bytes = self.cap_bytes - self.left_bytes;
            self.span
                .record("cocoon.output_bytes", sent_bytes.cast_signed());
        }
    }
}

impl StreamConsumer<State> for ByteOutlet {
    type Item = u8;

    fn poll_consume(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        store: StoreContextMut<State>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let outlet = self.get_mut();
        match outlet.poll_room(context) {
            Poll::Ready(true) => {}
            Poll::Ready(false) => return Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Pending => return wait(finish),
        }
        let mut source = source.as_direct(store);
        let written = source.remaining();
        let size = written.len().min(CHUNK_BYTES);
        if size == 0 {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        let Some(left_bytes) = outlet.left_bytes.checked_sub(size as u64) else {
            let error = RunError::stopped(Limit::Output, outlet.cap_bytes);
            return Poll::Ready(Err(error.into()));
        };
        outlet.left_bytes = left_bytes;
        let chunk = Bytes::copy_from_slice(&written[..size]);
        source.mark_read(size);
        let sent = outlet.values.send_item(Box::new(chunk));
        // It may have been set before.
        let _ = outlet.sent.set(());
        Poll::Ready(Ok(if sent.is_err() {
            StreamResult::Dropped
        } else {
            StreamResult::Completed
        }))
    }
}
