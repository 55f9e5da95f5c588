//! The ends of channels that lie inside a store: an [`Outlet`] takes what a
//! component writes to a `stream`, an [`Inlet`] feeds a `stream` that it reads.
//!
//! A `stream` lives inside one store and ends with it, so these two carry values
//! across: between two sandboxes a channel is an outlet in the one and an inlet
//! in the other.

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::{SetOnce, oneshot};
use tokio_util::sync::PollSender;
use tracing::Span;
use tracing::field::Empty;
use wasmtime::StoreContextMut;
use wasmtime::component::{
    Destination, FutureConsumer, Lift, Source, StreamConsumer, StreamProducer, StreamResult,
    WriteBuffer,
};

use super::{Receiver, Sender};
use crate::component::State;
use crate::deadline::Deadline;
use crate::error::RunError;
use crate::limits::{CHUNK_BYTES, Limit};

/// Tells when a component has closed a stream that it wrote to.
#[derive(Debug)]
pub struct Closed(oneshot::Receiver<()>);

impl Closed {
    /// Waits until the component closes the stream. A store that is dropped
    /// closes its streams too: what this says counts only while the component
    /// is alive.
    pub async fn wait(self) {
        // The other side only ever drops its end.
        let _ = self.0.await;
    }
}

/// Takes the values that a component writes, maps them, and sends them on.
pub struct Outlet<T, U, F> {
    values: PollSender<U>,
    sent: Arc<SetOnce<()>>,
    map: F,
    _open: oneshot::Sender<()>,
    written: PhantomData<fn(T)>,
}

impl<T, U, F> Outlet<T, U, F>
where
    U: Send + 'static,
    F: FnMut(T) -> Result<U, RunError>,
{
    /// An outlet into the channel of `sender`, to be given to `StreamReader::pipe`.
    /// An error of `map` stops the sandbox.
    pub fn new(sender: &Sender<U>, map: F) -> (Self, Closed) {
        let (open, closed) = oneshot::channel();
        let (values, sent) = sender.values();
        let outlet = Self {
            values,
            sent,
            map,
            _open: open,
            written: PhantomData,
        };
        (outlet, Closed(closed))
    }
}

impl<T, U, F> StreamConsumer<State> for Outlet<T, U, F>
where
    T: Lift + Send + Sync + 'static,
    U: Send + 'static,
    F: FnMut(T) -> Result<U, RunError> + Send + Unpin + 'static,
{
    type Item = T;

    fn poll_consume(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        store: StoreContextMut<State>,
        mut source: Source<'_, T>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let outlet = self.get_mut();
        // Room first: a value that was taken cannot be put back.
        match outlet.values.poll_reserve(context) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => return Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Pending => return wait(finish),
        }
        let mut value = None;
        source.read(store, &mut value)?;
        if let Some(value) = value {
            let sent = outlet.values.send_item((outlet.map)(value)?);
            // It may have been set before.
            let _ = outlet.sent.set(());
            if sent.is_err() {
                return Poll::Ready(Ok(StreamResult::Dropped));
            }
        }
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

/// An outlet for bytes, moved in pieces of up to [`CHUNK_BYTES`], that stops the
/// sandbox when they come to more than `cap_bytes`. While it waits for its
/// reader, the clock of `deadline` stands still, if one is given.
pub fn byte_outlet(
    reader: &Sender<Bytes>,
    cap_bytes: u64,
    deadline: Option<Deadline>,
) -> (impl StreamConsumer<State, Item = u8> + use<>, Closed) {
    let (open, closed) = oneshot::channel();
    let (values, sent) = reader.values();
    let outlet = ByteOutlet {
        values,
        sent,
        cap_bytes,
        left_bytes: cap_bytes,
        deadline,
        span: tracing::debug_span!("channel", cocoon.output_bytes = Empty),
        _open: open,
    };
    (outlet, Closed(closed))
}

struct ByteOutlet {
    values: PollSender<Bytes>,
    sent: Arc<SetOnce<()>>,
    cap_bytes: u64,
    left_bytes: u64,
    deadline: Option<Deadline>,
    span: Span,
    _open: oneshot::Sender<()>,
}

impl ByteOutlet {
    /// Waits for room; false where the reader is gone.
    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        let room = self.values.poll_reserve(context);
        if let Some(deadline) = &self.deadline {
            if room.is_pending() {
                deadline.wait_for_reader();
            } else {
                deadline.go_on();
            }
        }
        room.map(|room| room.is_ok())
    }
}

impl Drop for ByteOutlet {
    fn drop(&mut self) {
        if !self.span.is_disabled() {
            let sent_bytes = self.cap_bytes - self.left_bytes;
            self.span
                .record("cocoon.output_bytes", sent_bytes.cast_signed());
        }
    }
}

impl StreamConsumer<State> for ByteOutlet {
    type Item = u8;

    fn poll_consume(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        store: StoreContextMut<State>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let outlet = self.get_mut();
        match outlet.poll_room(context) {
            Poll::Ready(true) => {}
            Poll::Ready(false) => return Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Pending => return wait(finish),
        }
        let mut source = source.as_direct(store);
        let written = source.remaining();
        let taken = written.len().min(CHUNK_BYTES);
        if taken == 0 {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        let Some(left_bytes) = outlet.left_bytes.checked_sub(taken as u64) else {
            let (limit, value) = (Limit::Output, outlet.cap_bytes);
            return Poll::Ready(Err(RunError::Stopped { limit, value }.into()));
        };
        outlet.left_bytes = left_bytes;
        let chunk = Bytes::copy_from_slice(&written[..taken]);
        source.mark_read(taken);
        let sent = outlet.values.send_item(chunk);
        // It may have been set before.
        let _ = outlet.sent.set(());
        Poll::Ready(Ok(if sent.is_err() {
            StreamResult::Dropped
        } else {
            StreamResult::Completed
        }))
    }
}

/// Feeds a component from a channel. A channel that fails traps the component
/// that reads it: there is no other way to tell it that the rest is missing.
pub struct Inlet<T, U, B, F> {
    values: Lent<U>,
    fill: F,
    intake: Intake,
    buffer: PhantomData<fn() -> (T, B)>,
}

/// An inlet for bytes.
pub type ByteInlet = Inlet<u8, Bytes, Bytes, fn(Bytes) -> Bytes>;

impl<T, U, F> Inlet<T, U, Option<T>, F>
where
    F: FnMut(U) -> T,
{
    /// An inlet from the channel of `receiver`, to be given to
    /// `StreamReader::new`.
    pub fn new(
        receiver: Receiver<U>,
        mut map: F,
    ) -> Inlet<T, U, Option<T>, impl FnMut(U) -> Option<T>> {
        Inlet {
            values: Lent::for_good(receiver),
            fill: move |value| Some(map(value)),
            intake: Intake::default(),
            buffer: PhantomData,
        }
    }
}

impl ByteInlet {
    /// An inlet for bytes.
    pub fn bytes(receiver: Receiver<Bytes>) -> Self {
        Self::of(Lent::for_good(receiver))
    }

    /// The same, whose receiver comes back from a component that took nothing.
    pub fn lent(receiver: Receiver<Bytes>) -> (Self, Loan<Bytes>) {
        let (lender, loan) = oneshot::channel();
        let lent = Lent {
            receiver: Some(receiver),
            lender: Some(lender),
        };
        (Self::of(lent), Loan(loan))
    }

    fn of(values: Lent<Bytes>) -> Self {
        Self {
            values,
            fill: |bytes| bytes,
            intake: Intake::default(),
            buffer: PhantomData,
        }
    }
}

/// A receiver that goes back to its lender, unless something came from it.
struct Lent<U> {
    receiver: Option<Receiver<U>>,
    lender: Option<oneshot::Sender<Receiver<U>>>,
}

impl<U> Lent<U> {
    fn for_good(receiver: Receiver<U>) -> Self {
        Self {
            receiver: Some(receiver),
            lender: None,
        }
    }

    fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<U>, RunError>> {
        let Some(receiver) = &mut self.receiver else {
            return Poll::Ready(Err(RunError::WriterGone));
        };
        let received = receiver.poll_recv(context);
        if received.is_ready() {
            self.lender = None;
        }
        received
    }
}

impl<U> Drop for Lent<U> {
    fn drop(&mut self) {
        if let (Some(receiver), Some(lender)) = (self.receiver.take(), self.lender.take()) {
            // The lender may have no use for it.
            let _ = lender.send(receiver);
        }
    }
}

/// A receiver that was lent to a component.
pub struct Loan<U>(oneshot::Receiver<Receiver<U>>);

impl<U> Loan<U> {
    /// The receiver, once the component is gone and if it took nothing.
    pub fn back(mut self) -> Option<Receiver<U>> {
        self.0.try_recv().ok()
    }
}

impl<T, U, B, F> Inlet<T, U, B, F> {
    /// What will tell how much the component took.
    pub fn intake(&self) -> Intake {
        self.intake.clone()
    }
}

/// How much a component took from an inlet. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Intake(Arc<(AtomicU64, AtomicBool)>);

impl Intake {
    /// The values that it took.
    pub fn taken(&self) -> u64 {
        self.0.0.load(Ordering::Relaxed)
    }

    /// Whether it was told that there are no more.
    pub fn ended(&self) -> bool {
        self.0.1.load(Ordering::Relaxed)
    }
}

impl<T, U, B, F> StreamProducer<State> for Inlet<T, U, B, F>
where
    T: Send + 'static,
    U: Send + 'static,
    B: WriteBuffer<T> + Default,
    F: FnMut(U) -> B + Send + Unpin + 'static,
{
    type Item = T;
    type Buffer = B;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        store: StoreContextMut<'a, State>,
        mut destination: Destination<'a, T, B>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let inlet = self.get_mut();
        // A read of nothing asks whether a read would wait. It is told that it
        // would not, since only taking a value tells, and finds out.
        if destination.remaining(store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        match inlet.values.poll_recv(context) {
            Poll::Ready(Ok(Some(value))) => {
                inlet.intake.0.0.fetch_add(1, Ordering::Relaxed);
                destination.set_buffer((inlet.fill)(value));
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Poll::Ready(Ok(None)) => {
                inlet.intake.0.1.store(true, Ordering::Relaxed);
                Poll::Ready(Ok(StreamResult::Dropped))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(RunError::Upstream(Box::new(error)).into())),
            Poll::Pending => wait(finish),
        }
    }
}

/// What an end says that has to wait: the component may have cancelled its read
/// or write in the meantime.
fn wait(finish: bool) -> Poll<wasmtime::Result<StreamResult>> {
    if finish {
        Poll::Ready(Ok(StreamResult::Cancelled))
    } else {
        Poll::Pending
    }
}

/// Takes the one value of a component's `future`.
pub struct Promise<T>(Option<oneshot::Sender<T>>);

impl<T> Promise<T> {
    /// A promise that hands the value to `resolved`, which is dropped without one
    /// if the component never resolves the future.
    pub fn new(resolved: oneshot::Sender<T>) -> Self {
        Self(Some(resolved))
    }
}

impl<T: Lift + Send + Sync + 'static> FutureConsumer<State> for Promise<T> {
    type Item = T;

    fn poll_consume(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        store: StoreContextMut<State>,
        mut source: Source<'_, T>,
        _: bool,
    ) -> Poll<wasmtime::Result<()>> {
        let mut value = None;
        source.read(store, &mut value)?;
        if let (Some(value), Some(resolved)) = (value, self.get_mut().0.take()) {
            // Nobody may be waiting any more.
            let _ = resolved.send(value);
        }
        Poll::Ready(Ok(()))
    }
}
