//! The body of an answer of WASI 0.3, as the guest writes it.
//!
//! Wasmtime ends a body both when the guest ends it and when the sandbox is dropped. The second
//! one must not look whole.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;
use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

/// The body of an answer, and whether the run of the handler still waits for its end.
pub(super) struct P3Body {
    frames: HyperOutgoingBody,
    /// Dropped at the end of the body. It is closed once the run has ended.
    end: Option<oneshot::Sender<Infallible>>,
}

impl P3Body {
    /// `frames`, for the end of which the receiver of `end` waits.
    pub(super) fn new(frames: HyperOutgoingBody, end: oneshot::Sender<Infallible>) -> Self {
        Self {
            frames,
            end: Some(end),
        }
    }
}

impl Body for P3Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.frames).poll_frame(context));
        if let Some(Ok(frame)) = frame {
            return Poll::Ready(Some(Ok(frame)));
        }
        let end = self.end.take();
        let was_cut = frame.is_none() && end.is_some_and(|end| end.is_closed());
        if was_cut {
            return Poll::Ready(Some(Err(Error::HttpResponseIncomplete)));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        // The end is known when it is read.
        self.end.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
