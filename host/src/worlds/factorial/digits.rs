//! What the contract's `digits` and `perform` have in common: a stream of bytes,
//! and a future that tells whether it was finished or broke off.

use std::future::pending;
use std::pin::{Pin, pin};

use bytes::Bytes;
use futures::future::join_all;
use tokio::sync::oneshot;
use wasmtime::component::{Accessor, FutureReader, StreamReader};

use super::bindings::{Error, Grade};
use crate::channel::{Promise, Sender, byte_outlet};
use crate::component::State;
use crate::deadline::Deadline;
use crate::error::RunError;

/// A stream that a component writes, and where it goes.
pub(super) struct Output<'a> {
    pub(super) written: StreamReader<u8>,
    pub(super) reader: &'a Sender<Bytes>,
    /// The clock that stands still while the reader has no room.
    pub(super) deadline: Option<Deadline>,
    /// Whether a reader that is still there hears of the end as soon as the component
    /// closes the stream, before it says how it ended.
    pub(super) ends_when_closed: bool,
}

/// Moves what a component writes to its readers, until it says how it ended.
pub(super) async fn pour(
    accessor: &Accessor<State>,
    outputs: Vec<Output<'_>>,
    done: FutureReader<Result<Grade, Error>>,
    cap_bytes: u64,
) -> wasmtime::Result<Result<Grade, Error>> {
    let (resolved, mut resolution) = oneshot::channel();
    let closed: Vec<_> = accessor.with(|mut store| {
        done.pipe(&mut store, Promise::new(resolved))?;
        outputs
            .into_iter()
            .map(|output| {
                let (outlet, closed) = byte_outlet(output.reader, cap_bytes, output.deadline);
                output.written.pipe(&mut store, outlet)?;
                let reader = output.ends_when_closed.then_some(output.reader);
                Ok((closed, reader))
            })
            .collect::<wasmtime::Result<_>>()
    })?;
    let mut closing = pin!(join_all(closed.into_iter().map(
        async |(closed, reader)| {
            closed.wait().await;
            if let Some(reader) = reader
                && reader.has_reader()
            {
                reader.end(&Ok(()));
            }
        }
    )));
    let done = tokio::select! {
        biased;
        // Who fails is not to be heard as one that has put out all.
        done = &mut resolution => match done {
            Ok(Err(error)) => return Ok(Err(error)),
            done => {
                closing.await;
                done
            }
        },
        _ = &mut closing => resolution.await,
    };
    Ok(done.unwrap_or_else(|_| {
        Err(Error::Failed(
            "the digits ended without a word on how".to_owned(),
        ))
    }))
}

/// Runs what pours, until its end or until all readers went away before theirs. It is
/// pinned where it is called, since an argument is held twice, and this is most of what
/// a suspended sandbox takes of the host's heap.
pub(super) async fn while_read(
    pouring: Pin<&mut impl Future<Output = Result<Result<Grade, Error>, RunError>>>,
    readers: &[Sender<Bytes>],
) -> Result<Grade, RunError> {
    let gone = async {
        for reader in readers {
            reader.reader_gone().await;
        }
        if readers.iter().any(Sender::has_ended) {
            // Some have read all, and the others are to be told what became of it.
            pending::<()>().await;
        }
    };
    let left = |reader: &Sender<Bytes>| !reader.has_reader() && !reader.has_ended();
    tokio::select! {
        poured = pouring => match poured {
            // When nobody takes more, a component may call it done, or go on and be
            // stopped for that.
            _ if readers.iter().all(left) => Err(RunError::ReaderGone),
            poured => Ok(poured??),
        },
        () = gone => Err(RunError::ReaderGone),
    }
}
