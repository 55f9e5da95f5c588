//! The contract's interface `factorial`.
//!
//! A sandbox may be suspended between any two items of a stream, and thousands of them are
//! at once. Across each such wait a task holds one request or one chunk.

use alloc::string::String;

use wit_bindgen::{StreamReader, StreamWriter, spawn_local};

use super::bindings::exports::cocoon::factorial::factorial as wit;
use super::bindings::{Component, wit_stream};
use super::streams::{self, Outcome, OutcomeWriter, read_digits, write_output};
use crate::answer::{self, Admission, Pieces};
use crate::estimate;
use crate::fanout::Output;
use crate::mul::Multiplier;
use crate::request::Kind;
use crate::request::notation::write_notation;
use crate::verify::Checker;

impl wit::Guest for Component {
    fn notation(kind: wit::Kind, n: u64) -> Result<String, wit::Error> {
        let kind = Kind::from(kind);
        kind.check()?;
        Ok(write_notation(kind, n))
    }

    fn cost(request: wit::Request) -> Result<wit::Estimate, wit::Error> {
        Ok(estimate::estimate(request.into())?.into())
    }

    fn info(kind: wit::Kind, n: u64) -> Result<wit::Facts, wit::Error> {
        Ok(estimate::describe(kind.into(), n)?.into())
    }

    fn compute(request: wit::Request) -> Result<String, wit::Error> {
        Ok(answer::compute(request.into())?)
    }

    async fn digits(
        request: wit::Request,
        seed: u64,
    ) -> Result<(StreamReader<u8>, Outcome), wit::Error> {
        let admission = answer::admit(request.into())?;
        let (writer, digits) = wit_stream::new();
        let (outcome_writer, outcome) = streams::new_outcome();
        let multiplier = Multiplier::new(request.proved, seed);
        spawn_local(write_digits(admission, multiplier, writer, outcome_writer));
        Ok((digits, outcome))
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
        spawn_local(serve_requests(requests, answers));
        reader
    }
}

/// Computes the number and writes its digits, until the last or until the reader closes
/// the stream.
async fn write_digits(
    admission: Admission,
    mut multiplier: Multiplier,
    mut writer: StreamWriter<u8>,
    outcome: OutcomeWriter,
) {
    let result = match Pieces::new(admission, &mut multiplier) {
        Ok(pieces) => {
            if !write_output(&mut Output::Answer(pieces), &mut writer).await {
                return;
            }
            Ok(multiplier.grade().into())
        }
        Err(error) => Err(error.into()),
    };
    drop(writer);
    // A reader that is gone has no use for the outcome.
    let _ = outcome.write(result).await;
}

/// Answers each request in order, until the requests end or the reader closes the stream.
async fn serve_requests(
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
