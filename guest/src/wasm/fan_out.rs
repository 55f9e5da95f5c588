//! The contract's interface `parts`.

use alloc::string::String;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::pin::pin;
use core::task::Poll;

use wit_bindgen::{StreamReader, StreamResult, StreamWriter, spawn_local};

use super::bindings::exports::cocoon::factorial::factorial as wit;
use super::bindings::exports::cocoon::factorial::parts as wit_parts;
use super::bindings::{Component, wit_stream};
use super::streams::{self, CHUNK_BYTES_MAX, Outcome, OutcomeWriter, write_output};
use crate::fanout::wire::Decoder;
use crate::fanout::{Output, PartRun, Transfer, Width, plan};
use crate::request::Error;

impl wit_parts::Guest for Component {
    fn plan(request: wit::Request, sandboxes: u32) -> Result<Vec<wit_parts::Part>, wit::Error> {
        let parts = plan(request.into(), Width::up_to(sandboxes))?;
        Ok(parts
            .into_iter()
            .map(|part| wit_parts::Part {
                inputs: part.inputs,
                peak_bytes: part.peak_bytes,
            })
            .collect())
    }

    async fn perform(
        request: wit::Request,
        sandboxes: u32,
        index: u32,
        seed: u64,
        inputs: Vec<StreamReader<u8>>,
    ) -> Result<(Vec<StreamReader<u8>>, Outcome), wit::Error> {
        let run = PartRun::new(request.into(), Width::up_to(sandboxes), index, seed)?;
        if inputs.len() != run.inputs() {
            let text = String::from("expected as many inputs as the plan has for the part");
            return Err(wit::Error::Invalid(text));
        }
        let outputs = (0..run.outputs()).map(|_| wit_stream::new());
        let (writers, readers) = outputs.unzip();
        let (outcome_writer, outcome) = streams::new_outcome();
        spawn_local(execute(run, inputs, writers, outcome_writer));
        Ok((readers, outcome))
    }
}

/// Executes a part: moves its inputs and outputs until its end, or until a reader closes a
/// stream.
async fn execute(
    mut run: PartRun,
    inputs: Vec<StreamReader<u8>>,
    outputs: Vec<StreamWriter<u8>>,
    outcome: OutcomeWriter,
) {
    let (mut inputs, mut outputs) = (inputs.into_iter(), outputs.into_iter());
    let result = loop {
        let (output, decoder) = match run.advance() {
            Ok(Some(Transfer::Write(output))) => (Some(output), None),
            Ok(Some(Transfer::Read(decoder))) => (None, Some(decoder)),
            Ok(Some(Transfer::Exchange(output, decoder))) => (Some(output), Some(decoder)),
            Ok(None) => break Ok(run.grade().into()),
            Err(error) => break Err(error.into()),
        };
        let (is_open, read) = join(
            write_next(output, &mut outputs),
            read_next(&mut run, decoder, &mut inputs),
        )
        .await;
        if !is_open {
            return;
        }
        if let Err(error) = read {
            break Err(error.into());
        }
    };
    // A failure is reported while the streams are open, so that no reader takes a broken
    // one for complete. A reader that is gone has no use for the outcome.
    if result.is_err() {
        let _ = outcome.write(result).await;
        return;
    }
    drop(outputs);
    let _ = outcome.write(result).await;
}

/// Writes to the next stream, if there is an output. Returns false if the reader closed
/// the stream.
async fn write_next(
    output: Option<Output>,
    writers: &mut impl Iterator<Item = StreamWriter<u8>>,
) -> bool {
    let Some(mut output) = output else {
        return true;
    };
    match writers.next() {
        Some(mut writer) => write_output(&mut output, &mut writer).await,
        None => false,
    }
}

/// Reads the next stream, if there is an input, and passes it to the part.
async fn read_next(
    run: &mut PartRun,
    decoder: Option<Decoder>,
    readers: &mut impl Iterator<Item = StreamReader<u8>>,
) -> Result<(), Error> {
    let Some(mut decoder) = decoder else {
        return Ok(());
    };
    let Some(mut reader) = readers.next() else {
        return run.accept(decoder);
    };
    let mut chunk = Vec::with_capacity(CHUNK_BYTES_MAX);
    loop {
        let (result, bytes) = reader.read(chunk).await;
        chunk = bytes;
        decoder.push(&chunk)?;
        chunk.clear();
        // Does not wait for the end of the stream: the writer may be busy by now.
        if decoder.is_complete() || !matches!(result, StreamResult::Complete(_)) {
            return run.accept(decoder);
        }
    }
}

/// Drives two futures concurrently until both are complete.
async fn join<A, B>(one: impl Future<Output = A>, two: impl Future<Output = B>) -> (A, B) {
    let (mut one, mut two) = (pin!(one), pin!(two));
    let (mut first, mut second) = (None, None);
    poll_fn(|context| {
        if first.is_none()
            && let Poll::Ready(value) = one.as_mut().poll(context)
        {
            first = Some(value);
        }
        if second.is_none()
            && let Poll::Ready(value) = two.as_mut().poll(context)
        {
            second = Some(value);
        }
        match (first.take(), second.take()) {
            (Some(first), Some(second)) => Poll::Ready((first, second)),
            pending => {
                (first, second) = pending;
                Poll::Pending
            }
        }
    })
    .await
}
