//! `wasi:io/streams` with a bound on the host's buffers for one sandbox.
//!
//! In Wasmtime's own implementation the guest decides three sizes: of a write, of a write of
//! zeros, and of a read of its input. Here a write beyond the permit of `check-write` traps, as in
//! `wasmtime run`, and no call moves more than [`CHUNK_BYTES`]. The buffers of files and sockets
//! hold [`STREAM_BYTES`](crate::limits::STREAM_BYTES) together, and each may hold
//! [`STREAM_BYTES_MIN`](crate::limits::STREAM_BYTES_MIN) even when these are used up.

use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::io::streams::{self, HostInputStream, HostOutputStream};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, StreamError, StreamResult};

use super::state::State;
use super::stream_buffers::StreamBuffers;
use crate::text::counted;

/// The streams of one sandbox.
pub(super) struct Streams<'a> {
    table: &'a mut ResourceTable,
    buffers: &'a mut StreamBuffers,
}

/// Gives the linker access to them.
pub(super) struct HasStreams;

impl HasData for HasStreams {
    type Data<'a> = Streams<'a>;
}

impl<'a> Streams<'a> {
    pub(super) fn of(state: &'a mut State) -> Self {
        Self {
            table: &mut state.resources,
            buffers: &mut state.buffers,
        }
    }

    /// Traps a write of more than `check-write` permits now.
    fn check_permit(
        &mut self,
        stream: &Resource<DynOutputStream>,
        bytes: u64,
    ) -> StreamResult<usize> {
        let permit = self.check_write(Resource::new_borrow(stream.rep()))?;
        if bytes > permit {
            return Err(StreamError::Trap(wasmtime::format_err!(
                "expected a write of at most {}, as check-write permits, got {bytes}",
                counted(permit, "byte", "bytes")
            )));
        }
        // It fits a permit, which fits a size.
        Ok(usize::try_from(bytes).unwrap_or(usize::MAX))
    }
}

impl streams::Host for Streams<'_> {
    fn convert_stream_error(
        &mut self,
        error: StreamError,
    ) -> wasmtime::Result<streams::StreamError> {
        self.table.convert_stream_error(error)
    }
}

impl HostInputStream for Streams<'_> {
    fn read(&mut self, stream: Resource<DynInputStream>, len: u64) -> StreamResult<Vec<u8>> {
        let index = stream.rep();
        let size = self.buffers.grant_read(index, len);
        let read = self.table.read(stream, size as u64);
        match &read {
            Ok(bytes) if size > 0 => self.buffers.after_read(index, size, bytes.len()),
            Ok(_) => {}
            Err(_) => self.buffers.release(index),
        }
        read
    }

    async fn blocking_read(
        &mut self,
        stream: Resource<DynInputStream>,
        len: u64,
    ) -> StreamResult<Vec<u8>> {
        let index = stream.rep();
        let size = self.buffers.grant_read(index, len);
        let read = HostInputStream::blocking_read(self.table, stream, size as u64).await;
        match &read {
            Ok(bytes) => self.buffers.after_read(index, size, bytes.len().max(1)),
            Err(_) => self.buffers.release(index),
        }
        read
    }

    fn skip(&mut self, stream: Resource<DynInputStream>, len: u64) -> StreamResult<u64> {
        self.read(stream, len).map(|bytes| bytes.len() as u64)
    }

    async fn blocking_skip(
        &mut self,
        stream: Resource<DynInputStream>,
        len: u64,
    ) -> StreamResult<u64> {
        let skipped = self.blocking_read(stream, len).await;
        skipped.map(|bytes| bytes.len() as u64)
    }

    fn subscribe(
        &mut self,
        stream: Resource<DynInputStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        HostInputStream::subscribe(self.table, stream)
    }

    async fn drop(&mut self, stream: Resource<DynInputStream>) -> wasmtime::Result<()> {
        self.buffers.release(stream.rep());
        HostInputStream::drop(self.table, stream).await
    }
}

impl HostOutputStream for Streams<'_> {
    fn check_write(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<u64> {
        let index = stream.rep();
        let permit = self.table.check_write(stream)?;
        if permit > 0 {
            // A stream that accepts more has passed its buffer on.
            self.buffers.release(index);
        }
        let permit = usize::try_from(permit).unwrap_or(usize::MAX);
        Ok(self.buffers.grant(permit) as u64)
    }

    fn write(&mut self, stream: Resource<DynOutputStream>, bytes: Vec<u8>) -> StreamResult<()> {
        let index = stream.rep();
        let count = self.check_permit(&stream, bytes.len() as u64)?;
        self.table.write(stream, bytes)?;
        self.buffers.hold(index, count);
        Ok(())
    }

    async fn blocking_write_and_flush(
        &mut self,
        stream: Resource<DynOutputStream>,
        bytes: Vec<u8>,
    ) -> StreamResult<()> {
        // Wasmtime holds it to 4 KiB, and waits until they are written.
        HostOutputStream::blocking_write_and_flush(self.table, stream, bytes).await
    }

    fn write_zeroes(&mut self, stream: Resource<DynOutputStream>, len: u64) -> StreamResult<()> {
        let index = stream.rep();
        let count = self.check_permit(&stream, len)?;
        self.table.write_zeroes(stream, len)?;
        self.buffers.hold(index, count);
        Ok(())
    }

    async fn blocking_write_zeroes_and_flush(
        &mut self,
        stream: Resource<DynOutputStream>,
        len: u64,
    ) -> StreamResult<()> {
        HostOutputStream::blocking_write_zeroes_and_flush(self.table, stream, len).await
    }

    fn flush(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<()> {
        self.table.flush(stream)
    }

    async fn blocking_flush(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<()> {
        HostOutputStream::blocking_flush(self.table, stream).await
    }

    fn splice(
        &mut self,
        output: Resource<DynOutputStream>,
        input: Resource<DynInputStream>,
        len: u64,
    ) -> StreamResult<u64> {
        let permit = self.check_write(Resource::new_borrow(output.rep()))?;
        let bytes = self.read(input, len.min(permit))?;
        let count = bytes.len() as u64;
        if count > 0 {
            self.write(output, bytes)?;
        }
        Ok(count)
    }

    async fn blocking_splice(
        &mut self,
        output: Resource<DynOutputStream>,
        input: Resource<DynInputStream>,
        len: u64,
    ) -> StreamResult<u64> {
        let len = self
            .buffers
            .grant(usize::try_from(len).unwrap_or(usize::MAX));
        let (from, to) = (input.rep(), output.rep());
        let spliced =
            HostOutputStream::blocking_splice(self.table, output, input, len as u64).await;
        // It has waited for both.
        self.buffers.release(from);
        self.buffers.release(to);
        spliced
    }

    fn subscribe(
        &mut self,
        stream: Resource<DynOutputStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        HostOutputStream::subscribe(self.table, stream)
    }

    async fn drop(&mut self, stream: Resource<DynOutputStream>) -> wasmtime::Result<()> {
        self.buffers.release(stream.rep());
        HostOutputStream::drop(self.table, stream).await
    }
}
