//! Fan-out: one request, the component's plan, many sandboxes, one result.
//!
//! Every step of the plan is a coroutine of its own, and a bounded channel leads
//! from each step to each of its readers. All of them are admitted at once and
//! start at once; each gives its place back when it ends. The whole lives as
//! long as its longest step and is bounded by one deadline. It fails with the
//! first step that fails, which stops the others, as does dropping it.
//!
//! A step is tried a second time, in a fresh sandbox in the same place, if it
//! went wrong by itself (it trapped, said that it failed, or never said how it
//! ended), reads from no other step, and has put out nothing yet: what others
//! have read can neither be taken back nor given again. What a limit stopped is
//! not tried again, since the limit would stop it again.
//!
//! Since channels are bounded, a component whose steps read one input after the
//! other must plan so that this never leaves two of them waiting for each other.
//! Where it does, the deadline ends it.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use crate::channel::{Broadcast, Receiver, Sender, channel};
use crate::error::RunError;
use crate::factorial::{Admitted, Estimate, Factorial, Grade, Part, Plan, Request, random_seed};
use crate::limits::{AUTO_PROCESSORS_MIN, FAN_OUT_MAX, PLAN_STEPS_PER_SANDBOX};
use crate::meter::Meter;
use crate::pool::Permit;
use crate::span::failed;

/// How many sandboxes may be at work on one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// As many as there are processors, if they are at least
    /// [`AUTO_PROCESSORS_MIN`], or one where more do not fit.
    Auto,
    /// Up to so many, from 1 to [`FAN_OUT_MAX`]. It is an error where they do
    /// not fit.
    UpTo(u32),
}

impl Width {
    /// The most sandboxes that one number takes.
    pub fn sandboxes_max(self) -> u64 {
        u64::from(self.sandboxes()) * u64::from(PLAN_STEPS_PER_SANDBOX)
    }

    fn sandboxes(self) -> u32 {
        match self {
            Self::Auto => match processors() {
                few if few < AUTO_PROCESSORS_MIN => 1,
                many => many,
            },
            Self::UpTo(sandboxes) => sandboxes.clamp(1, FAN_OUT_MAX),
        }
    }
}

/// How far a fan-out is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Steps that are done.
    pub done: usize,
    /// Steps of the whole.
    pub all: usize,
}

/// A request that has all its sandboxes.
pub struct FanOut {
    work: Work,
    progress: watch::Sender<Progress>,
    span: Span,
}

enum Work {
    One(Box<Admitted>),
    Many(Crew),
}

/// The places of a plan's steps.
struct Crew {
    factorial: Factorial,
    plan: Plan,
    permits: Vec<Permit>,
}

impl FanOut {
    /// Asks for a plan and waits for all that it needs. Where one step is
    /// planned, that is the ordinary way of a request.
    ///
    /// # Errors
    ///
    /// Where the request makes no sense, would exceed a limit, or finds no room.
    pub async fn admit(
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
        let work = find_room(factorial, request, width).instrument(span.clone());
        let work = work.await.inspect_err(|error| failed(&span, error))?;
        let all = match &work {
            Work::One(_) => 1,
            Work::Many(crew) => crew.permits.len(),
        };
        Ok(Self {
            work,
            progress: watch::Sender::new(Progress { done: 0, all }),
            span,
        })
    }

    /// What the component said that the request costs in one sandbox.
    pub fn cost(&self) -> &Estimate {
        match &self.work {
            Work::One(admitted) => admitted.cost(),
            Work::Many(crew) => crew.plan.cost(),
        }
    }

    /// How far it is, now and later.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Sends the answer to `digits`, most significant digit first, and ends the
    /// channel as the whole ended. `seed` is drawn where none is given.
    ///
    /// # Errors
    ///
    /// What stopped it, which the reader is told as well.
    pub async fn send_to(
        self,
        digits: Sender<Bytes>,
        seed: Option<u64>,
    ) -> Result<Grade, RunError> {
        let digits = Arc::new(Broadcast::from(digits));
        let meter = self.meter().clone();
        let span = self.span;
        let sent = async {
            let seed = seed.map_or_else(random_seed, Ok)?;
            match self.work {
                Work::One(admitted) => {
                    let mut admitted = Box::new(admitted.seeded(seed));
                    admitted.send(&digits).await
                }
                Work::Many(crew) => crew.send(seed, &digits, &self.progress).await,
            }
        }
        .instrument(span.clone())
        .await;
        digits.end(&sent.clone().map(|_| ()));
        sent.inspect_err(|error| {
            meter.ended_with(error);
            failed(&span, error);
        })
    }

    fn meter(&self) -> &Meter {
        match &self.work {
            Work::One(admitted) => admitted.meter(),
            Work::Many(crew) => crew.factorial.meter(),
        }
    }
}

async fn find_room(
    factorial: &Factorial,
    request: Request,
    width: Width,
) -> Result<Work, RunError> {
    let sandboxes = width.sandboxes();
    if sandboxes == 1 {
        let admitted = factorial.admit(request).await?;
        Ok(Work::One(Box::new(admitted)))
    } else {
        let plan = factorial.plan(request, sandboxes).await?;
        admit(factorial, request, plan, width).await
    }
}

async fn admit(
    factorial: &Factorial,
    request: Request,
    plan: Plan,
    width: Width,
) -> Result<Work, RunError> {
    let deadline = plan.deadline();
    if plan.steps().len() > 1 {
        match factorial.admit_steps(&plan).await {
            Ok(permits) => {
                let factorial = factorial.clone();
                return Ok(Work::Many(Crew {
                    factorial,
                    plan,
                    permits,
                }));
            }
            Err(RunError::TooLarge { .. }) if width == Width::Auto => {
                tracing::debug!(
                    "{} steps do not fit; one sandbox does it",
                    plan.steps().len()
                );
            }
            Err(error) => {
                factorial.meter().ended_with(&error);
                return Err(error);
            }
        }
    }
    let admitted = factorial.admit_until(request, deadline).await?;
    Ok(Work::One(Box::new(admitted)))
}

fn processors() -> u32 {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(processors).map_or(FAN_OUT_MAX, |processors| processors.min(FAN_OUT_MAX))
}

impl Crew {
    /// Runs all steps, the last of which writes to `digits`, to their end.
    async fn send(
        self,
        seed: u64,
        digits: &Arc<Broadcast<Bytes>>,
        progress: &watch::Sender<Progress>,
    ) -> Result<Grade, RunError> {
        let last = self.permits.len().saturating_sub(1);
        let wires = wires(&self.plan, digits);
        let mut running = JoinSet::new();
        for (index, (permit, wires)) in self.permits.into_iter().zip(wires).enumerate() {
            let factorial = self.factorial.clone();
            let part = self.plan.part(index, seed);
            let span = tracing::debug_span!(
                "step",
                cocoon.step = i64::from(part.index),
                error.type = Empty,
                otel.status_description = Empty,
            );
            let running_in = span.clone();
            let performed = async move {
                let Wires { inputs, outputs } = wires;
                let ended = step(&factorial, part, permit, inputs, &outputs).await;
                let ended = ended.inspect_err(|error| failed(&span, error));
                // The last step ends when the whole has.
                if index != last {
                    outputs.end(&ended.clone().map(|_| ()));
                }
                (index, ended)
            };
            running.spawn(performed.instrument(running_in));
        }
        let ended = join(&mut running, last, progress).await;
        // The places are back, and nobody computes any more, before it is told.
        running.shutdown().await;
        ended
    }
}

/// What one step reads, and what it writes to.
struct Wires {
    inputs: Vec<Receiver<Bytes>>,
    outputs: Arc<Broadcast<Bytes>>,
}

/// The channels of a plan, step by step.
fn wires(plan: &Plan, digits: &Arc<Broadcast<Bytes>>) -> Vec<Wires> {
    let mut writers: Vec<Vec<Sender<Bytes>>> = plan.steps().iter().map(|_| Vec::new()).collect();
    let mut readers = Vec::new();
    for step in plan.steps() {
        let mut inputs = Vec::new();
        for &input in &step.inputs {
            // A plan that reads a step that it does not have was refused.
            if let Some(writers) = writers.get_mut(input as usize) {
                let (sender, receiver) = channel();
                writers.push(sender);
                inputs.push(receiver);
            }
        }
        readers.push(inputs);
    }
    // Nobody in the plan reads the last one.
    writers.pop();
    let outputs = writers
        .into_iter()
        .map(|writers| Arc::new(Broadcast::new(writers)))
        .chain([Arc::clone(digits)]);
    let wires = readers.into_iter().zip(outputs);
    wires
        .map(|(inputs, outputs)| Wires { inputs, outputs })
        .collect()
}

/// Waits until all steps are done, or for the cause of the first failure.
async fn join(
    running: &mut JoinSet<(usize, Result<Grade, RunError>)>,
    last: usize,
    progress: &watch::Sender<Progress>,
) -> Result<Grade, RunError> {
    let mut answer = None;
    while let Some(joined) = running.join_next().await {
        match joined {
            Ok((index, Ok(grade))) if index == last => answer = Some(grade),
            Ok((_, Ok(_))) => {}
            // Its readers had enough of it, or they failed and will say so.
            Ok((index, Err(RunError::ReaderGone))) if index != last => {}
            // A step whose input broke off says so with the cause, and may say
            // it before the one that failed does.
            Ok((_, Err(error))) => return Err(error.cause()),
            Err(error) => return Err(RunError::Failed(error.to_string())),
        }
        progress.send_modify(|progress| progress.done += 1);
    }
    answer.ok_or(RunError::WriterGone)
}

/// Does one step, twice if need be and if it can be.
async fn step(
    factorial: &Factorial,
    part: Part,
    permit: Permit,
    inputs: Vec<Receiver<Bytes>>,
    outputs: &Broadcast<Bytes>,
) -> Result<Grade, RunError> {
    let can_begin_again = inputs.is_empty();
    let mut sandbox = factorial.sandbox_in(permit).await?;
    let ended = factorial
        .perform_in(&mut sandbox, part, inputs, outputs)
        .await;
    match ended {
        Err(error) if can_begin_again && !outputs.has_sent() && went_wrong_by_itself(&error) => {
            tracing::warn!("step {} is tried again: {error}", part.index);
            let mut fresh = factorial.sandbox_in(sandbox.into_permit()).await?;
            factorial
                .perform_in(&mut fresh, part, Vec::new(), outputs)
                .await
        }
        ended => ended,
    }
}

const fn went_wrong_by_itself(error: &RunError) -> bool {
    error.may_be_retried() || matches!(error, RunError::Trapped(_) | RunError::Failed(_))
}
