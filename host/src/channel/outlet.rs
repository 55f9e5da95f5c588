//! The end of a channel in a store that the component writes.
//!
//! A `stream` of a component lives in one store and ends with it. A channel between two
//! sandboxes has an [`Outlet`] in the one and an [`Inlet`](super::Inlet) in the other.

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::{SetOnce, oneshot};
use tokio_util::sync::PollSender;
use wasmtime::StoreContextMut;
use wasmtime::component::{FutureConsumer, Lift, Source, StreamConsumer, StreamResult};

use super::Sender;
use crate::error::RunError;
use crate::grants::State;

/// Resolves when the component closes a stream that it writes.
#[derive(Debug)]
pub struct CloseSignal(pub(super) oneshot::Receiver<()>);

impl CloseSignal {
    /// Waits until the component closes the stream. Dropping the store closes it too, so
    /// check that the component is alive.
    pub async fn wait(self) {
        // The other side only ever drops its end.
        let _ = self.0.await;
    }
}

/// Sends the values that a component writes, after mapping them.
pub struct Outlet<T, U, F> {
    values: PollSender<Box<U>>,
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
    /// An outlet into the channel of `sender`, for `StreamReader::pipe`. An error of `map`
    /// stops the sandbox.
    pub fn new(sender: &Sender<U>, map: F) -> (Self, CloseSignal) {
        let (open, closed) = oneshot::channel();
        let (values, sent) = sender.poll_sender();
        let outlet = Self {
            values,
            sent,
            map,
            _open: open,
            written: PhantomData,
        };
        (outlet, CloseSignal(closed))
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
        // Reserve room first: a value cannot be put back into the stream.
        match outlet.values.poll_reserve(context) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => return Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Pending => return wait(finish),
        }
        let mut value = None;
        source.read(store, &mut value)?;
        if let Some(value) = value {
            let sent = outlet.values.send_item(Box::new((outlet.map)(value)?));
            // It may have been set before.
            let _ = outlet.sent.set(());
            if sent.is_err() {
                return Poll::Ready(Ok(StreamResult::Dropped));
            }
        }
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

/// The result of an end that cannot proceed. `finish` says that the component has cancelled
/// its read or write.
pub(super) fn wait(finish: bool) -> Poll<wasmtime::Result<StreamResult>> {
    if finish {
        Poll::Ready(Ok(StreamResult::Cancelled))
    } else {
        Poll::Pending
    }
}

/// Receives the one value of a component's `future`.
pub struct Promise<T>(Option<oneshot::Sender<T>>);

impl<T> Promise<T> {
    /// A promise that sends the value to `receiver`, or drops it if the component never
    /// resolves the future.
    pub fn new(receiver: oneshot::Sender<T>) -> Self {
        Self(Some(receiver))
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
        if let (Some(value), Some(receiver)) = (value, self.get_mut().0.take()) {
            // The receiver may be gone.
            let _ = receiver.send(value);
        }
        Poll::Ready(Ok(()))
    }
}
