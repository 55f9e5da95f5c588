//! Lanes: the tasks that run the jobs, each one job after the other.
//!
//! There is a lane for each processor, so programs that never wait cost no task and wake no thread. A
//! lane whose program has to wait opens another one, and closes after its job if there are enough.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use cocoon::RunError;
use cocoon::machine::processors;
use cocoon::span::spawn;
use tokio::sync::mpsc;
use tokio::task::coop::unconstrained;
use tokio_util::sync::CancellationToken;

use crate::cli::failure::Failure;

/// The jobs of lanes.
pub(in crate::cli::commands) trait Work: Send + Sync + 'static {
    /// One of them.
    type Job: Send;
    /// Its result.
    type Done: Send;

    /// Makes the next job, or returns `None` after the last one or soon after the end.
    fn next(&self) -> impl Future<Output = Result<Option<Self::Job>, Failure>> + Send;

    /// Runs a job.
    fn run(&self, job: Self::Job) -> impl Future<Output = Result<Self::Done, Failure>> + Send;

    /// Reports the result of a job. The lane waits for it, and no other one is opened meanwhile.
    fn finish(&self, done: Self::Done) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Cancelled when no job is to begin any more.
    fn end(&self) -> &CancellationToken;
}

/// The parts that all lanes share.
struct Lanes<W> {
    work: Arc<W>,
    open: Mutex<Open>,
    /// Busy lanes that there should be.
    processors: usize,
    /// Instances that may run at once.
    instances_max: usize,
    /// Ends the command. It is dropped with the last lane.
    failed: mpsc::Sender<Failure>,
}

/// The number of open lanes.
#[derive(Default)]
struct Open {
    all: usize,
    /// Those whose program has not waited yet.
    busy: usize,
}

/// Runs the jobs, `instances_max` at once, and returns when all have ended. The lanes of a dropped
/// future end as well.
///
/// # Errors
///
/// The first failure of this command's own, which ends all instances.
pub(in crate::cli::commands) async fn run<W: Work>(
    work: Arc<W>,
    instances_max: usize,
) -> Result<(), Failure> {
    let _end = work.end().clone().drop_guard();
    let (failed, mut failures) = mpsc::channel(1);
    let lanes = Lanes {
        work,
        open: Mutex::default(),
        processors: processors(),
        instances_max,
        failed,
    };
    Arc::new(lanes).open();
    match failures.recv().await {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

impl<W: Work> Lanes<W> {
    /// Opens lanes until each processor has a busy one.
    fn open(self: &Arc<Self>) {
        self.count(|open| {
            while open.busy < self.processors && open.all < self.instances_max {
                open.all += 1;
                open.busy += 1;
                // It ends with the last job, or with the batch.
                drop(spawn(Lane(Arc::clone(self)).run()));
            }
        });
    }

    fn count<R>(&self, count: impl FnOnce(&mut Open) -> R) -> R {
        count(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn next(&self) -> Result<Option<W::Job>, Failure> {
        if self.work.end().is_cancelled() {
            return Ok(None);
        }
        self.work.next().await
    }
}

/// One lane.
struct Lane<W: Work>(Arc<Lanes<W>>);

impl<W: Work> Lane<W> {
    async fn run(self) {
        if let Err(failure) = self.run_jobs().await {
            // An earlier failure may be there.
            let _ = self.0.failed.try_send(failure);
        }
    }

    async fn run_jobs(&self) -> Result<(), Failure> {
        let lanes = &self.0;
        while let Some(job) = lanes.next().await? {
            // A program yields at each tick. Without that, it would also do so in the middle of its
            // output, for the sake of tasks that share its thread.
            let running = pin!(lanes.work.run(job));
            let mut running = pin!(unconstrained(running));
            let mut has_waited = false;
            let ended = poll_fn(|context| {
                let polled = running.as_mut().poll(context);
                if polled.is_pending() && !has_waited {
                    has_waited = true;
                    lanes.count(|open| open.busy -= 1);
                    lanes.open();
                }
                polled
            });
            let done = ended.await?;
            lanes.work.finish(done).await?;
            if has_waited && !self.stays() {
                break;
            }
        }
        Ok(())
    }

    /// Whether this lane, whose job has waited, takes another one. Otherwise it is closed.
    fn stays(&self) -> bool {
        self.0.count(|open| {
            let stays = open.busy < self.0.processors;
            if stays {
                open.busy += 1;
            } else {
                open.all -= 1;
            }
            stays
        })
    }
}

impl<W: Work> Drop for Lane<W> {
    fn drop(&mut self) {
        if thread::panicking() {
            // An earlier failure may be there.
            let _ = self.0.failed.try_send(Failure::Run(RunError::WriterGone));
        }
    }
}
