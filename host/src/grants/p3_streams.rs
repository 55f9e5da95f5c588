//! Streams of WASI 0.3 for files and folders, whose calls run on the sandbox's threads.
//!
//! Each moves one piece of at most [`CHUNK_BYTES`] at a time, and only while the component waits
//! for it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use rustix::io::{Errno, ReadWriteFlags, pwritev2};
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};
use wasmtime::StoreContextMut;
use wasmtime::component::{Destination, Source, StreamConsumer, StreamProducer, StreamResult};
use wasmtime_wasi::p2::bindings::filesystem::types as p2;
use wasmtime_wasi::p3::bindings::filesystem::types::{DescriptorType, DirectoryEntry, ErrorCode};

use super::listing::read_entries;
use super::state::State;
use crate::blocking::BlockingHandle;
use crate::limits::CHUNK_BYTES;

type Produced = Poll<wasmtime::Result<StreamResult>>;

/// The result of a stream, which its future has.
struct Completion(Option<oneshot::Sender<Result<(), ErrorCode>>>);

impl Completion {
    /// Ends the stream. A stream that is dropped before has succeeded.
    fn end(&mut self, result: Result<(), ErrorCode>) -> Produced {
        if let Some(sender) = self.0.take() {
            // The component may have dropped the future.
            let _ = sender.send(result);
        }
        Poll::Ready(Ok(StreamResult::Dropped))
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        let _ = self.end(Ok(()));
    }
}

/// The result of a call on a thread. A panic there stops the sandbox.
fn joined<R>(result: Result<io::Result<R>, JoinError>) -> wasmtime::Result<io::Result<R>> {
    Ok(result?)
}

/// Reads a file.
pub(super) struct FileReading {
    file: Arc<File>,
    offset: u64,
    threads: BlockingHandle,
    running: Option<JoinHandle<io::Result<Bytes>>>,
    completion: Completion,
}

impl FileReading {
    pub(super) fn new(
        file: Arc<File>,
        offset: u64,
        threads: BlockingHandle,
        sender: oneshot::Sender<Result<(), ErrorCode>>,
    ) -> Self {
        Self {
            file,
            offset,
            threads,
            running: None,
            completion: Completion(Some(sender)),
        }
    }
}

impl StreamProducer<State> for FileReading {
    type Item = u8;
    type Buffer = Bytes;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut store: StoreContextMut<'a, State>,
        mut destination: Destination<'a, u8, Bytes>,
        finish: bool,
    ) -> Produced {
        let wanted = destination.remaining(&mut store).unwrap_or(CHUNK_BYTES);
        if wanted == 0 {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        let this = &mut *self;
        let running = this.running.get_or_insert_with(|| {
            let (file, offset) = (Arc::clone(&this.file), this.offset);
            this.threads.spawn(move || {
                let mut bytes = vec![0; wanted.min(CHUNK_BYTES)];
                let count = file.read_at(&mut bytes, offset)?;
                bytes.truncate(count);
                Ok(bytes.into())
            })
        });
        let read = match Pin::new(running).poll(context) {
            // The next read has its bytes.
            Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => return Poll::Pending,
            Poll::Ready(read) => joined(read)?,
        };
        this.running = None;
        match read {
            Ok(bytes) if bytes.is_empty() => this.completion.end(Ok(())),
            Ok(bytes) => {
                this.offset = this.offset.saturating_add(bytes.len() as u64);
                destination.set_buffer(bytes);
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Err(error) => this.completion.end(Err(error.into())),
        }
    }
}

/// Where a write begins.
#[derive(Clone, Copy)]
pub(super) enum WritePosition {
    At(u64),
    End,
}

impl WritePosition {
    fn write(self, file: &File, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::At(offset) => file.write_at(bytes, offset),
            Self::End => {
                let flags = ReadWriteFlags::APPEND;
                match pwritev2(file, &[IoSlice::new(bytes)], 0, flags) {
                    // A file system without it.
                    Err(Errno::NOSYS | Errno::NOTSUP) => {
                        file.write_at(bytes, file.metadata()?.len())
                    }
                    written => Ok(written?),
                }
            }
        }
    }
}

/// Writes a file.
pub(super) struct FileWriting {
    file: Arc<File>,
    position: WritePosition,
    threads: BlockingHandle,
    running: Option<JoinHandle<io::Result<usize>>>,
    completion: Completion,
}

impl FileWriting {
    pub(super) fn new(
        file: Arc<File>,
        position: WritePosition,
        threads: BlockingHandle,
        sender: oneshot::Sender<Result<(), ErrorCode>>,
    ) -> Self {
        Self {
            file,
            position,
            threads,
            running: None,
            completion: Completion(Some(sender)),
        }
    }
}

impl StreamConsumer<State> for FileWriting {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        store: StoreContextMut<'_, State>,
        source: Source<'_, u8>,
        // A write that has begun is waited for, since its bytes cannot be put back.
        _: bool,
    ) -> Produced {
        let mut source = source.as_direct(store);
        let this = &mut *self;
        let running = if let Some(running) = &mut this.running {
            running
        } else {
            let bytes = source.remaining();
            if bytes.is_empty() {
                return Poll::Ready(Ok(StreamResult::Completed));
            }
            let bytes = Bytes::copy_from_slice(&bytes[..bytes.len().min(CHUNK_BYTES)]);
            let (file, position) = (Arc::clone(&this.file), this.position);
            let writing = move || position.write(&file, &bytes);
            this.running.insert(this.threads.spawn(writing))
        };
        let written = joined(ready!(Pin::new(running).poll(context)))?;
        this.running = None;
        match written {
            Ok(count) => {
                if let WritePosition::At(offset) = &mut this.position {
                    *offset = offset.saturating_add(count as u64);
                }
                source.mark_read(count);
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Err(error) => this.completion.end(Err(error.into())),
        }
    }
}

type Entries = VecDeque<Result<p2::DirectoryEntry, p2::ErrorCode>>;

/// Reads the entries of a folder.
pub(super) struct FolderReading {
    threads: BlockingHandle,
    opening: Option<JoinHandle<rustix::io::Result<OwnedFd>>>,
    folder: Option<Arc<File>>,
    running: Option<JoinHandle<io::Result<Entries>>>,
    entries: Entries,
    completion: Completion,
    /// Counts the streams of folders of a sandbox.
    _token: Arc<()>,
}

impl FolderReading {
    pub(super) fn new(
        opening: JoinHandle<rustix::io::Result<OwnedFd>>,
        threads: BlockingHandle,
        sender: oneshot::Sender<Result<(), ErrorCode>>,
        token: Arc<()>,
    ) -> Self {
        Self {
            threads,
            opening: Some(opening),
            folder: None,
            running: None,
            entries: Entries::new(),
            completion: Completion(Some(sender)),
            _token: token,
        }
    }

    /// The next entries of the folder, or none after the last.
    fn poll_entries(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<wasmtime::Result<io::Result<Entries>>> {
        if let Some(opening) = &mut self.opening {
            let opened = ready!(Pin::new(opening).poll(context));
            self.opening = None;
            match joined(opened.map(|opened| opened.map_err(io::Error::from)))? {
                Ok(folder) => self.folder = Some(Arc::new(folder.into())),
                Err(error) => return Poll::Ready(Ok(Err(error))),
            }
        }
        let Some(folder) = &self.folder else {
            return Poll::Ready(Ok(Ok(Entries::new())));
        };
        let running = self.running.get_or_insert_with(|| {
            let folder = Arc::clone(folder);
            self.threads.spawn(move || read_entries(&folder))
        });
        let read = joined(ready!(Pin::new(running).poll(context)));
        self.running = None;
        Poll::Ready(read)
    }
}

impl StreamProducer<State> for FolderReading {
    type Item = DirectoryEntry;
    type Buffer = Option<DirectoryEntry>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut store: StoreContextMut<'a, State>,
        mut destination: Destination<'a, DirectoryEntry, Option<DirectoryEntry>>,
        finish: bool,
    ) -> Produced {
        if destination.remaining(&mut store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        let this = &mut *self;
        if this.entries.is_empty() {
            match this.poll_entries(context) {
                Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
                Poll::Pending => return Poll::Pending,
                Poll::Ready(read) => match read? {
                    Ok(entries) => this.entries = entries,
                    Err(error) => return this.completion.end(Err(error.into())),
                },
            }
        }
        match this.entries.pop_front() {
            None => this.completion.end(Ok(())),
            Some(Ok(entry)) => {
                destination.set_buffer(Some(DirectoryEntry {
                    type_: descriptor_type(entry.type_),
                    name: entry.name,
                }));
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Some(Err(_)) => this.completion.end(Err(ErrorCode::IllegalByteSequence)),
        }
    }
}

fn descriptor_type(of: p2::DescriptorType) -> DescriptorType {
    match of {
        p2::DescriptorType::BlockDevice => DescriptorType::BlockDevice,
        p2::DescriptorType::CharacterDevice => DescriptorType::CharacterDevice,
        p2::DescriptorType::Directory => DescriptorType::Directory,
        p2::DescriptorType::Fifo => DescriptorType::Fifo,
        p2::DescriptorType::SymbolicLink => DescriptorType::SymbolicLink,
        p2::DescriptorType::RegularFile => DescriptorType::RegularFile,
        p2::DescriptorType::Socket => DescriptorType::Socket,
        p2::DescriptorType::Unknown => DescriptorType::Other(None),
    }
}
