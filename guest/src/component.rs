//! The contract's interface `factorial`: conversions between its types and
//! those of the arithmetic, and the coroutines.
//!
//! A sandbox may be suspended between any two items of a stream, and thousands
//! are at once: what is held across such a wait is one request or one chunk.

use alloc::string::String;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::pin::pin;
use core::task::Poll;

use wit_bindgen::{
    FutureReader, FutureWriter, StreamReader, StreamResult, StreamWriter, spawn_local,
};

use crate::answer::{self, Admitted, Pieces};
use crate::bindings::exports::cocoon::factorial::factorial as wit;
use crate::bindings::exports::cocoon::factorial::parts as wit_parts;
use crate::bindings::{Component, wit_future, wit_stream};
use crate::cost::Count;
use crate::error::Error;
use crate::multiply::{Grade, Multiplier};
use crate::parts::{self, Move, Performance, Width};
use crate::request::Kind;
use crate::verify::{Checker, Verdict};
use crate::wire::Incoming;
use crate::{cost, info, notation};

/// Bytes of the longest chunk that is written to a stream at once.
const CHUNK_BYTES_MAX: usize = 64 * 1024;

impl wit::Guest for Component {
    fn notation(kind: wit::Kind, n: u64) -> Result<String, wit::Error> {
        let kind = Kind::from(kind);
        kind.check()?;
        Ok(notation::notation(kind, n))
    }

    fn cost(request: wit::Request) -> Result<wit::Estimate, wit::Error> {
        Ok(cost::cost(request.into())?.into())
    }

    fn info(kind: wit::Kind, n: u64) -> Result<wit::Facts, wit::Error> {
        Ok(info::info(kind.into(), n)?.into())
    }

    fn compute(request: wit::Request) -> Result<String, wit::Error> {
        Ok(answer::compute(request.into())?)
    }

    async fn digits(request: wit::Request, seed: u64) -> Result<Written, wit::Error> {
        let admitted = answer::admit(request.into())?;
        let (writer, outcome, written) = written();
        let multiplier = Multiplier::new(request.proved, seed);
        spawn_local(write_digits(admitted, multiplier, writer, outcome));
        Ok(written)
    }

    async fn verify(
        kind: wit::Kind,
        n: u64,
        digits: StreamReader<u8>,
        seed: u64,
    ) -> Result<wit::Verdict, wit::Error> {
        let checker = Checker::new(kind.into(), n, seed)?;
        Ok(read_digits(checker, digits).await.finish().into())
    }

    async fn serve(requests: StreamReader<wit::Request>) -> StreamReader<wit::Answer> {
        let (answers, reader) = wit_stream::new();
        spawn_local(answer_all(requests, answers));
        reader
    }
}

impl wit_parts::Guest for Component {
    fn plan(request: wit::Request, sandboxes: u32) -> Result<Vec<wit_parts::Part>, wit::Error> {
        let parts = parts::plan(request.into(), Width::up_to(sandboxes))?;
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
        let performance = Performance::new(request.into(), Width::up_to(sandboxes), index, seed)?;
        if inputs.len() != performance.inputs() {
            let text = String::from("a part is given the inputs that the plan says");
            return Err(wit::Error::Invalid(text));
        }
        let outputs = (0..performance.outputs()).map(|_| wit_stream::new());
        let (writers, readers) = outputs.unzip();
        let (outcome, outcome_reader) = outcome();
        spawn_local(perform_part(performance, inputs, writers, outcome));
        Ok((readers, outcome_reader))
    }
}

/// How it ended.
type Outcome = FutureReader<Result<wit::Grade, wit::Error>>;

/// What is written, and how it ended.
type Written = (StreamReader<u8>, Outcome);

/// Both ends of what is to be written.
fn written() -> (
    StreamWriter<u8>,
    FutureWriter<Result<wit::Grade, wit::Error>>,
    Written,
) {
    let (writer, reader) = wit_stream::new();
    let (outcome, outcome_reader) = outcome();
    (writer, outcome, (reader, outcome_reader))
}

/// Both ends of how it ended. Should the writer end without a word, the reader must
/// not take what was written for finished.
fn outcome() -> (FutureWriter<Result<wit::Grade, wit::Error>>, Outcome) {
    wit_future::new(|| {
        Err(wit::Error::Failed(String::from(
            "the digits ended before the last",
        )))
    })
}

/// Does a part: reads and writes as it says, until its end or until a reader goes
/// away.
async fn perform_part(
    mut performance: Performance,
    inputs: Vec<StreamReader<u8>>,
    outputs: Vec<StreamWriter<u8>>,
    outcome: FutureWriter<Result<wit::Grade, wit::Error>>,
) {
    let (mut inputs, mut outputs) = (inputs.into_iter(), outputs.into_iter());
    let ended = loop {
        let (pieces, incoming) = match performance.go_on() {
            Ok(Some(Move::Write(pieces))) => (Some(pieces), None),
            Ok(Some(Move::Read(incoming))) => (None, Some(incoming)),
            Ok(Some(Move::Exchange(pieces, incoming))) => (Some(pieces), Some(incoming)),
            Ok(None) => break Ok(performance.grade().into()),
            Err(error) => break Err(error.into()),
        };
        let (written, read) = both(
            write_output(pieces, &mut outputs),
            read_input(&mut performance, incoming, &mut inputs),
        )
        .await;
        if !written {
            return;
        }
        if let Err(error) = read {
            break Err(error.into());
        }
    };
    // Who reads is not to take what failed for all there is. A reader that has gone has
    // no use for the outcome.
    if ended.is_err() {
        let _ = outcome.write(ended).await;
        return;
    }
    drop(outputs);
    let _ = outcome.write(ended).await;
}

/// Writes all of it to the next output, if there is anything to write. False when
/// the reader went away.
async fn write_output(
    pieces: Option<Pieces>,
    outputs: &mut impl Iterator<Item = StreamWriter<u8>>,
) -> bool {
    let Some(mut pieces) = pieces else {
        return true;
    };
    match outputs.next() {
        Some(mut writer) => write_pieces(&mut pieces, &mut writer).await,
        None => false,
    }
}

/// What two futures come to, which go on beside each other.
async fn both<A, B>(one: impl Future<Output = A>, two: impl Future<Output = B>) -> (A, B) {
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
            waiting => {
                (first, second) = waiting;
                Poll::Pending
            }
        }
    })
    .await
}

/// Reads the next input, if anything is to be read.
async fn read_input(
    performance: &mut Performance,
    incoming: Option<Incoming>,
    inputs: &mut impl Iterator<Item = StreamReader<u8>>,
) -> Result<(), Error> {
    let Some(mut incoming) = incoming else {
        return Ok(());
    };
    let Some(mut input) = inputs.next() else {
        return performance.take(incoming);
    };
    let mut chunk = Vec::with_capacity(CHUNK_BYTES_MAX);
    loop {
        let (result, read) = input.read(chunk).await;
        chunk = read;
        incoming.take(&chunk)?;
        chunk.clear();
        // Its end may be heard later: the one that wrote it may be busy by now.
        if incoming.is_complete() || !matches!(result, StreamResult::Complete(_)) {
            return performance.take(incoming);
        }
    }
}

/// Computes the number and writes its digits, until the last or until the
/// reader goes away.
async fn write_digits(
    admitted: Admitted,
    mut multiplier: Multiplier,
    writer: StreamWriter<u8>,
    outcome: FutureWriter<Result<wit::Grade, wit::Error>>,
) {
    let pieces = Pieces::new(admitted, &mut multiplier);
    write_answer(pieces, multiplier.grade(), writer, outcome).await;
}

/// Writes an answer and how it ended, unless the reader goes away.
async fn write_answer(
    pieces: Result<Pieces, Error>,
    grade: Grade,
    mut writer: StreamWriter<u8>,
    outcome: FutureWriter<Result<wit::Grade, wit::Error>>,
) {
    let result = match pieces {
        Ok(mut pieces) => {
            if !write_pieces(&mut pieces, &mut writer).await {
                return;
            }
            Ok(grade.into())
        }
        Err(error) => Err(error.into()),
    };
    drop(writer);
    // A reader that has gone has no use for the outcome.
    let _ = outcome.write(result).await;
}

/// False when the reader went away.
async fn write_pieces(pieces: &mut Pieces, writer: &mut StreamWriter<u8>) -> bool {
    let chunk_bytes = pieces.chunk_bytes(CHUNK_BYTES_MAX);
    let mut chunk = Vec::new();
    loop {
        chunk.reserve_exact(chunk_bytes);
        let filled = pieces.fill(&mut chunk);
        if !chunk.is_empty() {
            // What was not taken comes back, with the room for the next chunk.
            chunk = writer.write_all(chunk).await;
        }
        if !chunk.is_empty() {
            return false;
        }
        if !filled {
            return true;
        }
    }
}

/// Reads digits until they end or are wrong. The reader is dropped here, so that
/// whoever writes does not wait while the residues are computed.
async fn read_digits(mut checker: Checker, mut digits: StreamReader<u8>) -> Checker {
    let mut chunk = Vec::with_capacity(CHUNK_BYTES_MAX);
    loop {
        let (result, bytes) = digits.read(chunk).await;
        let ended = !matches!(result, StreamResult::Complete(_));
        if !checker.take(&bytes) || ended {
            return checker;
        }
        chunk = bytes;
        chunk.clear();
    }
}

async fn answer_all(
    mut requests: StreamReader<wit::Request>,
    mut answers: StreamWriter<wit::Answer>,
) {
    while let Some(request) = requests.next().await {
        let answer = answer::compute(request.into()).map_err(wit::Error::from);
        if answers.write_one(answer).await.is_some() {
            return;
        }
    }
}

impl From<Count> for wit::Count {
    fn from(count: Count) -> Self {
        match count {
            Count::Exact(count) => Self::Exact(count),
            Count::AtMost(count) => Self::AtMost(count),
            Count::Beyond => Self::Beyond,
        }
    }
}

impl From<cost::Cost> for wit::Estimate {
    fn from(cost: cost::Cost) -> Self {
        Self {
            digits: cost.digits.into(),
            output_bytes: cost.output_bytes.into(),
            peak_bytes: cost.peak_bytes,
        }
    }
}

impl From<info::Info> for wit::Facts {
    fn from(info: info::Info) -> Self {
        Self {
            digits: info.digits.into(),
            trailing_zeros: info.trailing_zeros,
            leading_digits: info.leading_digits,
            peak_bytes: info.peak_bytes,
        }
    }
}

impl From<Grade> for wit::Grade {
    fn from(grade: Grade) -> Self {
        match grade {
            Grade::Proved => Self::Proved,
            Grade::Verified(verification) => Self::Verified(wit::Verification {
                products: verification.products,
                repeated: verification.repeated,
                miss_exponent: verification.miss_exponent,
            }),
        }
    }
}

impl From<Verdict> for wit::Verdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Right(miss_exponent) => Self::Right(miss_exponent),
            Verdict::Wrong(text) => Self::Wrong(text),
        }
    }
}
