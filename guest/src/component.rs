//! The contract's interface `factorial`: conversions between its types and
//! those of the arithmetic, and the two coroutines.
//!
//! A sandbox may be suspended between any two items of a stream, and thousands
//! are at once: what is held across such a wait is one request or one chunk.

use alloc::string::String;
use alloc::vec::Vec;

use wit_bindgen::{FutureWriter, StreamReader, StreamWriter, spawn_local};

use crate::answer::{self, Admitted, Pieces};
use crate::bindings::exports::cocoon::factorial::factorial as wit;
use crate::bindings::{Component, wit_future, wit_stream};
use crate::cost::Count;
use crate::error::Error;
use crate::request::{Format, Kind, Request};
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

    async fn digits(
        request: wit::Request,
    ) -> Result<
        (
            StreamReader<u8>,
            wit_bindgen::FutureReader<Result<(), wit::Error>>,
        ),
        wit::Error,
    > {
        let admitted = answer::admit(request.into())?;
        let (writer, reader) = wit_stream::new();
        // Should the task end without a word, the reader must not take the
        // stream for a finished one.
        let (outcome, outcome_reader) = wit_future::new(|| {
            Err(wit::Error::Failed(String::from(
                "the digits ended before the last",
            )))
        });
        spawn_local(write_digits(admitted, writer, outcome));
        Ok((reader, outcome_reader))
    }

    async fn serve(requests: StreamReader<wit::Request>) -> StreamReader<wit::Answer> {
        let (answers, reader) = wit_stream::new();
        spawn_local(answer_all(requests, answers));
        reader
    }
}

/// Computes the number and writes its digits, until the last or until the
/// reader goes away.
async fn write_digits(
    admitted: Admitted,
    mut writer: StreamWriter<u8>,
    outcome: FutureWriter<Result<(), wit::Error>>,
) {
    let result = match Pieces::new(admitted) {
        Ok(mut pieces) => {
            if !write_pieces(&mut pieces, &mut writer).await {
                return;
            }
            Ok(())
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

impl From<wit::Kind> for Kind {
    fn from(kind: wit::Kind) -> Self {
        match kind {
            wit::Kind::Factorial => Self::Factorial,
            wit::Kind::Multifactorial(step) => Self::Multifactorial(step),
            wit::Kind::Subfactorial => Self::Subfactorial,
            wit::Kind::Primorial => Self::Primorial,
            wit::Kind::Superfactorial => Self::Superfactorial,
            wit::Kind::Hyperfactorial => Self::Hyperfactorial,
            wit::Kind::Alternating => Self::Alternating,
        }
    }
}

impl From<wit::Request> for Request {
    fn from(request: wit::Request) -> Self {
        Self {
            kind: request.kind.into(),
            n: request.n,
            format: match request.format {
                wit::Format::Decimal => Format::Decimal,
                wit::Format::Scientific(significant) => Format::Scientific(significant),
            },
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

impl From<Error> for wit::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(text) => Self::Invalid(text),
            Error::TooLarge(text) => Self::TooLarge(text),
            Error::Failed(text) => Self::Failed(text),
        }
    }
}
