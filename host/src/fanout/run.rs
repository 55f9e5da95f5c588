//! The parts of a plan while they run.

use std::pin::pin;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::{AbortHandle, Abortable};
use futures::stream::FuturesUnordered;
use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use super::channels::connect;
use super::{Plan, Progress};
use crate::channel::{ByteInlet, Inlet, Loan, Receiver, Sender};
use crate::error::RunError;
use crate::pool::Permit;
use crate::sandbox::Sandbox;
use crate::span::record_failure;
use crate::worlds::factorial::{FactorialWorld, Grade};

/// The parts of a plan, each with its place.
pub(super) struct Parts {
    plan: Plan,
    permits: Vec<Permit>,
}

impl Parts {
    pub(super) fn new(plan: Plan, permits: Vec<Permit>) -> Self {
        Self { plan, permits }
    }

    pub(super) fn len(&self) -> usize {
        self.permits.len()
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Runs all parts to their end. The last one writes to `digits`.
    pub(super) async fn send(
        self,
        seed: u64,
        digits: &Sender<Bytes>,
        progress: &watch::Sender<Progress>,
    ) -> Result<Grade, RunError> {
        let last = self.permits.len().saturating_sub(1);
        let channels = connect(&self.plan, digits);
        let mut running = FuturesUnordered::new();
        let mut handles = AbortOnDrop(Vec::new());
        let mut started = Ok(());
        let spans = spans(&self.plan);
        for ((index, (permit, channels)), span) in self
            .permits
            .into_iter()
            .zip(channels)
            .enumerate()
            .zip(spans)
        {
            let part = PartRun {
                plan: self.plan.clone(),
                index,
                seed,
                outputs: channels.outputs,
            };
            let running_part = part.run(permit, channels.inputs, progress.clone(), span.clone());
            let (handle, registration) = AbortHandle::new_pair();
            handles.0.push(handle);
            let running_part = Abortable::new(running_part.instrument(span), registration);
            match run_on_thread(running_part) {
                Ok(outcome) => running.push(outcome),
                Err(error) => {
                    started = Err(error);
                    break;
                }
            }
        }
        let result = match started {
            Ok(()) => join(&mut running, last, digits).await,
            Err(error) => Err(error),
        };
        // All parts have stopped and released their places before the caller sees the result.
        drop(handles);
        while running.next().await.is_some() {}
        result
    }
}

/// Runs a part on a thread until it ends or is aborted.
///
/// The thread has a runtime of its own, since it may outlive the caller's by a moment. It makes
/// that runtime itself: if no thread starts, a runtime could not be dropped here.
fn run_on_thread<T: Send + 'static>(
    part: Abortable<impl Future<Output = T> + Send + 'static>,
) -> Result<oneshot::Receiver<Option<T>>, RunError> {
    let (sender, outcome) = oneshot::channel();
    let run = move || {
        let runtime = Builder::new_current_thread().enable_time().build();
        if let Ok(runtime) = runtime {
            // The receiver may be gone.
            let _ = sender.send(runtime.block_on(part).ok());
        }
    };
    let thread = std::thread::Builder::new().name("cocoon-part".to_owned());
    thread
        .spawn(run)
        .map_err(|error| RunError::Failed(format!("cannot start a thread for a part: {error}")))?;
    Ok(outcome)
}

/// Aborts all parts when it is dropped.
struct AbortOnDrop(Vec<AbortHandle>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        for part in &self.0 {
            part.abort();
        }
    }
}

/// The spans of a plan's parts, with links to the spans of their inputs.
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

/// The end of a part.
struct PartOutcome {
    index: usize,
    result: Result<Grade, RunError>,
    /// Whether a reader left before the end. Then the part's own error is no cause.
    was_left: bool,
}

/// Waits for all parts, or for the cause of the first failure.
async fn join(
    running: &mut FuturesUnordered<oneshot::Receiver<Option<PartOutcome>>>,
    last: usize,
    digits: &Sender<Bytes>,
) -> Result<Grade, RunError> {
    let mut answer = Err(RunError::WriterGone);
    let mut effect = None;
    while let Some(outcome) = running.next().await {
        // None was aborted yet, so this one panicked.
        let Ok(Some(outcome)) = outcome else {
            return Err(RunError::Failed(
                "expected the result of a part, got a panic".to_owned(),
            ));
        };
        match outcome.result {
            Ok(grade) if outcome.index == last => answer = Ok(grade),
            Ok(_) => {}
            // Its readers need no more, or have failed and report that themselves.
            Err(RunError::ReaderGone) if outcome.index != last => {}
            Err(RunError::ReaderGone) if !digits.has_reader() => {
                return Err(RunError::ReaderGone);
            }
            Err(error) if outcome.was_left => effect = Some(error),
            // A part whose input broke off reports the cause, perhaps before the failed part
            // does.
            Err(error) => return Err(error.cause()),
        }
    }
    effect.map_or(answer, |error| Err(error.cause()))
}

/// One part that runs.
struct PartRun {
    plan: Plan,
    index: usize,
    seed: u64,
    outputs: Vec<Sender<Bytes>>,
}

impl PartRun {
    /// Runs the part and ends its outputs, except the number: its channel ends with the whole.
    async fn run(
        self,
        permit: Permit,
        inputs: Vec<Receiver<Bytes>>,
        progress: watch::Sender<Progress>,
        span: Span,
    ) -> PartOutcome {
        let result = self.run_with_progress(permit, inputs, &progress).await;
        let is_last = self.plan.is_last(self.index);
        let was_left = self
            .outputs
            .iter()
            .any(|output| !output.has_reader() && !output.has_ended());
        match &result {
            Err(RunError::ReaderGone) if !is_last => {}
            Err(error) => record_failure(&span, error),
            Ok(_) => {}
        }
        let between = self.outputs.len() - usize::from(is_last);
        for output in &self.outputs[..between] {
            output.end(&result.clone().map(|_| ()));
        }
        PartOutcome {
            index: self.index,
            result,
            was_left,
        }
    }

    /// Runs the part, and counts it in `progress` at its first output or at its end.
    async fn run_with_progress(
        &self,
        permit: Permit,
        inputs: Vec<Receiver<Bytes>>,
        progress: &watch::Sender<Progress>,
    ) -> Result<Grade, RunError> {
        let count = || progress.send_modify(|progress| progress.done += 1);
        let mut running = pin!(self.run_with_retry(permit, inputs));
        let first_output = async {
            if let Some(output) = self.outputs.first() {
                output.first_sent().await;
            }
        };
        tokio::select! {
            result = &mut running => {
                count();
                return result;
            }
            () = first_output => count(),
        }
        running.await
    }

    async fn run_with_retry(
        &self,
        permit: Permit,
        inputs: Vec<Receiver<Bytes>>,
    ) -> Result<Grade, RunError> {
        let factorial = self.plan.factorial();
        let mut sandbox = factorial.sandbox_in(permit).await?;
        let (inlets, loans): (Vec<_>, Vec<_>) = inputs.into_iter().map(Inlet::lend).unzip();
        let error = match self.perform(&mut sandbox, inlets).await {
            Err(error) if error.is_worth_a_fresh_sandbox() && !self.has_output() => error,
            result => return result,
        };
        // Dropping the sandbox returns the inputs that it did not read.
        let permit = sandbox.into_permit();
        let Some(inputs) = loans
            .into_iter()
            .map(Loan::reclaim)
            .collect::<Option<Vec<_>>>()
        else {
            return Err(error);
        };
        tracing::warn!(part = self.index, %error, "part retried");
        let mut fresh = factorial.sandbox_in(permit).await?;
        let inlets = inputs.into_iter().map(Inlet::bytes).collect();
        self.perform(&mut fresh, inlets).await
    }

    /// Whether a reader has received anything, even an empty stream's end.
    fn has_output(&self) -> bool {
        let mut outputs = self.outputs.iter();
        outputs.any(|output| output.has_sent() || output.has_ended())
    }

    async fn perform(
        &self,
        sandbox: &mut Sandbox<FactorialWorld>,
        inputs: Vec<ByteInlet>,
    ) -> Result<Grade, RunError> {
        let call = self.plan.call(self.index, self.seed);
        let factorial = self.plan.factorial();
        factorial
            .perform(sandbox, call, inputs, &self.outputs)
            .await
    }
}
