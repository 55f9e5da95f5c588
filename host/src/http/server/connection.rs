//! What is known of one connection while HTTP runs over it: whether a request is
//! being answered, whether one has begun to arrive, and when anything happened
//! last.
//!
//! It is shared by the connection's socket, by its requests and by the task that
//! drives it, and lives as long as the last of them. A socket that takes no byte
//! for the stall limit is an error, which ends the connection.
//!
//! hyper refuses a head that it cannot read before any service sees it, with an
//! empty response. The socket writes a problem in its place.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::StatusCode;
use bytes::Buf as _;
use hyper::body::{Frame, SizeHint};
use rustix::io::ioctl_fionread;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep};

use super::problem::{PROBLEM_JSON, Problem};

/// What a connection is doing.
#[derive(Debug)]
pub(super) struct Activity {
    opened: Instant,
    /// Requests whose answers are not over.
    answering: AtomicU64,
    /// Bytes that were read.
    read_bytes: AtomicU64,
    /// Of these, what was read when the last answer was over.
    read_bytes_idle: AtomicU64,
    /// When the last answer was over, in milliseconds from the opening.
    idle_since_ms: AtomicU64,
    /// Whether requests are multiplexed: then ending it cuts none of them.
    multiplexed: AtomicBool,
    /// Whether there was a request.
    asked: AtomicBool,
    /// When the head of a request began to arrive, in milliseconds from the opening.
    receiving_since_ms: AtomicU64,
    /// Whether the socket asks the kernel for bytes that the runtime does not know of.
    looking: AtomicBool,
    /// Whether there are some.
    unread: AtomicBool,
    begun: Notify,
    evicted: Notify,
}

/// The time in which a new connection sends the first byte of its request. It makes no
/// room for others before.
const FRESH_PATIENCE: Duration = Duration::from_millis(100);
/// The time in which the head of a request arrives. A connection makes no room for others
/// before.
const HEAD_PATIENCE: Duration = Duration::from_secs(1);

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            opened: Instant::now(),
            answering: AtomicU64::new(0),
            read_bytes: AtomicU64::new(0),
            read_bytes_idle: AtomicU64::new(0),
            idle_since_ms: AtomicU64::new(0),
            multiplexed: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            receiving_since_ms: AtomicU64::new(0),
            looking: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            begun: Notify::new(),
            evicted: Notify::new(),
        })
    }

    /// Begins a request, which is over when the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>, multiplexed: bool) -> Answering {
        self.answering.fetch_add(1, Ordering::Relaxed);
        if multiplexed {
            self.multiplexed.store(true, Ordering::Relaxed);
        }
        self.asked.store(true, Ordering::Relaxed);
        self.begun.notify_one();
        Answering(Arc::clone(self))
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

    /// Has the socket look, from now on, for bytes that the kernel has. The runtime learns
    /// of them later, and on a busy machine much later.
    pub(super) fn look(&self) {
        self.looking.store(true, Ordering::Relaxed);
    }

    /// Whether nothing was asked yet.
    pub(super) fn is_fresh(&self) -> bool {
        !self.asked.load(Ordering::Relaxed)
    }

    /// Waits until a request is complete.
    pub(super) async fn begun(&self) {
        self.begun.notified().await;
    }

    /// Since when the connection is of so little use that another one may have its place:
    /// idle, or a head has been arriving for too long. `None` while a request is under way,
    /// or likely to arrive at once.
    pub(super) fn spare_since(&self) -> Option<Instant> {
        let at = |ms: &AtomicU64| self.opened + Duration::from_millis(ms.load(Ordering::Relaxed));
        if self.answering.load(Ordering::Relaxed) > 0 {
            None
        } else if self.is_receiving() {
            let since = at(&self.receiving_since_ms);
            (since.elapsed() >= HEAD_PATIENCE).then_some(since)
        } else if self.is_fresh() {
            (self.opened.elapsed() >= FRESH_PATIENCE).then_some(self.opened)
        } else {
            Some(at(&self.idle_since_ms))
        }
    }

    /// Has the connection end as soon as no request is under way.
    pub(super) fn evict(&self) {
        self.evicted.notify_one();
    }

    /// Waits until the connection is evicted.
    pub(super) async fn evicted(&self) {
        self.evicted.notified().await;
    }

    /// Counts bytes that were read from `stream`.
    fn read(&self, bytes: u64, stream: &TcpStream) {
        if self.looking.load(Ordering::Relaxed) {
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

    /// For how long there was nothing to answer.
    pub(super) fn idle(&self) -> Duration {
        if self.answering.load(Ordering::Relaxed) > 0 || self.unread.load(Ordering::Relaxed) {
            return Duration::ZERO;
        }
        let since = Duration::from_millis(self.idle_since_ms.load(Ordering::Relaxed));
        self.opened.elapsed().saturating_sub(since)
    }
}

/// A request whose answer is not over.
pub(super) struct Answering(Arc<Activity>);

impl Drop for Answering {
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

/// An answer's body, which keeps its request from being over.
pub(super) struct Answered {
    body: Body,
    _answering: Answering,
}

impl Answered {
    pub(super) fn new(body: Body, answering: Answering) -> Self {
        Self {
            body,
            _answering: answering,
        }
    }
}

impl HttpBody for Answered {
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

/// A connection's socket.
pub(super) struct Socket {
    stream: TcpStream,
    activity: Arc<Activity>,
    stall: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    refusal: Option<Refusal>,
}

/// A problem that is written in place of an empty response.
struct Refusal {
    /// What is left to be written.
    bytes: Bytes,
    /// The length of what it replaces.
    replaced_bytes: usize,
}

impl Refusal {
    /// The problem in place of `written`, if that is a response of hyper's own: the
    /// only error without a body, and the last that is written.
    fn of(written: &[u8]) -> Option<Self> {
        const EMPTY: &str = "content-length: 0\r\n";
        let status = written
            .strip_prefix(b"HTTP/1.1 4")
            .or_else(|| written.strip_prefix(b"HTTP/1.0 4"))?;
        let text = str::from_utf8(written).ok()?;
        let (before, after) = text.split_once(EMPTY)?;
        let after = after.strip_suffix("\r\n")?;
        let has_body = text.find("\r\n\r\n")? + 4 != text.len();
        if has_body || !before.ends_with("\r\n") {
            return None;
        }
        let (status, detail) = match status.get(..2)? {
            b"14" => (
                StatusCode::URI_TOO_LONG,
                "expected a shorter request target, got one over 65534 bytes",
            ),
            b"31" => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "expected a request head of at most 100 fields within the limit of headers, got a \
                 larger one; use --headers to raise the limit",
            ),
            _ => (
                StatusCode::BAD_REQUEST,
                "expected the head of an HTTP request, got bytes that are none",
            ),
        };
        let problem = Problem::plain(status, detail).to_json();
        let head = format!(
            "{before}content-type: {PROBLEM_JSON}\r\ncache-control: no-store\r\n\
             content-length: {}\r\n{after}\r\n",
            problem.len()
        );
        Some(Self {
            bytes: [head.into_bytes(), problem].concat().into(),
            replaced_bytes: written.len(),
        })
    }
}

impl Socket {
    pub(super) fn new(stream: TcpStream, activity: Arc<Activity>, stall: Duration) -> Self {
        Self {
            stream,
            activity,
            stall,
            stalled: None,
            refusal: None,
        }
    }

    /// Writes the problem in place of `written`, where that is an empty refusal.
    fn poll_refusal(
        &mut self,
        context: &mut Context<'_>,
        written: &[u8],
    ) -> Option<Poll<io::Result<usize>>> {
        if self.refusal.is_none() {
            self.refusal = Some(Refusal::of(written)?);
        }
        while let Some(refusal) = &mut self.refusal
            && !refusal.bytes.is_empty()
        {
            let written = Pin::new(&mut self.stream).poll_write(context, &refusal.bytes);
            match self.held_to_stall(context, written) {
                Poll::Ready(Ok(0)) => {
                    return Some(Poll::Ready(Err(io::ErrorKind::WriteZero.into())));
                }
                Poll::Ready(Ok(bytes)) => {
                    if let Some(refusal) = &mut self.refusal {
                        refusal.bytes.advance(bytes);
                    }
                }
                unwritten => return Some(unwritten),
            }
        }
        let refusal = self.refusal.take()?;
        Some(Poll::Ready(Ok(refusal.replaced_bytes)))
    }

    /// What became of a write, unless it has waited for too long.
    fn held_to_stall<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stall = self.stall;
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let socket = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut socket.stream).poll_read(context, buffer);
        let bytes = buffer.filled().len() - before;
        socket.activity.read(bytes as u64, &socket.stream);
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let socket = self.get_mut();
        if let Some(refused) = socket.poll_refusal(context, bytes) {
            return refused;
        }
        let written = Pin::new(&mut socket.stream).poll_write(context, bytes);
        socket.held_to_stall(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let socket = self.get_mut();
        // hyper writes a refusal by itself, after all else.
        if let [one] = bytes
            && let Some(refused) = socket.poll_refusal(context, one)
        {
            return refused;
        }
        let written = Pin::new(&mut socket.stream).poll_write_vectored(context, bytes);
        socket.held_to_stall(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = self.get_mut();
        let flushed = Pin::new(&mut socket.stream).poll_flush(context);
        socket.held_to_stall(context, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_refusal_of_hypers_becomes_a_problem() {
        let empty = "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\
            content-length: 0\r\ndate: now\r\n\r\n";
        let refusal = Refusal::of(empty.as_bytes()).expect("a refusal");
        assert_eq!(refusal.replaced_bytes, empty.len());
        let text = str::from_utf8(&refusal.bytes).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a body");
        let problem: serde_json::Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(problem["status"], 431);
        let expected = format!(
            "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\
             content-type: application/problem+json\r\ncache-control: no-store\r\n\
             content-length: {}\r\ndate: now",
            body.len()
        );
        assert_eq!(head, expected);
    }

    #[test]
    fn everything_else_is_written_as_it_is() {
        for bytes in [
            "",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 10\r\n\r\n0123456789",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\nx-content-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n",
        ] {
            assert!(Refusal::of(bytes.as_bytes()).is_none(), "{bytes}");
        }
    }
}
