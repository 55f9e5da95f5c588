//! Streams of files, whose calls run on the sandbox's threads.

use bytes::Bytes;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, InputStream, OutputStream, Pollable, StreamResult,
};

use crate::blocking::BlockingHandle;
use crate::limits::STREAM_BYTES_MIN;

/// Reads a file on the sandbox's threads. Wasmtime's stream hides the bytes that it read
/// ahead. Here they are known, and so they can be bounded.
pub(super) struct FileReader {
    inner: DynInputStream,
    threads: BlockingHandle,
    /// Whether `inner` reads, or has read.
    reading: bool,
    /// Bytes that were read and that the guest has not taken yet.
    rest: Bytes,
}

impl FileReader {
    pub(super) fn new(inner: DynInputStream, threads: BlockingHandle) -> Self {
        Self {
            inner,
            threads,
            reading: false,
            rest: Bytes::new(),
        }
    }
}

#[async_trait]
impl Pollable for FileReader {
    async fn ready(&mut self) {
        if !self.rest.is_empty() {
            return;
        }
        if !self.reading {
            // Left to itself, it would read 4 KiB ahead.
            match self.read(STREAM_BYTES_MIN) {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => {
                    self.rest = bytes;
                    return;
                }
                Err(_) => return,
            }
        }
        self.threads.run(self.inner.ready()).await;
    }
}

#[async_trait]
impl InputStream for FileReader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if self.rest.is_empty() {
            // All that a read brought, so that none of it is left there.
            let size = if self.reading { usize::MAX } else { size };
            let read = self.threads.enter(|| self.inner.read(size));
            self.reading = matches!(&read, Ok(bytes) if bytes.is_empty()) && size > 0;
            self.rest = read?;
        }
        Ok(self.rest.split_to(size.min(self.rest.len())))
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        if self.reading {
            self.ready().await;
        }
        if self.reading || !self.rest.is_empty() {
            return self.read(size);
        }
        self.threads.run(self.inner.blocking_read(size)).await
    }

    async fn cancel(&mut self) {
        self.threads.run(self.inner.cancel()).await;
    }
}

/// Writes a file on the sandbox's threads.
pub(super) struct FileWriter {
    inner: DynOutputStream,
    threads: BlockingHandle,
}

impl FileWriter {
    pub(super) fn new(inner: DynOutputStream, threads: BlockingHandle) -> Self {
        Self { inner, threads }
    }
}

#[async_trait]
impl Pollable for FileWriter {
    async fn ready(&mut self) {
        self.threads.run(self.inner.ready()).await;
    }
}

#[async_trait]
impl OutputStream for FileWriter {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.threads.enter(|| self.inner.write(bytes))
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.inner.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.inner.check_write()
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.threads
            .run(self.inner.blocking_write_and_flush(bytes))
            .await
    }

    async fn cancel(&mut self) {
        self.threads.run(self.inner.cancel()).await;
    }
}
