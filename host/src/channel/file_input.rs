//! The standard input of a program: a file that the host reads no further than the program asks.
//!
//! A read first takes what the kernel has without a wait. Where the kernel would wait, a thread
//! makes the call, because a read of a terminal or of a pipe may block forever. The thread starts
//! with the first such call. It ends with the input, or with the process if the kernel holds it.
//! One call is under way at a time, and it holds at most [`CHUNK_BYTES`].

use std::fs::File;
use std::io::{self, IoSliceMut, IsTerminal as _, Read as _};
use std::pin::{Pin, pin};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{ReadWriteFlags, preadv2};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::Notify;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdinStream};
use wasmtime_wasi::p2::{InputStream, Pollable, StreamError, StreamResult};

use crate::limits::CHUNK_BYTES;

/// A file as standard input. Clones share one position in it.
#[derive(Clone, Debug)]
pub struct FileInput(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    file: Arc<File>,
    state: Mutex<State>,
    /// The thread has carried out an order.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    /// Bytes that the thread read and the program has not taken.
    rest: Bytes,
    end: End,
    /// Whether the program took bytes, or saw the end.
    was_read: bool,
    /// Whether the thread has an order.
    is_busy: bool,
    /// Whether the kernel reads this file without a wait.
    reads_now: bool,
    /// The orders of the thread, once it runs.
    orders: Option<Sender<Order>>,
}

#[derive(Debug)]
enum End {
    /// More may come.
    Open,
    Failed(io::Error),
    Reached,
}

#[derive(Debug)]
enum Order {
    /// Read up to this number of bytes.
    Read(usize),
    /// Wait until a read returns at once.
    Wait,
}

/// The result of a read without a wait.
enum Taken {
    Bytes(Bytes),
    End,
    Failed(io::Error),
    /// The thread has an order.
    Later,
}

impl FileInput {
    /// Reads `file` from its position on.
    pub fn new(file: File) -> Self {
        Self(Arc::new(Shared {
            file: Arc::new(file),
            state: Mutex::new(State {
                rest: Bytes::new(),
                end: End::Open,
                was_read: false,
                is_busy: false,
                reads_now: true,
                orders: None,
            }),
            changed: Notify::new(),
        }))
    }

    /// Whether the program took bytes, or saw the end: another program would miss them.
    pub fn was_read(&self) -> bool {
        self.state().was_read
    }

    /// Reads up to `bytes_max` bytes and waits for the first of them. No bytes mean the end.
    ///
    /// # Errors
    ///
    /// The error of the system, once. Later reads see the end.
    pub async fn read(&self, bytes_max: usize) -> io::Result<Bytes> {
        loop {
            let mut changed = pin!(self.0.changed.notified());
            changed.as_mut().enable();
            match self.take(bytes_max) {
                Taken::Bytes(bytes) => return Ok(bytes),
                Taken::End => return Ok(Bytes::new()),
                Taken::Failed(error) => return Err(error),
                Taken::Later => changed.await,
            }
        }
    }

    /// Waits until a read returns at once, and reads nothing.
    async fn wait(&self) {
        loop {
            let mut changed = pin!(self.0.changed.notified());
            changed.as_mut().enable();
            if self.is_ready() {
                return;
            }
            changed.await;
        }
    }

    /// Takes up to `bytes_max` bytes. Orders a read where that would wait.
    fn take(&self, bytes_max: usize) -> Taken {
        let bytes_max = bytes_max.min(CHUNK_BYTES);
        if bytes_max == 0 {
            return Taken::Bytes(Bytes::new());
        }
        let mut state = self.state();
        let taken = self.take_from(&mut state, bytes_max);
        state.was_read |= !matches!(taken, Taken::Later);
        taken
    }

    fn take_from(&self, state: &mut State, bytes_max: usize) -> Taken {
        if !state.rest.is_empty() {
            let size = bytes_max.min(state.rest.len());
            return Taken::Bytes(state.rest.split_to(size));
        }
        match std::mem::replace(&mut state.end, End::Reached) {
            End::Open => state.end = End::Open,
            End::Failed(error) => return Taken::Failed(error),
            End::Reached => return Taken::End,
        }
        if state.is_busy {
            return Taken::Later;
        }
        if state.reads_now {
            match read_now(&self.0.file, bytes_max) {
                Ok(bytes) if bytes.is_empty() => {
                    state.end = End::Reached;
                    return Taken::End;
                }
                Ok(bytes) => return Taken::Bytes(bytes),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Terminals, and kernels without this flag. The thread meets any other error
                // again.
                Err(_) => state.reads_now = false,
            }
        }
        match self.order(state, Order::Read(bytes_max)) {
            Ok(()) => Taken::Later,
            Err(error) => {
                state.end = End::Reached;
                Taken::Failed(error)
            }
        }
    }

    /// Whether a read returns at once. Orders a wait if not.
    fn is_ready(&self) -> bool {
        let mut state = self.state();
        if !state.rest.is_empty() || !matches!(state.end, End::Open) {
            return true;
        }
        if state.is_busy {
            return false;
        }
        // A read reports the error of a thread that cannot start.
        is_readable(&self.0.file, Some(&Timespec::default()))
            || self.order(&mut state, Order::Wait).is_err()
    }

    fn order(&self, state: &mut State, order: Order) -> io::Result<()> {
        let orders = match &state.orders {
            Some(orders) => orders,
            None => state.orders.insert(self.start()?),
        };
        let sent = orders.send(order);
        state.is_busy = sent.is_ok();
        sent.map_err(|_| io::Error::other("the thread of the input ended"))
    }

    fn start(&self) -> io::Result<Sender<Order>> {
        let (orders, received) = mpsc::channel();
        let (file, shared) = (Arc::clone(&self.0.file), Arc::downgrade(&self.0));
        std::thread::Builder::new()
            .name("stdin".to_owned())
            .spawn(move || serve(&file, &received, &shared))?;
        Ok(orders)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }
}

/// Carries out orders until the input is dropped.
fn serve(file: &File, orders: &Receiver<Order>, shared: &Weak<Shared>) {
    while let Ok(order) = orders.recv() {
        let read = match order {
            Order::Read(bytes_max) => Some(read_blocking(file, bytes_max)),
            Order::Wait => {
                is_readable(file, None);
                None
            }
        };
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let mut state = lock(&shared.state);
        state.is_busy = false;
        match read {
            None => {}
            Some(Ok(bytes)) if bytes.is_empty() => state.end = End::Reached,
            Some(Ok(bytes)) => state.rest = bytes,
            Some(Err(error)) => state.end = End::Failed(error),
        }
        drop(state);
        shared.changed.notify_waiters();
    }
}

/// Reads what the kernel has in memory.
fn read_now(file: &File, bytes_max: usize) -> io::Result<Bytes> {
    /// Stands for the position of the file.
    const POSITION: u64 = u64::MAX;
    let mut bytes = BytesMut::zeroed(bytes_max);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let count = preadv2(file, &mut parts, POSITION, ReadWriteFlags::NOWAIT)?;
    bytes.truncate(count);
    Ok(bytes.freeze())
}

fn read_blocking(mut file: &File, bytes_max: usize) -> io::Result<Bytes> {
    let mut bytes = BytesMut::zeroed(bytes_max);
    loop {
        match file.read(&mut bytes) {
            Ok(count) => {
                bytes.truncate(count);
                return Ok(bytes.freeze());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Another process made it non-blocking.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                is_readable(file, None);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether a read returns at once, within `patience`. An error counts, since a read reports it.
fn is_readable(file: &File, patience: Option<&Timespec>) -> bool {
    let mut files = [PollFd::new(file, PollFlags::IN)];
    poll(&mut files, patience) != Ok(0)
}

/// A thread that panics leaves the state whole.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl IsTerminal for FileInput {
    fn is_terminal(&self) -> bool {
        self.0.file.is_terminal()
    }
}

impl StdinStream for FileInput {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        Box::new(FileStream {
            input: self.clone(),
            reading: None,
            rest: Bytes::new(),
        })
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for FileInput {
    async fn ready(&mut self) {
        self.wait().await;
    }
}

#[async_trait]
impl InputStream for FileInput {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        match self.take(size) {
            Taken::Bytes(bytes) => Ok(bytes),
            Taken::End => Err(StreamError::Closed),
            Taken::Failed(error) => Err(StreamError::LastOperationFailed(error.into())),
            Taken::Later => Ok(Bytes::new()),
        }
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        match FileInput::read(self, size).await {
            Ok(bytes) if bytes.is_empty() && size > 0 => Err(StreamError::Closed),
            Ok(bytes) => Ok(bytes),
            Err(error) => Err(StreamError::LastOperationFailed(error.into())),
        }
    }
}

type Reading = Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send + Sync>>;

/// The input as WASI 0.3 reads it.
struct FileStream {
    input: FileInput,
    reading: Option<Reading>,
    /// Bytes that were read for a larger buffer.
    rest: Bytes,
}

impl AsyncRead for FileStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        if stream.rest.is_empty() {
            let (input, bytes_max) = (&stream.input, buffer.remaining());
            let reading = stream.reading.get_or_insert_with(|| {
                let input = input.clone();
                Box::pin(async move { input.read(bytes_max).await })
            });
            let read = ready!(reading.as_mut().poll(context));
            stream.reading = None;
            stream.rest = read?;
        }
        let size = buffer.remaining().min(stream.rest.len());
        buffer.put_slice(&stream.rest.split_to(size));
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Write as _, pipe};

    use super::*;

    fn input(reader: io::PipeReader) -> FileInput {
        FileInput::new(File::from(std::os::fd::OwnedFd::from(reader)))
    }

    #[tokio::test]
    async fn a_pipe_is_read_as_far_as_asked_and_to_its_end() {
        let (reader, mut writer) = pipe().expect("a pipe");
        let mut left = reader.try_clone().expect("a pipe");
        let input = input(reader);
        assert!(!input.was_read());
        writer.write_all(b"abcdef").expect("written");
        assert_eq!(input.read(2).await.expect("bytes"), "ab");
        assert!(input.was_read());
        let mut next = [0; 2];
        left.read_exact(&mut next).expect("the rest is in the pipe");
        assert_eq!(&next, b"cd");
        assert_eq!(input.read(100).await.expect("bytes"), "ef");
        drop(writer);
        for _ in 0..2 {
            assert_eq!(input.read(100).await.expect("the end"), "");
        }
    }

    #[tokio::test]
    async fn a_wait_reads_nothing_and_a_blocked_read_keeps_its_bytes() {
        let (reader, mut writer) = pipe().expect("a pipe");
        let mut stream = input(reader);
        assert!(!stream.is_ready(), "the thread waits");
        writer.write_all(b"a").expect("written");
        stream.ready().await;
        assert_eq!(stream.0.state.lock().expect("a state").rest, "");
        assert_eq!(InputStream::read(&mut stream, 5).expect("bytes"), "a");
        // Ordered, dropped, and then read by the next call.
        assert_eq!(InputStream::read(&mut stream, 5).expect("none yet"), "");
        writer.write_all(b"bc").expect("written");
        assert_eq!(FileInput::read(&stream, 1).await.expect("bytes"), "b");
        assert_eq!(FileInput::read(&stream, 9).await.expect("bytes"), "c");
    }

    #[tokio::test]
    async fn an_error_is_reported_once() {
        let folder = File::open("/").expect("a folder");
        let input = FileInput::new(folder);
        assert!(input.read(1).await.is_err());
        assert_eq!(input.read(1).await.expect("the end"), "");
    }
}
