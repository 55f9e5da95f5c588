//! The body of a request, which notes on its connection whether it was read to its end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody as _};
use hyper::body::{Frame, Incoming, SizeHint};

use super::activity::Activity;

/// A body that has not ended.
struct RequestBody {
    body: Incoming,
    activity: Arc<Activity>,
}

/// Returns `body`, of a request of HTTP/1, and notes on `activity` whether it was read to its end.
pub(super) fn watch(body: Incoming, activity: &Arc<Activity>) -> Body {
    let has_rest = !body.is_end_stream();
    activity.set_rest(has_rest);
    if !has_rest {
        return Body::new(body);
    }
    Body::new(RequestBody {
        body,
        activity: Arc::clone(activity),
    })
}

impl hyper::body::Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Self { body, activity } = self.get_mut();
        let polled = Pin::new(&mut *body).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) || body.is_end_stream() {
            activity.set_rest(false);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
