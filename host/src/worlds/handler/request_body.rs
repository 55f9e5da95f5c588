//! The body of a request, as the guest reads it.
//!
//! It is read as far as the guest asks, a piece at a time, so little of it is in memory. Its
//! length has a limit.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use wasmtime_wasi_http::Error;

use super::exchange::Exchange;

/// A body with a limit on its length. It ends with its exchange.
pub struct RequestBody {
    exchange: Arc<Exchange>,
    limit_bytes: u64,
    left_bytes: u64,
}

impl RequestBody {
    /// `body`, of which the guest reads at most `limit_bytes`.
    pub(super) fn new(body: Body, exchange: &Arc<Exchange>, limit_bytes: u64) -> Self {
        exchange.set_request(body);
        Self {
            exchange: Arc::clone(exchange),
            limit_bytes,
            left_bytes: limit_bytes,
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
        } = self.get_mut();
        let frame = match &mut *exchange.request() {
            Some(body) => ready!(Pin::new(body).poll_frame(context)),
            None => Some(Err(axum::Error::new(Error::ConnectionTerminated))),
        };
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
