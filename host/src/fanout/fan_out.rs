//! One request in several sandboxes, or in one where that is better.

use bytes::Bytes;
use tokio::sync::watch;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use super::run::Parts;
use super::{Plan, Progress};
use crate::channel::Sender;
use crate::error::RunError;
use crate::limits::FAN_OUT_MAX;
use crate::machine::processors;
use crate::metrics::Meter;
use crate::span::record_failure;
use crate::worlds::factorial::{Estimate, Factorial, Grade, Job, Request, random_seed};

/// The number of sandboxes that compute one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// One for each processor, or a single one where more do not fit.
    Auto,
    /// Up to this number, from 1 to [`FAN_OUT_MAX`]. It is an error if they do not fit.
    UpTo(u32),
}

impl Width {
    /// The most sandboxes for one number.
    pub fn sandboxes(self) -> u32 {
        match self {
            Self::Auto => u32::try_from(processors())
                .map_or(FAN_OUT_MAX, |processors| processors.min(FAN_OUT_MAX)),
            Self::UpTo(sandboxes) => sandboxes.clamp(1, FAN_OUT_MAX),
        }
    }

    /// Whether a single sandbox may do, where several were refused with `error`.
    pub fn may_narrow(self, error: &RunError) -> bool {
        self == Self::Auto && self.sandboxes() > 1 && matches!(error, RunError::TooLarge { .. })
    }
}

/// A request with all its sandboxes.
pub struct FanOut {
    work: Work,
    progress: watch::Sender<Progress>,
    span: Span,
}

enum Work {
    One(Box<Job>),
    Many(Parts),
}

impl FanOut {
    /// Asks the component for a plan and reserves the places of its parts. A plan of one part
    /// is an ordinary job.
    ///
    /// # Errors
    ///
    /// Where the request is invalid, would exceed a limit, or finds no room.
    pub async fn prepare(
        factorial: &Factorial,
        request: Request,
        width: Width,
    ) -> Result<Self, RunError> {
        let span = tracing::debug_span!(
            "fan_out",
            cocoon.kind = %request.kind,
            cocoon.n = %request.n,
            error.type = Empty,
            otel.status_description = Empty,
        );
        let work = Work::prepare(factorial, request, width).instrument(span.clone());
        let work = work
            .await
            .inspect_err(|error| record_failure(&span, error))?;
        let all = match &work {
            Work::One(_) => 1,
            Work::Many(parts) => parts.len(),
        };
        Ok(Self {
            work,
            progress: watch::Sender::new(Progress { done: 0, all }),
            span,
        })
    }

    /// The component's estimate of the cost in one sandbox.
    pub fn cost(&self) -> &Estimate {
        match &self.work {
            Work::One(job) => job.cost(),
            Work::Many(parts) => parts.plan().cost(),
        }
    }

    /// The progress, now and later.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Sends the answer to `digits`, most significant digit first, and ends the channel with
    /// the result of the whole. Without `seed`, the seed of random checks is drawn.
    ///
    /// # Errors
    ///
    /// The error that stopped it. The channel ends with the same error.
    pub async fn send_to(
        self,
        digits: Sender<Bytes>,
        seed: Option<u64>,
    ) -> Result<Grade, RunError> {
        let meter = self.meter().clone();
        let span = self.span;
        let result = async {
            let seed = seed.map_or_else(random_seed, Ok)?;
            match self.work {
                Work::One(job) => {
                    let mut job = Box::new(job.with_seed(seed));
                    job.send(&digits).await
                }
                Work::Many(parts) => parts.send(seed, &digits, &self.progress).await,
            }
        }
        .instrument(span.clone())
        .await;
        digits.end(&result.clone().map(|_| ()));
        meter
            .watch(result)
            .inspect_err(|error| record_failure(&span, error))
    }

    fn meter(&self) -> &Meter {
        match &self.work {
            Work::One(job) => job.meter(),
            Work::Many(parts) => parts.plan().factorial().meter(),
        }
    }
}

impl Work {
    async fn prepare(
        factorial: &Factorial,
        request: Request,
        width: Width,
    ) -> Result<Self, RunError> {
        let sandboxes = width.sandboxes();
        if sandboxes == 1 {
            let job = factorial.admit(request).await?;
            return Ok(Self::One(Box::new(job)));
        }
        let plan = Plan::make(factorial, request, sandboxes).await?;
        let deadline = plan.deadline().clone();
        if plan.parts().len() > 1 {
            match plan.reserve().await {
                Ok(permits) => return Ok(Self::Many(Parts::new(plan, permits))),
                Err(error) if width.may_narrow(&error) => {
                    tracing::debug!(parts = plan.parts().len(), %error, "parts refused");
                }
                error => {
                    factorial.meter().watch(error)?;
                }
            }
        }
        let job = factorial.admit_until(request, &deadline).await?;
        Ok(Self::One(Box::new(job)))
    }
}
