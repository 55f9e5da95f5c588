//! The body of a request, as the guest reads it.
//!
//! It is read as far as the guest asks, a piece at a time, so little of it is in memory. Its
//! length has a limit, and so has each wait of the guest for the client.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep};
use wasmtime_wasi_http::Error;

use super::exchange::Exchange;
use crate::limits::{Limit, Limits};

/// A body with limits on its length and on the waits for the client. It ends with its exchange.
pub struct RequestBody {
    exchange: Arc<Exchange>,
    limit_bytes: u64,
    left_bytes: u64,
    stall: Duration,
    /// The end of the wait under way.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl RequestBody {
    /// `body`, which the guest reads within `limits`.
    pub(super) fn new(body: Body, exchange: &Arc<Exchange>, limits: &Limits) -> Self {
        exchange.set_request(body);
        let limit_bytes = limits.bytes(Limit::RequestBody);
        Self {
            exchange: Arc::clone(exchange),
            limit_bytes,
            left_bytes: limit_bytes,
            stall: limits.duration(Limit::Stall),
            waiting: None,
        }
    }
}

impl hyper::body::Body for RequestBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Self {
            exchange,
            limit_bytes,
            left_bytes,
            stall,
            waiting,
        } = self.get_mut();
        let polled = match &mut *exchange.request() {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(Some(Err(axum::Error::new(Error::ConnectionTerminated)))),
        };
        let Poll::Ready(frame) = polled else {
            let waiting = waiting.get_or_insert_with(|| Box::pin(sleep(*stall)));
            let stalled = waiting.as_mut().poll(context);
            return stalled.map(|()| Some(Err(Error::ConnectionReadTimeout)));
        };
        *waiting = None;
        let frame = frame.map(|frame| {
            // The client disconnected, or broke the rules of its chunks.
            let frame = frame.map_err(|_| Error::ConnectionTerminated)?;
            let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
            match left_bytes.checked_sub(bytes) {
                Some(left) => *left_bytes = left,
                None => return Err(Error::HttpRequestBodySize(Some(*limit_bytes))),
            }
            Ok(frame)
        });
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let body = self.exchange.request();
        body.as_ref().is_some_and(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let body = self.exchange.request();
        body.as_ref()
            .map_or_else(SizeHint::default, Body::size_hint)
    }
}
