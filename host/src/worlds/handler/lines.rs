//! The standard output and error of a handler, as lines of the log.
//!
//! They live as long as the sandbox of one request. A line has at most
//! [`HANDLER_LINE_BYTES`](crate::limits::HANDLER_LINE_BYTES), and a request
//! [`HANDLER_LINES`](crate::limits::HANDLER_LINES) lines.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::limits::{CHUNK_BYTES, HANDLER_LINE_BYTES, HANDLER_LINES};
use crate::text::GUEST_TARGET;

/// One of the two outputs of a handler.
#[derive(Clone)]
pub(super) struct Lines(Arc<Mutex<Writer>>);

struct Writer {
    route: Arc<str>,
    request_id: Option<Arc<str>>,
    stream: &'static str,
    /// A line without its end.
    line: Vec<u8>,
    /// Whether the line was longer.
    is_cut: bool,
    left: usize,
}

impl Lines {
    /// The output `stream` of a handler of `route`.
    pub(super) fn new(
        route: &Arc<str>,
        request_id: Option<&Arc<str>>,
        stream: &'static str,
    ) -> Self {
        Self(Arc::new(Mutex::new(Writer {
            route: Arc::clone(route),
            request_id: request_id.cloned(),
            stream,
            line: Vec::new(),
            is_cut: false,
            left: HANDLER_LINES,
        })))
    }

    /// Ends the line of one request, and begins with the request `request_id`.
    pub(super) fn begin(&self, request_id: Option<&Arc<str>>) {
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writer.end();
        writer.request_id = request_id.cloned();
        writer.left = HANDLER_LINES;
    }

    /// Ends the last line of a request.
    pub(super) fn end(&self) {
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writer.end();
    }

    fn write(&self, bytes: &[u8]) {
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writer.write(bytes);
    }
}

impl Writer {
    fn write(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.left == 0 {
                return;
            }
            let (text, ends) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            let room = HANDLER_LINE_BYTES - self.line.len();
            self.is_cut |= text.len() > room;
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            if ends {
                self.log();
            }
        }
    }

    fn end(&mut self) {
        if self.left > 0 && !self.line.is_empty() {
            self.log();
        }
    }

    fn log(&mut self) {
        let line = String::from_utf8_lossy(&self.line);
        // A terminal would move its cursor, and show another line than this one.
        let is_control = |char: char| char.is_control() && char != '\t';
        let line = line.trim_end_matches('\r').replace(is_control, "\u{fffd}");
        let mark = if self.is_cut { "…" } else { "" };
        tracing::info!(
            target: GUEST_TARGET,
            route = &*self.route,
            request_id = self.request_id.as_deref(),
            stream = self.stream,
            "{line}{mark}"
        );
        self.line.clear();
        self.is_cut = false;
        self.left -= 1;
        if self.left == 0 {
            tracing::warn!(
                target: GUEST_TARGET,
                route = &*self.route,
                request_id = self.request_id.as_deref(),
                stream = self.stream,
                limit = HANDLER_LINES,
                "further lines of the request left out"
            );
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end();
    }
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for Lines {
    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(CHUNK_BYTES)
    }

    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        Self::write(self, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }
}

impl AsyncWrite for Lines {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Self::write(&self, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
