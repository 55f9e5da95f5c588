//! The instances that this process runs itself.

use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::instance::{self, Programs};
use super::jobs::{Job, Jobs};
use super::lanes::Work;
use super::outcome::Outcome;
use super::report::Report;
use crate::cli::failure::Failure;
use crate::cli::trace;

/// A batch of this process.
pub(super) struct Batch {
    pub(super) programs: Programs,
    pub(super) report: Report,
    pub(super) jobs: Jobs,
}

impl Work for Batch {
    type Job = Job;
    type Done = Outcome;

    async fn next(&self) -> Result<Option<Job>, Failure> {
        // A line may never come. After the end, the next one may be the rest of one whose reading was
        // dropped.
        let end = &self.report.end;
        tokio::select! {
            biased;
            job = self.jobs.next() => if end.is_cancelled() { Ok(None) } else { job },
            () = end.cancelled() => Ok(None),
        }
    }

    async fn run(&self, job: Job) -> Result<Outcome, Failure> {
        let span = trace::instance(job.instance);
        let running = instance::run(&self.programs, &self.report, job);
        running.instrument(span).await
    }

    async fn finish(&self, outcome: Outcome) -> Result<(), Failure> {
        self.report.add(outcome).await
    }

    fn end(&self) -> &CancellationToken {
        &self.report.end
    }
}
