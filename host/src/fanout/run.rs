//! Fan-out: one request, the component's plan, many sandboxes, one result.
//!
//! Every part of the plan is a coroutine of its own, in a sandbox of its own, and
//! a bounded channel leads to it from each part that it reads. All of them are
//! admitted at once and start at once; each gives its place back when it ends. The
//! whole lives as long as its longest part and is bounded by one deadline. It fails
//! with the first part that fails, which stops the others, as does dropping it.
//!
//! A part is tried a second time, in a fresh sandbox in the same place, if it
//! went wrong by itself (it trapped, said that it failed, or never said how it
//! ended), and has neither read nor put out anything yet: what others have read
//! can neither be taken back nor given again. What a limit stopped is not tried
//! again, since the limit would stop it again.
//!
//! Every part runs on a thread of its own: the runtime's workers would first run
//! whom they wake, so that two parts that talk took turns on one of them.
//!
//! Since channels are bounded, a component must plan so that no two parts ever wait
//! for each other. Where they do, the deadline ends it.

use std::pin::pin;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::{AbortHandle, Abortable};
use futures::stream::FuturesUnordered;
use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use crate::channel::{ByteInlet, Inlet, Loan, Receiver, Sender, channel};
use crate::error::RunError;
use crate::factorial::{
    Admitted, Estimate, Factorial, FactorialWorld, Grade, Plan, Request, random_seed,
};
use crate::limits::FAN_OUT_MAX;
use crate::meter::Meter;
use crate::pool::Permit;
use crate::sandbox::Sandbox;
use crate::span::failed;

/// How many sandboxes may be at work on one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// As many as there are processors, or one where more do not fit.
    Auto,
    /// Up to so many, from 1 to [`FAN_OUT_MAX`]. It is an error where they do
    /// not fit.
    UpTo(u32),
}

impl Width {
    /// The most sandboxes that one number takes.
    pub fn sandboxes(self) -> u32 {
        match self {
            Self::Auto => processors(),
            Self::UpTo(sandboxes) => sandboxes.clamp(1, FAN_OUT_MAX),
        }
    }
}

/// How far a fan-out is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Parts whose work others read already.
    pub done: usize,
    /// Parts of the whole.
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

/// The places of a plan's parts.
struct Crew {
    factorial: Factorial,
    plan: Plan,
    permits: Vec<Permit>,
}

impl FanOut {
    /// Asks for a plan and waits for all that it needs. Where one part is
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
    if plan.parts().len() > 1 {
        match factorial.admit_parts(&plan).await {
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
                    "{} parts do not fit; one sandbox does it",
                    plan.parts().len()
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
    /// Runs all parts, the last of which writes to `digits`, to their end.
    async fn send(
        self,
        seed: u64,
        digits: &Sender<Bytes>,
        progress: &watch::Sender<Progress>,
    ) -> Result<Grade, RunError> {
        let last = self.permits.len().saturating_sub(1);
        let wires = wires(&self.plan, digits);
        let mut running = FuturesUnordered::new();
        let mut stop = Stop(Vec::new());
        let mut ended = Ok(());
        let spans = spans(&self.plan);
        for ((index, (permit, wires)), span) in
            self.permits.into_iter().zip(wires).enumerate().zip(spans)
        {
            let task = Task {
                factorial: self.factorial.clone(),
                plan: self.plan.clone(),
                index,
                seed,
                outputs: wires.outputs,
            };
            let performed = task.run(permit, wires.inputs, progress.clone(), span.clone());
            let (handle, registration) = AbortHandle::new_pair();
            stop.0.push(handle);
            let performed = Abortable::new(performed.instrument(span), registration);
            match on_a_thread(performed) {
                Ok(performed) => running.push(performed),
                Err(error) => {
                    ended = Err(error);
                    break;
                }
            }
        }
        let ended = match ended {
            Ok(()) => join(&mut running, last, digits).await,
            Err(error) => Err(error),
        };
        // The places are back, and nobody computes any more, before it is told.
        drop(stop);
        while running.next().await.is_some() {}
        ended
    }
}

/// Runs a part on a thread, until it is done or stopped. It has a runtime of its own,
/// since it may outlive the one that waits for it by a moment. That is made there: one
/// may not be dropped here, should there be no thread for it.
fn on_a_thread<T: Send + 'static>(
    part: Abortable<impl Future<Output = T> + Send + 'static>,
) -> Result<oneshot::Receiver<Option<T>>, RunError> {
    let (tell, told) = oneshot::channel();
    let run = move || {
        let runtime = Builder::new_current_thread().enable_time().build();
        if let Ok(runtime) = runtime {
            // Nobody may be waiting any more.
            let _ = tell.send(runtime.block_on(part).ok());
        }
    };
    let thread = std::thread::Builder::new().name("cocoon-part".to_owned());
    thread
        .spawn(run)
        .map_err(|error| RunError::Failed(format!("no thread for a part: {error}")))?;
    Ok(told)
}

/// Stops all parts when it is dropped.
struct Stop(Vec<AbortHandle>);

impl Drop for Stop {
    fn drop(&mut self) {
        for part in &self.0 {
            part.abort();
        }
    }
}

/// What one part reads, and what it writes to.
#[derive(Default)]
struct Wires {
    inputs: Vec<Receiver<Bytes>>,
    outputs: Vec<Sender<Bytes>>,
}

/// The channels of a plan, part by part.
fn wires(plan: &Plan, digits: &Sender<Bytes>) -> Vec<Wires> {
    let mut wires: Vec<Wires> = plan.parts().iter().map(|_| Wires::default()).collect();
    for (reader, part) in plan.parts().iter().enumerate() {
        for &writer in &part.inputs {
            // A plan that reads a part that it does not have was refused.
            if let Some(writer) = wires.get_mut(writer as usize) {
                let (sender, receiver) = channel();
                writer.outputs.push(sender);
                wires[reader].inputs.push(receiver);
            }
        }
    }
    if let Some(last) = wires.last_mut() {
        last.outputs.push(digits.clone());
    }
    wires
}

/// The spans of a plan's parts, each with links to those of the parts that it reads.
fn spans(plan: &Plan) -> Vec<Span> {
    let span = |index| {
        tracing::debug_span!(
            "part",
            cocoon.part = i64::try_from(index).unwrap_or(i64::MAX),
            error.type = Empty,
            otel.status_description = Empty,
        )
    };
    let spans: Vec<_> = (0..plan.parts().len()).map(span).collect();
    for (reader, part) in plan.parts().iter().enumerate() {
        for &writer in &part.inputs {
            if writer as usize != reader
                && let Some(writer) = spans.get(writer as usize)
            {
                spans[reader].follows_from(writer);
            }
        }
    }
    spans
}

/// How a part ended.
struct Ended {
    index: usize,
    grade: Result<Grade, RunError>,
    /// Whether a reader went away before it had all: what it did then is no cause.
    was_left: bool,
}

/// Waits until all parts are done, or for the cause of the first failure.
async fn join(
    running: &mut FuturesUnordered<oneshot::Receiver<Option<Ended>>>,
    last: usize,
    digits: &Sender<Bytes>,
) -> Result<Grade, RunError> {
    let mut answer = Err(RunError::WriterGone);
    let mut effect = None;
    while let Some(told) = running.next().await {
        // It panicked: nobody stops them yet.
        let Ok(Some(ended)) = told else {
            return Err(RunError::Failed("a part ended without a word".to_owned()));
        };
        match ended.grade {
            Ok(grade) if ended.index == last => answer = Ok(grade),
            Ok(_) => {}
            // Its readers had enough of it, or they failed and will say so.
            Err(RunError::ReaderGone) if ended.index != last => {}
            Err(RunError::ReaderGone) if !digits.has_reader() => {
                return Err(RunError::ReaderGone);
            }
            Err(error) if ended.was_left => effect = Some(error),
            // A part whose input broke off says so with the cause, and may say
            // it before the one that failed does.
            Err(error) => return Err(error.cause()),
        }
    }
    effect.map_or(answer, |error| Err(error.cause()))
}

/// One part, as it is to be done.
struct Task {
    factorial: Factorial,
    plan: Plan,
    index: usize,
    seed: u64,
    outputs: Vec<Sender<Bytes>>,
}

impl Task {
    /// Does it, and ends its outputs, but for the answer: that ends when the whole has.
    async fn run(
        self,
        permit: Permit,
        inputs: Vec<Receiver<Bytes>>,
        progress: watch::Sender<Progress>,
        span: Span,
    ) -> Ended {
        let grade = self.run_counted(permit, inputs, &progress).await;
        let is_last = self.plan.is_last(self.index);
        let was_left = self
            .outputs
            .iter()
            .any(|output| !output.has_reader() && !output.has_ended());
        match &grade {
            Err(RunError::ReaderGone) if !is_last => {}
            Err(error) => failed(&span, error),
            Ok(_) => {}
        }
        let between = self.outputs.len() - usize::from(is_last);
        for output in &self.outputs[..between] {
            output.end(&grade.clone().map(|_| ()));
        }
        Ended {
            index: self.index,
            grade,
            was_left,
        }
    }

    /// Does it, twice if need be and if it can be.
    async fn run_counted(
        &self,
        permit: Permit,
        inputs: Vec<Receiver<Bytes>>,
        progress: &watch::Sender<Progress>,
    ) -> Result<Grade, RunError> {
        let done = || progress.send_modify(|progress| progress.done += 1);
        let mut running = pin!(self.run_again(permit, inputs));
        let put_out = async {
            if let Some(output) = self.outputs.first() {
                output.first_sent().await;
            }
        };
        tokio::select! {
            ended = &mut running => {
                done();
                return ended;
            }
            () = put_out => done(),
        }
        running.await
    }

    async fn run_again(
        &self,
        permit: Permit,
        inputs: Vec<Receiver<Bytes>>,
    ) -> Result<Grade, RunError> {
        let mut sandbox = self.factorial.sandbox_in(permit).await?;
        let (inlets, loans): (Vec<_>, Vec<_>) = inputs.into_iter().map(Inlet::lent).unzip();
        let ended = self.perform_in(&mut sandbox, inlets).await;
        let error = match ended {
            Err(error) if went_wrong_by_itself(&error) && !self.was_heard() => error,
            ended => return ended,
        };
        // With the sandbox goes its hold on what it did not read.
        let permit = sandbox.into_permit();
        let Some(inputs) = loans
            .into_iter()
            .map(Loan::back)
            .collect::<Option<Vec<_>>>()
        else {
            return Err(error);
        };
        tracing::warn!("part {} is tried again: {error}", self.index);
        let mut fresh = self.factorial.sandbox_in(permit).await?;
        let inlets = inputs.into_iter().map(Inlet::bytes).collect();
        self.perform_in(&mut fresh, inlets).await
    }

    /// Whether a reader was told anything: that there is nothing, too.
    fn was_heard(&self) -> bool {
        let mut outputs = self.outputs.iter();
        outputs.any(|output| output.has_sent() || output.has_ended())
    }

    async fn perform_in(
        &self,
        sandbox: &mut Sandbox<FactorialWorld>,
        inputs: Vec<ByteInlet>,
    ) -> Result<Grade, RunError> {
        let (plan, outputs) = (&self.plan, &self.outputs);
        self.factorial
            .perform_in(sandbox, plan, self.index, self.seed, inputs, outputs)
            .await
    }
}

const fn went_wrong_by_itself(error: &RunError) -> bool {
    error.may_be_retried() || matches!(error, RunError::Trapped(_) | RunError::Failed(_))
}
