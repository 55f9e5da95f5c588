//! The body of an answer, as the server sends it.
//!
//! A body that the guest did not finish, or that differs from its `Content-Length`, ends with an
//! error, so that the connection breaks off. The server flushes what it has before that, so that
//! the client gets the head. The piece that completes `Content-Length` is the end of the answer
//! for HTTP: it waits for the end of the body.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::http::HeaderMap;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio_util::task::AbortOnDropHandle;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use super::exchange::Exchange;
use crate::deadline::Deadline;
use crate::error::RunError;

/// The body of an answer. Dropping it before its end ends the handler.
pub struct ResponseBody(Kind);

enum Kind {
    /// A body that was whole before its head was sent.
    Whole(Option<Bytes>, Option<Box<HeaderMap>>),
    /// No body: the answer to HEAD, or one whose head announces none.
    None,
    /// A body that is written while it is sent.
    Written(Box<Written>),
}

/// A body that a task writes.
pub(super) struct Written {
    pub(super) frames: HyperOutgoingBody,
    pub(super) exchange: Arc<Exchange>,
    pub(super) deadline: Deadline,
    /// Bytes of `Content-Length` that are left.
    pub(super) left_bytes: Option<u64>,
    /// The piece that completes `Content-Length`.
    pub(super) last: Option<Frame<Bytes>>,
    /// The trailers, which wait for the end of the body as well.
    pub(super) trailers: Option<Frame<Bytes>>,
    /// The handler, until the end of the body.
    pub(super) task: Option<AbortOnDropHandle<Result<(), RunError>>>,
    /// The error that ends the body, until the server has flushed what is before it.
    pub(super) failure: Option<RunError>,
}

impl ResponseBody {
    pub(super) fn whole(bytes: Bytes, trailers: Option<HeaderMap>) -> Self {
        let bytes = Some(bytes).filter(|bytes| !bytes.is_empty());
        Self(Kind::Whole(bytes, trailers.map(Box::new)))
    }

    pub(super) fn none() -> Self {
        Self(Kind::None)
    }

    pub(super) fn written(written: Written) -> Self {
        Self(Kind::Written(Box::new(written)))
    }

    /// Whether the length is known before the body is sent.
    pub fn is_whole(&self) -> bool {
        !matches!(self.0, Kind::Written(_) | Kind::Whole(_, Some(_)))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = RunError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RunError>>> {
        match &mut self.get_mut().0 {
            Kind::Whole(bytes, trailers) => {
                let data = bytes.take().map(Frame::data);
                let last = || trailers.take().map(|it| Frame::trailers(*it));
                Poll::Ready(data.or_else(last).map(Ok))
            }
            Kind::None => Poll::Ready(None),
            Kind::Written(written) => written.poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(bytes, trailers) => bytes.is_none() && trailers.is_none(),
            Kind::None => true,
            Kind::Written(written) => {
                written.task.is_none() && written.last.is_none() && written.trailers.is_none()
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes, None) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |it| it.len() as u64))
            }
            // A length excludes trailers.
            Kind::Whole(_, Some(_)) | Kind::None | Kind::Written(_) => SizeHint::default(),
        }
    }
}

impl Written {
    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RunError>>> {
        if let Some(error) = self.failure.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match ready!(self.poll_guest(context)) {
            Some(Err(error)) => {
                // An error discards what the server has not sent. It sends while the body waits.
                self.failure = Some(error);
                context.waker().wake_by_ref();
                Poll::Pending
            }
            frame => Poll::Ready(frame),
        }
    }

    /// The next frame of the guest, or the error that ends its body.
    fn poll_guest(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RunError>>> {
        // The client has taken the last frame.
        self.deadline.resume();
        loop {
            if self.task.is_none() {
                let frame = self.last.take().or_else(|| self.trailers.take());
                return Poll::Ready(frame.map(Ok));
            }
            let frame = ready!(Pin::new(&mut self.frames).poll_frame(context));
            match frame {
                Some(Ok(frame)) if frame.is_trailers() => self.trailers = Some(frame),
                Some(Ok(frame)) => match self.count(&frame) {
                    Ok(false) => {
                        // The clock of the handler stops while the client takes it.
                        self.deadline.pause();
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    Ok(true) => self.last = Some(frame),
                    Err(error) => return Poll::Ready(Some(Err(error))),
                },
                Some(Err(_)) => return Poll::Ready(Some(Err(self.exchange.failure()))),
                None => match self.left_bytes {
                    None | Some(0) => {
                        // The handler may go on after its answer.
                        drop(self.task.take().map(AbortOnDropHandle::detach));
                    }
                    Some(left) => return Poll::Ready(Some(Err(short(left)))),
                },
            }
        }
    }

    /// Counts the bytes of `frame`. Returns whether it completes the announced length.
    fn count(&mut self, frame: &Frame<Bytes>) -> Result<bool, RunError> {
        let Some(left) = &mut self.left_bytes else {
            return Ok(false);
        };
        let Some(bytes) = frame.data_ref() else {
            return Ok(false);
        };
        match left.checked_sub(bytes.len() as u64) {
            Some(after) => *left = after,
            None => return Err(long()),
        }
        Ok(*left == 0 && !bytes.is_empty())
    }
}

fn short(left: u64) -> RunError {
    RunError::Failed(format!(
        "expected a body as long as Content-Length, got one that is {left} bytes shorter"
    ))
}

fn long() -> RunError {
    RunError::Failed("expected a body as long as Content-Length, got a longer one".to_owned())
}
