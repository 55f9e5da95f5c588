//! A job: a request with its sandbox.
//!
//! It lives from admission until its last digit is produced, and holds its sandbox and its
//! place in the pool that long.

use std::pin::pin;
use std::slice;

use bytes::Bytes;
use tracing::Span;

use super::bindings::{Estimate, FactorialWorld, Grade, Request};
use super::contract::{check_grade, check_reply};
use super::reply_world::ReplySandbox;
use super::{digits, random_seed, request_span};
use crate::channel::Sender;
use crate::deadline::Deadline;
use crate::error::RunError;
use crate::limits::{Limit, Limits, REPLY_BYTES};
use crate::metrics::Meter;
use crate::sandbox::Sandbox;
use crate::span::record_failure;

/// A request with its sandbox.
pub struct Job {
    sandbox: JobSandbox,
    request: Request,
    cost: Estimate,
    seed: Option<u64>,
}

/// The sandbox of a job.
pub(super) enum JobSandbox {
    /// Of the world with streams.
    Full(Sandbox<FactorialWorld>),
    /// Of the world `reply`, which answers in one piece.
    ReplyOnly(ReplySandbox),
}

impl JobSandbox {
    fn span(&self) -> &Span {
        match self {
            Self::Full(sandbox) => sandbox.span(),
            Self::ReplyOnly(reply) => reply.sandbox.span(),
        }
    }

    fn meter(&self) -> &Meter {
        match self {
            Self::Full(sandbox) => sandbox.meter(),
            Self::ReplyOnly(reply) => reply.sandbox.meter(),
        }
    }

    fn limits(&self) -> &Limits {
        match self {
            Self::Full(sandbox) => sandbox.limits(),
            Self::ReplyOnly(reply) => reply.sandbox.limits(),
        }
    }
}

impl Job {
    pub(super) fn new(sandbox: JobSandbox, request: Request, cost: Estimate) -> Self {
        Self {
            sandbox,
            request,
            cost,
            seed: None,
        }
    }

    /// The same job with the seed of its random checks. Without it, the seed is drawn.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The component's estimate of the cost.
    pub fn cost(&self) -> &Estimate {
        &self.cost
    }

    pub(crate) fn meter(&self) -> &Meter {
        self.sandbox.meter()
    }

    /// The deadline of the job.
    pub fn deadline(&self) -> &Deadline {
        match &self.sandbox {
            JobSandbox::Full(sandbox) => sandbox.deadline(),
            JobSandbox::ReplyOnly(reply) => reply.sandbox.deadline(),
        }
    }

    /// The number in mathematical notation, such as `10!`.
    ///
    /// # Errors
    ///
    /// The error that stopped the sandbox.
    pub async fn notation(&mut self) -> Result<String, RunError> {
        let Request { kind, n, .. } = self.request;
        let notation = match &mut self.sandbox {
            JobSandbox::Full(sandbox) => {
                sandbox
                    .run(async |store, component| {
                        let component = component.cocoon_factorial_factorial();
                        component.call_notation(store, kind, n).await
                    })
                    .await
            }
            JobSandbox::ReplyOnly(reply) => {
                reply
                    .sandbox
                    .run(async |store, component| component.call_notation(store, kind, n).await)
                    .await
            }
        };
        let notation = notation.and_then(|notation| check_reply(notation?));
        self.meter().watch(notation)
    }

    /// The answer in one piece, of at most [`REPLY_BYTES`].
    ///
    /// # Errors
    ///
    /// The error that stopped the sandbox, or [`RunError::OutOfReach`] for a longer answer.
    pub async fn compute(mut self) -> Result<String, RunError> {
        let answer = self.reply().await;
        self.meter().watch(answer)
    }

    async fn reply(&mut self) -> Result<String, RunError> {
        let request = self.request;
        let span = request_span!(self.sandbox, "compute", request.kind, request.n);
        let answer = match &mut self.sandbox {
            JobSandbox::Full(sandbox) => {
                sandbox
                    .run(async |store, component| {
                        let component = component.cocoon_factorial_factorial();
                        component.call_compute(store, request).await
                    })
                    .await
            }
            JobSandbox::ReplyOnly(reply) => {
                reply
                    .sandbox
                    .run(async |store, component| component.call_compute(store, request).await)
                    .await
            }
        };
        answer
            .and_then(|answer| self.check_output(check_reply(answer?)?))
            .inspect_err(|error| record_failure(&span, error))
    }

    /// Checks the length of an answer. The component's estimate may have been a bound, or
    /// false.
    fn check_output(&self, answer: String) -> Result<String, RunError> {
        let value = self.sandbox.limits().bytes(Limit::Output);
        if answer.len() as u64 > value {
            return Err(RunError::stopped(Limit::Output, value));
        }
        Ok(answer)
    }

    /// Sends the answer to `digits`, most significant digit first, and ends the channel with
    /// the result of the computation. Returns the grade of the number.
    ///
    /// # Errors
    ///
    /// The error that stopped it. The channel ends with the same error.
    pub async fn send_to(mut self, digits: Sender<Bytes>) -> Result<Grade, RunError> {
        let result = self.send(&digits).await;
        let result = self.meter().watch(result);
        // Release the place before the reader sees the end.
        drop(self);
        digits.end(&result.clone().map(|_| ()));
        result
    }

    /// [`Job::send_to`] for a caller that ends the channel.
    pub(crate) async fn send(&mut self, digits: &Sender<Bytes>) -> Result<Grade, RunError> {
        let short = self.cost.output_bytes.most();
        let short = short.is_some_and(|bytes| bytes <= REPLY_BYTES);
        let cap_bytes = self.sandbox.limits().bytes(Limit::Output);
        match &mut self.sandbox {
            JobSandbox::Full(sandbox) if !short => {
                let seed = match self.seed {
                    Some(seed) => seed,
                    None => random_seed()?,
                };
                let request = self.request;
                let span = request_span!(sandbox, "digits", request.kind, request.n);
                let deadline = Some(sandbox.deadline().clone());
                let streaming = sandbox.run(async |store, component| {
                    store
                        .run_concurrent(async |accessor| {
                            let component = component.cocoon_factorial_factorial();
                            match component.call_digits(accessor, request, seed).await? {
                                Ok((written, done)) => {
                                    let output = digits::Output {
                                        written,
                                        reader: digits,
                                        deadline,
                                        ends_when_closed: false,
                                    };
                                    digits::pour(accessor, vec![output], done, cap_bytes).await
                                }
                                Err(error) => Ok(Err(error)),
                            }
                        })
                        .await?
                });
                digits::while_read(pin!(streaming), slice::from_ref(digits))
                    .await
                    .and_then(|grade| check_grade(request.proved, grade))
                    .inspect_err(|error| record_failure(&span, error))
            }
            // Short answers.
            JobSandbox::Full(_) | JobSandbox::ReplyOnly(_) => {
                let answer = self.reply().await?;
                digits.send(answer.into()).await?;
                // A reply has no random checks, and no seed.
                Ok(Grade::Proved)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;
    use crate::machine::Machine;
    use crate::worlds::factorial::reply_world::ANSWERS_BEFORE;
    use crate::worlds::factorial::{BUNDLED, Factorial, Kind};

    #[tokio::test]
    async fn short_answers_use_the_reply_world_once_they_are_many() {
        let engine = Engine::new(&Limits::default(), &Machine::detect()).expect("an engine");
        let factorial = Factorial::load(&engine, &BUNDLED).await;
        let factorial = factorial.expect("the bundled component");
        let request = Request::decimal(Kind::Factorial, 20);
        // The first job computes its cost, in the sandbox that answers.
        for index in 0..ANSWERS_BEFORE + 3 {
            let mut job = factorial.admit(request).await.expect("a sandbox");
            let is_reply = matches!(job.sandbox, JobSandbox::ReplyOnly(_));
            assert_eq!(is_reply, index > ANSWERS_BEFORE, "{index}");
            let notation = job.notation().await;
            assert_eq!(notation.as_deref(), Ok("20!"));
            let answer = job.compute().await;
            assert_eq!(answer.as_deref(), Ok("2432902008176640000"));
        }
    }
}
