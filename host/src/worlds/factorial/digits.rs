//! Streams of bytes with a future for their result, as the contract's `digits` and `perform`
//! return them.

use std::future::pending;
use std::pin::{Pin, pin};

use bytes::Bytes;
use futures::future::join_all;
use tokio::sync::oneshot;
use wasmtime::component::{Accessor, FutureReader, StreamReader};

use super::bindings::{Error, Grade};
use crate::channel::{Promise, Sender, byte_outlet};
use crate::deadline::Deadline;
use crate::error::RunError;
use crate::grants::State;

/// A stream that a component writes, and its reader.
pub(super) struct Output<'a> {
    pub(super) written: StreamReader<u8>,
    pub(super) reader: &'a Sender<Bytes>,
    /// The deadline whose clock stops while the reader has no room.
    pub(super) deadline: Option<Deadline>,
    /// Whether the reader gets the end as soon as the component closes the stream, before the
    /// result.
    pub(super) ends_when_closed: bool,
}

/// Moves the bytes of a component to its readers until its result.
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
        // A failure must not look like the end of a complete stream.
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
            "expected a result after the digits, got none".to_owned(),
        ))
    }))
}

/// Runs `pouring` until its end, or until all readers have left before theirs. The caller
/// pins it, since the future of an argument is stored twice, and this one is most of a
/// suspended sandbox's memory in the host.
pub(super) async fn while_read(
    pouring: Pin<&mut impl Future<Output = Result<Result<Grade, Error>, RunError>>>,
    readers: &[Sender<Bytes>],
) -> Result<Grade, RunError> {
    let gone = async {
        for reader in readers {
            reader.reader_gone().await;
        }
        if readers.iter().any(Sender::has_ended) {
            // Some have read all, and wait for the result.
            pending::<()>().await;
        }
    };
    let left = |reader: &Sender<Bytes>| !reader.has_reader() && !reader.has_ended();
    tokio::select! {
        poured = pouring => match poured {
            // Without readers, a component may end well, or be stopped for writing on.
            _ if readers.iter().all(left) => Err(RunError::ReaderGone),
            poured => Ok(poured??),
        },
        () = gone => Err(RunError::ReaderGone),
    }
}
