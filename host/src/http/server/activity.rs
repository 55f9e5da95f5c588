//! The activity of one connection: whether a request is answered or arrives, and the time of
//! the last event.
//!
//! The connection's socket, its requests and the task that drives it share it. It lives as long
//! as the last of them.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use rustix::io::ioctl_fionread;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::limits::{FIRST_BYTE_PATIENCE, HEAD_PATIENCE};

/// The state of a connection.
#[derive(Debug)]
pub(super) struct Activity {
    opened: Instant,
    /// Requests whose answers are not complete.
    answering: AtomicU64,
    /// Bytes that were read.
    read_bytes: AtomicU64,
    /// Of these, bytes read until the end of the last answer.
    read_bytes_idle: AtomicU64,
    /// The end of the last answer, in milliseconds from the opening.
    idle_since_ms: AtomicU64,
    /// Whether requests are multiplexed (HTTP/2), so that an end cuts none of them.
    multiplexed: AtomicBool,
    /// Whether there was a request.
    has_request: AtomicBool,
    /// The first byte of a request's head, in milliseconds from the opening.
    receiving_since_ms: AtomicU64,
    /// Whether the socket asks the kernel for bytes that the runtime does not know of.
    watches_kernel: AtomicBool,
    /// Whether there are some.
    unread: AtomicBool,
    /// Whether the client may still send the body of the last request.
    has_rest: AtomicBool,
    /// Whether an error without a body, which is no refusal of hyper's, is to be written.
    has_empty_error: AtomicBool,
    begun: Notify,
    evicted: Notify,
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            opened: Instant::now(),
            answering: AtomicU64::new(0),
            read_bytes: AtomicU64::new(0),
            read_bytes_idle: AtomicU64::new(0),
            idle_since_ms: AtomicU64::new(0),
            multiplexed: AtomicBool::new(false),
            has_request: AtomicBool::new(false),
            receiving_since_ms: AtomicU64::new(0),
            watches_kernel: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            has_rest: AtomicBool::new(false),
            has_empty_error: AtomicBool::new(false),
            begun: Notify::new(),
            evicted: Notify::new(),
        })
    }

    /// Begins a request. Dropping the guard ends it.
    pub(super) fn begin(self: &Arc<Self>, multiplexed: bool) -> RequestGuard {
        self.answering.fetch_add(1, Ordering::Relaxed);
        if multiplexed {
            self.multiplexed.store(true, Ordering::Relaxed);
        }
        self.has_request.store(true, Ordering::Relaxed);
        self.begun.notify_one();
        RequestGuard(Arc::clone(self))
    }

    /// Whether a request has begun to arrive and is not complete. Ending the
    /// connection now would lose it.
    pub(super) fn is_receiving(&self) -> bool {
        !self.multiplexed.load(Ordering::Relaxed)
            && self.answering.load(Ordering::Relaxed) == 0
            && (self.unread.load(Ordering::Relaxed)
                || self.read_bytes.load(Ordering::Relaxed)
                    > self.read_bytes_idle.load(Ordering::Relaxed))
    }

    /// Whether the answer to a request is under way that is the only one of its connection.
    pub(super) fn is_answering_alone(&self) -> bool {
        self.answering.load(Ordering::Relaxed) > 0 && !self.multiplexed.load(Ordering::Relaxed)
    }

    /// Makes the socket ask the kernel for unread bytes from now on. The runtime learns of
    /// them later, on a busy machine much later.
    pub(super) fn watch_kernel(&self) {
        self.watches_kernel.store(true, Ordering::Relaxed);
    }

    /// Notes whether the client may still send the body of the last request.
    pub(super) fn set_rest(&self, has_rest: bool) {
        self.has_rest.store(has_rest, Ordering::Relaxed);
    }

    /// Whether the client may still send the body of the last request.
    pub(super) fn has_rest(&self) -> bool {
        self.has_rest.load(Ordering::Relaxed)
    }

    /// Whether an error without a body, which is no refusal of hyper's, is to be written.
    pub(super) fn has_empty_error(&self) -> bool {
        self.has_empty_error.load(Ordering::Relaxed)
    }

    /// Notes whether an error without a body is to be written.
    pub(super) fn set_empty_error(&self, is_next: bool) {
        self.has_empty_error.store(is_next, Ordering::Relaxed);
    }

    /// Whether there was no request yet.
    pub(super) fn is_fresh(&self) -> bool {
        !self.has_request.load(Ordering::Relaxed)
    }

    /// Waits until a request is complete.
    pub(super) async fn wait_for_request(&self) {
        self.begun.notified().await;
    }

    /// The time since which the connection may be evicted: it is idle, or a head has been
    /// arriving for too long. `None` while a request is under way, or likely to arrive at
    /// once.
    pub(super) fn spare_since(&self) -> Option<Instant> {
        let at = |ms: &AtomicU64| self.opened + Duration::from_millis(ms.load(Ordering::Relaxed));
        if self.answering.load(Ordering::Relaxed) > 0 {
            None
        } else if self.is_receiving() {
            let since = at(&self.receiving_since_ms);
            (since.elapsed() >= HEAD_PATIENCE).then_some(since)
        } else if self.is_fresh() {
            (self.opened.elapsed() >= FIRST_BYTE_PATIENCE).then_some(self.opened)
        } else {
            Some(at(&self.idle_since_ms))
        }
    }

    /// Ends the connection as soon as no request is under way.
    pub(super) fn evict(&self) {
        self.evicted.notify_one();
    }

    /// Waits until the connection is evicted.
    pub(super) async fn wait_for_eviction(&self) {
        self.evicted.notified().await;
    }

    /// Counts bytes that were read from `stream`.
    pub(super) fn count_read(&self, bytes: u64, stream: &TcpStream) {
        if self.watches_kernel.load(Ordering::Relaxed) {
            let unread = bytes == 0 && ioctl_fionread(stream).is_ok_and(|unread| unread > 0);
            self.unread.store(unread, Ordering::Relaxed);
        }
        let before = self.read_bytes.fetch_add(bytes, Ordering::Relaxed);
        if bytes > 0 && before == self.read_bytes_idle.load(Ordering::Relaxed) {
            self.receiving_since_ms
                .store(self.now_ms(), Ordering::Relaxed);
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The time since the last answer, or zero while a request is under way.
    pub(super) fn idle(&self) -> Duration {
        if self.answering.load(Ordering::Relaxed) > 0 || self.unread.load(Ordering::Relaxed) {
            return Duration::ZERO;
        }
        let since = Duration::from_millis(self.idle_since_ms.load(Ordering::Relaxed));
        self.opened.elapsed().saturating_sub(since)
    }
}

/// A request whose answer is not complete.
pub(super) struct RequestGuard(Arc<Activity>);

impl Drop for RequestGuard {
    fn drop(&mut self) {
        let activity = &self.0;
        activity
            .idle_since_ms
            .store(activity.now_ms(), Ordering::Relaxed);
        let read_bytes = activity.read_bytes.load(Ordering::Relaxed);
        activity
            .read_bytes_idle
            .store(read_bytes, Ordering::Relaxed);
        activity.answering.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of an answer. Its request lasts as long.
pub(super) struct TrackedBody {
    body: Body,
    _request: RequestGuard,
}

impl TrackedBody {
    pub(super) fn new(body: Body, request: RequestGuard) -> Self {
        Self {
            body,
            _request: request,
        }
    }
}

impl HttpBody for TrackedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
