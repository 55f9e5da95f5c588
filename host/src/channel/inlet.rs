//! The end of a channel in a store that the component reads.

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::oneshot;
use wasmtime::StoreContextMut;
use wasmtime::component::{Destination, StreamProducer, StreamResult, WriteBuffer};

use super::Receiver;
use super::outlet::wait;
use crate::error::RunError;
use crate::grants::State;

/// Feeds a component from a channel. A channel that fails traps the component: a `stream` has
/// no other way to report that the rest is missing.
pub struct Inlet<T, U, B, F> {
    values: InletReceiver<U>,
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
    /// An inlet from the channel of `receiver`, for `StreamReader::new`.
    pub fn new(
        receiver: Receiver<U>,
        mut map: F,
    ) -> Inlet<T, U, Option<T>, impl FnMut(U) -> Option<T>> {
        Inlet {
            values: InletReceiver::owned(receiver),
            fill: move |value| Some(map(value)),
            intake: Intake::default(),
            buffer: PhantomData,
        }
    }
}

impl ByteInlet {
    /// An inlet for bytes.
    pub fn bytes(receiver: Receiver<Bytes>) -> Self {
        Self::of(InletReceiver::owned(receiver))
    }

    /// An inlet for bytes that returns its receiver if the component takes nothing.
    pub fn lend(receiver: Receiver<Bytes>) -> (Self, Loan<Bytes>) {
        let (lender, loan) = oneshot::channel();
        let lent = InletReceiver {
            receiver: Some(receiver),
            lender: Some(lender),
        };
        (Self::of(lent), Loan(loan))
    }

    fn of(values: InletReceiver<Bytes>) -> Self {
        Self {
            values,
            fill: |bytes| bytes,
            intake: Intake::default(),
            buffer: PhantomData,
        }
    }
}

/// The receiver of an inlet. It returns to its lender, if any, unless a value was taken.
struct InletReceiver<U> {
    receiver: Option<Receiver<U>>,
    lender: Option<oneshot::Sender<Receiver<U>>>,
}

impl<U> InletReceiver<U> {
    fn owned(receiver: Receiver<U>) -> Self {
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

impl<U> Drop for InletReceiver<U> {
    fn drop(&mut self) {
        if let (Some(receiver), Some(lender)) = (self.receiver.take(), self.lender.take()) {
            // The lender may be gone.
            let _ = lender.send(receiver);
        }
    }
}

/// The lender's claim on a receiver.
pub struct Loan<U>(oneshot::Receiver<Receiver<U>>);

impl<U> Loan<U> {
    /// The receiver, if the component is gone and took nothing.
    pub fn reclaim(mut self) -> Option<Receiver<U>> {
        self.0.try_recv().ok()
    }
}

impl<T, U, B, F> Inlet<T, U, B, F> {
    /// The counter of values that the component takes.
    pub fn intake(&self) -> Intake {
        self.intake.clone()
    }
}

/// Counts the values that a component takes from an inlet. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Intake(Arc<IntakeCounts>);

#[derive(Debug, Default)]
struct IntakeCounts {
    values: AtomicU64,
    has_ended: AtomicBool,
}

impl Intake {
    /// Values that the component took.
    pub fn count(&self) -> u64 {
        self.0.values.load(Ordering::Relaxed)
    }

    /// Whether the component saw the end of the stream.
    pub fn has_ended(&self) -> bool {
        self.0.has_ended.load(Ordering::Relaxed)
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
        // A read of zero values asks whether a read would wait. Only taking a value could
        // answer that, so the answer is no.
        if destination.remaining(store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        match inlet.values.poll_recv(context) {
            Poll::Ready(Ok(Some(value))) => {
                inlet.intake.0.values.fetch_add(1, Ordering::Relaxed);
                destination.set_buffer((inlet.fill)(value));
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Poll::Ready(Ok(None)) => {
                inlet.intake.0.has_ended.store(true, Ordering::Relaxed);
                Poll::Ready(Ok(StreamResult::Dropped))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(RunError::Upstream(Box::new(error)).into())),
            Poll::Pending => wait(finish),
        }
    }
}
