//! A request that has its sandbox, and the ways to its answer.
//!
//! It lives from admission until its last digit is produced, and holds its
//! sandbox, and with it the place in the pool, for as long.

use std::pin::pin;
use std::slice;

use bytes::Bytes;
use tracing::Span;

use super::bindings::{Estimate, FactorialWorld, Grade, Request};
use super::reply::Reply;
use super::{digits, held_to_proof, held_to_reply, random_seed, span};
use crate::channel::Sender;
use crate::deadline::Deadline;
use crate::error::RunError;
use crate::limits::{Limit, Limits, REPLY_BYTES};
use crate::meter::Meter;
use crate::sandbox::Sandbox;
use crate::span::failed;

/// A request that has its sandbox.
pub struct Admitted {
    sandbox: Place,
    request: Request,
    cost: Estimate,
    seed: Option<u64>,
}

/// A sandbox of the whole component, or of what answers in one piece.
pub(super) enum Place {
    Whole(Sandbox<FactorialWorld>),
    Reply(Reply),
}

impl Place {
    fn span(&self) -> &Span {
        match self {
            Self::Whole(sandbox) => sandbox.span(),
            Self::Reply(reply) => reply.sandbox.span(),
        }
    }

    fn meter(&self) -> &Meter {
        match self {
            Self::Whole(sandbox) => sandbox.meter(),
            Self::Reply(reply) => reply.sandbox.meter(),
        }
    }

    fn limits(&self) -> &Limits {
        match self {
            Self::Whole(sandbox) => sandbox.limits(),
            Self::Reply(reply) => reply.sandbox.limits(),
        }
    }
}

impl Admitted {
    pub(super) fn new(sandbox: Place, request: Request, cost: Estimate) -> Self {
        Self {
            sandbox,
            request,
            cost,
            seed: None,
        }
    }

    /// The seed of what is checked at random, instead of one that is drawn.
    #[must_use]
    pub fn seeded(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// What the component said that the request costs.
    pub fn cost(&self) -> &Estimate {
        &self.cost
    }

    pub(crate) fn meter(&self) -> &Meter {
        self.sandbox.meter()
    }

    /// When it must be done.
    pub(crate) fn deadline(&self) -> &Deadline {
        match &self.sandbox {
            Place::Whole(sandbox) => sandbox.deadline(),
            Place::Reply(reply) => reply.sandbox.deadline(),
        }
    }

    /// How the number is written down in mathematics, as `10!`.
    ///
    /// # Errors
    ///
    /// What stopped the sandbox.
    pub async fn notation(&mut self) -> Result<String, RunError> {
        let notation = self.ask_notation().await;
        notation.inspect_err(|error| self.meter().ended_with(error))
    }

    async fn ask_notation(&mut self) -> Result<String, RunError> {
        let Request { kind, n, .. } = self.request;
        let notation = match &mut self.sandbox {
            Place::Whole(sandbox) => {
                sandbox
                    .run(async |store, component| {
                        let component = component.cocoon_factorial_factorial();
                        component.call_notation(store, kind, n).await
                    })
                    .await
            }
            Place::Reply(reply) => {
                reply
                    .sandbox
                    .run(async |store, component| component.call_notation(store, kind, n).await)
                    .await
            }
        }??;
        held_to_reply(notation)
    }

    /// The answer in one piece, of at most [`REPLY_BYTES`].
    ///
    /// # Errors
    ///
    /// What stopped the sandbox, or [`RunError::OutOfReach`] for a longer one.
    pub async fn compute(mut self) -> Result<String, RunError> {
        let answer = self.reply().await;
        answer.inspect_err(|error| self.meter().ended_with(error))
    }

    async fn reply(&mut self) -> Result<String, RunError> {
        let Request { kind, n, .. } = self.request;
        let span = span!(self.sandbox, "compute", kind, n);
        let answer = self.ask_reply().await;
        answer.inspect_err(|error| failed(&span, error))
    }

    async fn ask_reply(&mut self) -> Result<String, RunError> {
        let request = self.request;
        let answer = match &mut self.sandbox {
            Place::Whole(sandbox) => {
                sandbox
                    .run(async |store, component| {
                        let component = component.cocoon_factorial_factorial();
                        component.call_compute(store, request).await
                    })
                    .await
            }
            Place::Reply(reply) => {
                reply
                    .sandbox
                    .run(async |store, component| component.call_compute(store, request).await)
                    .await
            }
        }??;
        let answer = held_to_reply(answer)?;
        let value = self.sandbox.limits().get(Limit::Output);
        // What it said of its length may have been a bound, or a lie.
        if answer.len() as u64 > value {
            let limit = Limit::Output;
            return Err(RunError::Stopped { limit, value });
        }
        Ok(answer)
    }

    /// Sends the answer to `digits`, most significant digit first, and ends the
    /// channel as the computation ended. Tells how the number was made sure of.
    ///
    /// # Errors
    ///
    /// What stopped it, which the reader is told as well.
    pub async fn send_to(mut self, digits: Sender<Bytes>) -> Result<Grade, RunError> {
        let sent = self.send(&digits).await;
        let sent = sent.inspect_err(|error| self.meter().ended_with(error));
        // The place is back before anybody hears of the end.
        drop(self);
        digits.end(&sent.clone().map(|_| ()));
        sent
    }

    /// As [`Admitted::send_to`], for whoever ends the channel.
    pub(crate) async fn send(&mut self, digits: &Sender<Bytes>) -> Result<Grade, RunError> {
        let short = self.cost.output_bytes.most();
        let short = short.is_some_and(|bytes| bytes <= REPLY_BYTES);
        let limits = self.sandbox.limits();
        let cap_bytes = limits.get(Limit::Output);
        match &mut self.sandbox {
            Place::Whole(sandbox) if !short => {
                let seed = match self.seed {
                    Some(seed) => seed,
                    None => random_seed()?,
                };
                let request = self.request;
                let span = span!(sandbox, "digits", request.kind, request.n);
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
                    .and_then(|grade| held_to_proof(request.proved, grade))
                    .inspect_err(|error| failed(&span, error))
            }
            // Only short answers come from the other one.
            Place::Whole(_) | Place::Reply(_) => {
                let answer = self.reply().await?;
                digits.send(answer.into()).await?;
                // A reply checks nothing at random: it is given no seed.
                Ok(Grade::Proved)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;
    use crate::factorial::reply::ANSWERS_BEFORE;
    use crate::factorial::{BUNDLED, Factorial, Kind};
    use crate::machine::Machine;

    #[tokio::test]
    async fn short_answers_come_from_the_shorter_component_once_they_are_many() {
        let engine = Engine::new(&Limits::default(), &Machine::detect()).expect("an engine");
        let factorial = Factorial::load(&engine, &BUNDLED).await;
        let factorial = factorial.expect("the bundled component");
        let request = Request::decimal(Kind::Factorial, 20);
        // The first one asks what it costs, in a sandbox that answers, too.
        for asked in 0..ANSWERS_BEFORE + 3 {
            let mut admitted = factorial.admit(request).await.expect("a sandbox");
            let is_reply = matches!(admitted.sandbox, Place::Reply(_));
            assert_eq!(is_reply, asked > ANSWERS_BEFORE, "{asked}");
            let notation = admitted.notation().await;
            assert_eq!(notation.as_deref(), Ok("20!"));
            let answer = admitted.compute().await;
            assert_eq!(answer.as_deref(), Ok("2432902008176640000"));
        }
    }
}
