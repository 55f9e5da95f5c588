//! The socket of a connection.
//!
//! A client that reads no byte for the stall limit is an error, which ends the connection.
//!
//! hyper refuses a head that it cannot read before any service sees it, with an empty response.
//! The socket writes a problem in its place.
//!
//! An answer may precede the end of its request. Closing a socket resets a connection whose client
//! still sends, and the client may lose the answer. So the socket first discards what the client
//! sends.
//!
//! hyper notices a client that leaves when it reads. It does not read while a handler leaves the
//! body of its request unread, or while another request waits. The socket looks for itself then.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::StatusCode;
use bytes::Buf as _;
use futures::FutureExt as _;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use super::activity::Activity;
use super::problem::{PROBLEM_JSON, Problem};
use super::protocol::TOO_LARGE;
use crate::limits::{CLIENT_PAUSE, DISCARD_TIME};

/// A connection's socket.
pub(super) struct Socket {
    stream: TcpStream,
    activity: Arc<Activity>,
    stall: Duration,
    stall_timer: Option<Pin<Box<Sleep>>>,
    /// Whether hyper waits for bytes, and so notices a client that leaves.
    is_read: bool,
    /// The next look for a client that has left.
    look: Option<Pin<Box<Sleep>>>,
    refusal: Option<Refusal>,
    /// The end of the time for which the rest of a request is discarded.
    discarding: Option<Pin<Box<Sleep>>>,
}

/// A problem that is written in place of an empty response.
struct Refusal {
    /// Bytes that are still to be written.
    bytes: Bytes,
    /// The length of the response that it replaces.
    replaced_bytes: usize,
}

impl Refusal {
    /// The problem in place of `written`, if that is an error without a body: a response of
    /// hyper's own, unless a handler answered so.
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
                "expected a request target of at most 65534 bytes, got a longer one",
            ),
            b"31" => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, TOO_LARGE),
            _ => (
                StatusCode::BAD_REQUEST,
                "expected the head of an HTTP request, got other bytes",
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
            stall_timer: None,
            is_read: false,
            look: None,
            refusal: None,
            discarding: None,
        }
    }

    /// Discards what the client sends, until it closes the connection or `end`.
    fn poll_discard(
        stream: &mut TcpStream,
        end: &mut Pin<Box<Sleep>>,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let mut discarded = [MaybeUninit::uninit(); 4 << 10];
        loop {
            let mut buffer = ReadBuf::uninit(&mut discarded);
            match Pin::new(&mut *stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return end.as_mut().poll(context),
            }
        }
    }

    /// Writes the problem in place of `written`, where that is an empty refusal.
    fn poll_refusal(
        &mut self,
        context: &mut Context<'_>,
        written: &[u8],
    ) -> Option<Poll<io::Result<usize>>> {
        if self.refusal.is_none() {
            let refusal = Refusal::of(written)?;
            if self.activity.has_empty_error() {
                let sent = Pin::new(&mut self.stream).poll_write(context, written);
                if matches!(sent, Poll::Ready(Ok(bytes)) if bytes == written.len()) {
                    self.activity.set_empty_error(false);
                }
                return Some(self.check_stall(context, sent));
            }
            self.refusal = Some(refusal);
        }
        while let Some(refusal) = &mut self.refusal
            && !refusal.bytes.is_empty()
        {
            let written = Pin::new(&mut self.stream).poll_write(context, &refusal.bytes);
            match self.check_stall(context, written) {
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

    /// Whether the client has left while nobody reads what it sent. Looks now and then.
    fn has_left(&mut self, context: &mut Context<'_>) -> bool {
        if self.is_read || !self.activity.is_answering_alone() {
            return false;
        }
        let look = self
            .look
            .get_or_insert_with(|| Box::pin(sleep(CLIENT_PAUSE)));
        while look.as_mut().poll(context).is_ready() {
            // The end of what the client sends is one of the events of this interest, and unread
            // bytes are not.
            if self
                .stream
                .ready(Interest::PRIORITY)
                .now_or_never()
                .is_some()
            {
                return true;
            }
            look.as_mut().reset(Instant::now() + CLIENT_PAUSE);
        }
        false
    }

    /// The result of a write, or an error if it has waited for too long.
    fn check_stall<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stall_timer = None;
            return written;
        }
        let stall = self.stall;
        let timer = self
            .stall_timer
            .get_or_insert_with(|| Box::pin(sleep(stall)));
        ready!(timer.as_mut().poll(context));
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
        socket.activity.count_read(bytes as u64, &socket.stream);
        socket.is_read = read.is_pending();
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
        socket.check_stall(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let socket = self.get_mut();
        // hyper writes a refusal alone, after everything else.
        if let [one] = bytes
            && let Some(refused) = socket.poll_refusal(context, one)
        {
            return refused;
        }
        let written = Pin::new(&mut socket.stream).poll_write_vectored(context, bytes);
        socket.check_stall(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = self.get_mut();
        if socket.has_left(context) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let flushed = Pin::new(&mut socket.stream).poll_flush(context);
        socket.check_stall(context, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self {
            stream,
            activity,
            discarding,
            ..
        } = self.get_mut();
        if let Some(end) = discarding {
            return Self::poll_discard(stream, end, context).map(Ok);
        }
        ready!(Pin::new(&mut *stream).poll_shutdown(context))?;
        if !activity.has_rest() {
            return Poll::Ready(Ok(()));
        }
        let end = discarding.insert(Box::pin(sleep(DISCARD_TIME)));
        Self::poll_discard(stream, end, context).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_refusal_of_hyper_becomes_a_problem() {
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
    fn other_bytes_are_written_unchanged() {
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
