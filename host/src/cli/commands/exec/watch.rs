//! A batch as a person watches it: progress, signals and the summary at its end.

use std::pin::pin;

use cocoon::limits::INTERRUPT_PATIENCE;
use futures::FutureExt as _;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout, timeout_at};

use super::progress::{self, Progress};
use super::report::Report;
use super::summary;
use crate::cli::failure::Failure;
use crate::cli::signals::Signals;
use crate::cli::trace;

/// A batch that runs.
pub(in crate::cli::commands) struct Watch<'a> {
    pub(in crate::cli::commands) report: &'a Report,
    /// The number of instances. `None` if it is unknown.
    pub(in crate::cli::commands) all: Option<u64>,
    /// Returns the number of instances that have started.
    pub(in crate::cli::commands) started: &'a (dyn Fn() -> u64 + Sync),
    pub(in crate::cli::commands) has_progress: bool,
    pub(in crate::cli::commands) quiet: bool,
}

impl Watch<'_> {
    /// Waits until `running` ends, and prints the summary. The first signal ends all instances.
    ///
    /// # Errors
    ///
    /// The failure of `running` or of the instances.
    pub(in crate::cli::commands) async fn until_end(
        &self,
        signals: &mut Signals,
        running: impl Future<Output = Result<(), Failure>>,
    ) -> Result<(), Failure> {
        let Self { report, all, .. } = self;
        if let Some(all) = all {
            trace::instances(*all);
        }
        // Set by the first Ctrl-C.
        let mut give_up = None;
        let ended = {
            let (mut running, mut ticking) = (pin!(running), pin!(self.tick()));
            loop {
                tokio::select! {
                    biased;
                    () = signals.next() => {
                        if give_up.is_some() {
                            return Err(Failure::Interrupted);
                        }
                        report.end.cancel();
                        give_up = Some(Instant::now() + INTERRUPT_PATIENCE);
                    }
                    () = reached(give_up), if give_up.is_some() => break Ok(()),
                    ended = &mut running => break ended,
                    failure = &mut ticking, if !report.is_single => break Err(failure),
                }
            }
        };
        let mut finishing = pin!(report.printer.finish());
        if let Err(failure) = ended {
            // Instances that had ended left output.
            let _ = timeout(INTERRUPT_PATIENCE, finishing).await;
            return Err(failure);
        }
        if give_up.is_none() {
            tokio::select! {
                biased;
                () = signals.next() => give_up = Some(Instant::now() + INTERRUPT_PATIENCE),
                finished = &mut finishing => finished?,
            }
        }
        if let Some(give_up) = give_up {
            // Without a reader, the output waits forever.
            drop(timeout_at(give_up, finishing).await);
        }
        self.sum_up(give_up.is_some())
    }

    /// Pushes outputs and shows the progress, without end. It runs beside the batch and the signals,
    /// since it may wait for instances that write, or for a terminal that nobody reads.
    async fn tick(&self) -> Failure {
        let mut progress = Progress::new(self.all);
        let mut ticks = interval(progress::TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(failure) = self.show(&mut progress).await {
                return failure;
            }
        }
    }

    async fn show(&self, progress: &mut Progress) -> Result<(), Failure> {
        // Where a reader is slow, there is no need.
        if let Some(pushed) = self.report.printer.push().now_or_never() {
            pushed?;
        }
        if !self.has_progress {
            return Ok(());
        }
        let (now, started) = (Instant::now().into_std(), (self.started)());
        let (done, failed) = {
            let summary = &self.report.results.ended().summary;
            (summary.done(), summary.failed())
        };
        let line = progress.line(now, started, done, failed);
        self.report.printer.show_progress(&line).await
    }

    fn sum_up(&self, was_interrupted: bool) -> Result<(), Failure> {
        let started = (self.started)();
        if self.all.is_none() {
            trace::instances(started);
        }
        let ended = self.report.results.ended();
        if self.report.is_single {
            return match &ended.last {
                Some(outcome) if !was_interrupted => summary::result_of_one(outcome),
                _ => Err(Failure::Interrupted),
            };
        }
        if !self.quiet {
            ended.summary.say(started, self.all);
        }
        match (ended.summary.result(), was_interrupted) {
            (result, false) => result,
            (Ok(()), true) => Err(Failure::Interrupted),
            (Err(failure), true) => Err(Failure::InterruptedAfter(failure.to_string())),
        }
    }
}

async fn reached(instant: Option<Instant>) {
    if let Some(instant) = instant {
        sleep_until(instant).await;
    }
}
