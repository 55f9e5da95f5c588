//! What the contract's `digits` and `perform` have in common: a stream of bytes,
//! and a future that tells whether it was finished or broke off.

use std::pin::Pin;

use bytes::Bytes;
use tokio::sync::oneshot;
use wasmtime::component::{Accessor, FutureReader, StreamReader};

use super::bindings::{Error, Grade};
use crate::channel::{Broadcast, Promise, byte_outlet};
use crate::component::State;
use crate::deadline::Deadline;
use crate::error::RunError;

/// Moves what a component writes to `readers`, until it says how it ended. The
/// clock of `deadline` stands still while they have no room.
pub(super) async fn pour(
    accessor: &Accessor<State>,
    (written, done): (StreamReader<u8>, FutureReader<Result<Grade, Error>>),
    readers: &Broadcast<Bytes>,
    cap_bytes: u64,
    deadline: Option<Deadline>,
) -> wasmtime::Result<Result<Grade, Error>> {
    let (outlet, closed) = byte_outlet(readers, cap_bytes, deadline);
    let (resolved, resolution) = oneshot::channel();
    accessor.with(|mut store| {
        written.pipe(&mut store, outlet)?;
        done.pipe(&mut store, Promise::new(resolved))
    })?;
    closed.wait().await;
    Ok(resolution.await.unwrap_or_else(|_| {
        Err(Error::Failed(
            "the digits ended without a word on how".to_owned(),
        ))
    }))
}

/// Runs what pours, for as long as somebody reads. It is pinned where it is
/// called, since an argument is held twice, and this is most of what a suspended
/// sandbox takes of the host's heap.
pub(super) async fn while_read(
    pouring: Pin<&mut impl Future<Output = Result<Result<Grade, Error>, RunError>>>,
    readers: &Broadcast<Bytes>,
) -> Result<Grade, RunError> {
    tokio::select! {
        poured = pouring => match poured {
            // When nobody takes more, a component may call it done, or go on and be
            // stopped for that.
            _ if !readers.has_reader() => Err(RunError::ReaderGone),
            poured => Ok(poured??),
        },
        () = readers.readers_gone() => Err(RunError::ReaderGone),
    }
}
