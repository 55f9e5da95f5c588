//! The instances of the ranges that a worker leases, as the jobs of its lanes.
//!
//! A range is leased when the one before has begun all its instances, so a worker holds few that it
//! cannot run. A range whose lease was lost runs one instance after the other: one of them may kill
//! its workers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use cocoon::RunError;
use cocoon::limits::{
    Limit, QUEUE_ANSWER, QUEUE_OUTBOX_BYTES, QUEUE_PAUSE, QUEUE_RANGE_INSTANCES, QUEUE_REFUSALS,
    QUEUE_WAIT,
};
use cocoon::queue::{Held, Instance, Line as Sent, Queue, Range, Taken};
use cocoon::span::spawn;
use cocoon::telemetry::{WorkerMetrics, continue_fields};
use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use super::kept::{Kept, Output};
use super::lease::{Finished, Lease, Leases, Waiting};
use super::publisher::{Publisher, RESULT_BYTES, failed, has_room, record};
use super::ready::{Preparation, Shelf, Unready};
use crate::cli::commands::exec::instance::run_attempts;
use crate::cli::commands::exec::jobs::Job as Start;
use crate::cli::commands::exec::lanes::Work;
use crate::cli::commands::exec::lines::Line;
use crate::cli::commands::exec::outcome::{Ending, Outcome};
use crate::cli::failure::Failure;
use crate::cli::trace;

/// The parts that all lanes and publishers of a worker share.
pub(super) struct Ranges {
    pub(super) queue: Arc<Queue>,
    /// The worker's own number.
    pub(super) worker: String,
    pub(super) preparation: Preparation,
    pub(super) leases: Arc<Leases>,
    pub(super) metrics: WorkerMetrics,
    /// Cancelled by the first signal: no instance begins after it.
    pub(super) draining: CancellationToken,
    /// Cancelled when the worker ends.
    pub(super) end: CancellationToken,
    publishers: TaskTracker,
    /// Bytes of outputs that wait to be published.
    outbox: Arc<Semaphore>,
    current: Mutex<Current>,
}

/// The range whose instances begin.
#[derive(Default)]
struct Current {
    shelf: Shelf,
    lease: Option<Arc<Lease>>,
    /// Indices of its instances that are to begin, with their lines.
    rest: VecDeque<(usize, Option<Sent>)>,
    /// The batch of another protocol, or the rubbish, that was reported last.
    reported: Option<String>,
    /// Uids of batches that this worker refused, the latest last.
    refused: VecDeque<String>,
}

/// Instances of a range.
pub(super) enum Job {
    /// One of them.
    One(Arc<Lease>, usize, Option<Sent>),
    /// One after the other, of which the first is given up if that is `true`.
    Serial(Arc<Lease>, VecDeque<(usize, Option<Sent>)>, bool),
}

/// The results of a job.
pub(super) enum Done {
    /// One.
    One(Box<(Arc<Lease>, Outcome, Kept)>),
    /// They are published, or another worker runs the instances.
    Nothing,
}

impl Ranges {
    pub(super) fn new(
        queue: Arc<Queue>,
        worker: String,
        preparation: Preparation,
        metrics: WorkerMetrics,
    ) -> Self {
        Self {
            queue,
            worker,
            preparation,
            leases: Arc::default(),
            metrics,
            draining: CancellationToken::new(),
            end: CancellationToken::new(),
            publishers: TaskTracker::new(),
            outbox: Arc::new(Semaphore::new(QUEUE_OUTBOX_BYTES)),
            current: Mutex::default(),
        }
    }

    /// Leases the next range, or waits for one for a while or until the worker drains. A lease that may
    /// be on its way then is waited for, for [`QUEUE_WAIT`], and returned: no other worker can do that.
    async fn take(&self, current: &mut Current) -> Result<Option<Job>, Failure> {
        let has_room = has_room(&self.outbox);
        let known = current.shelf.uids();
        let refused: Vec<_> = current.refused.iter().map(String::as_str).collect();
        let refused = refused.join(",");
        let taking = self.queue.take(&self.worker, !has_room, &known, &refused);
        let Some(taken) = self.until_drained(taking, QUEUE_WAIT).await else {
            return Ok(None);
        };
        match taken? {
            Taken::Range(range) if self.draining.is_cancelled() => {
                self.queue.release(&range.held).await?;
                Ok(None)
            }
            Taken::Range(range) => self.begin(current, *range).await,
            Taken::Nothing { wake, foreign } => {
                if foreign.is_some() && foreign != current.reported {
                    let batch = foreign.clone().unwrap_or_default();
                    tracing::warn!(batch, "batch of another version of cocoon left alone");
                    current.reported = foreign;
                }
                let waiting = async {
                    if has_room {
                        self.queue.wait_for_work(&wake).await
                    } else {
                        sleep(QUEUE_PAUSE).await;
                        Ok(())
                    }
                };
                let waited = self.until_drained(waiting, Duration::ZERO).await;
                waited.transpose()?;
                Ok(None)
            }
        }
    }

    /// Waits for `future`, for `patience` at most once the worker drains. Returns `None` after that.
    async fn until_drained<F: Future>(&self, future: F, patience: Duration) -> Option<F::Output> {
        let drained = async {
            self.draining.cancelled().await;
            sleep(patience).await;
        };
        tokio::select! {
            biased;
            output = future => Some(output),
            () = drained => None,
        }
    }

    /// Makes a leased range the current one, or returns it as a job if it is to run alone. It goes back
    /// to the queue if the worker drains before it is ready.
    async fn begin(&self, current: &mut Current, range: Range) -> Result<Option<Job>, Failure> {
        let lost = CancellationToken::new();
        let stop = lost.child_token();
        let held = range.held.clone();
        // Preparing may take longer than the lease, whose length is not known yet.
        self.leases.add(&held, 0, &lost, &stop);
        let ready = current.shelf.get(&self.queue, &self.preparation, &range);
        let ready = match self.until_drained(ready, Duration::ZERO).await {
            Some(Ok(ready)) => ready,
            None => {
                self.leases.remove(&held);
                self.queue.release(&held).await?;
                return Ok(None);
            }
            Some(Err(unready)) => {
                self.leases.remove(&held);
                self.turn_down(current, &held, range.uid, unready).await?;
                return Ok(None);
            }
        };
        self.leases.add(&held, ready.batch.lease_ms, &lost, &stop);
        if range.was_lost {
            self.metrics.redeliveries.inc();
        }
        let span = tracing::debug_span!(
            parent: None,
            "range",
            otel.name = "cocoon range",
            cocoon.batch = held.batch,
            cocoon.first = held.first.cast_signed(),
            cocoon.instances = (range.done.len() as u64).cast_signed(),
            cocoon.attempt = held.attempt.cast_signed(),
            error.type = Empty,
            otel.status_description = Empty,
        );
        continue_fields(&span, &ready.batch.trace);
        let (results, received) =
            mpsc::channel(usize::try_from(QUEUE_RANGE_INSTANCES).unwrap_or(1));
        let lease = Arc::new(Lease {
            held,
            ready,
            lost,
            stop,
            results,
            span,
        });
        self.publish(&lease, received, range.age_ms);
        let mut lines = range.lines.into_iter();
        let all = range.done.iter().enumerate();
        let all = all.map(|(index, is_done)| (index, lines.next(), *is_done));
        let rest: VecDeque<_> = all
            .filter(|(_, _, is_done)| !is_done)
            .map(|(index, line, _)| (index, line))
            .collect();
        if range.was_lost {
            let gives_up = range.tries > u64::from(lease.ready.batch.attempts);
            return Ok(Some(Job::Serial(lease, rest, gives_up)));
        }
        current.lease = Some(lease);
        current.rest = rest;
        Ok(None)
    }

    /// Leaves a batch to other workers, or ends it if none of them can run it.
    async fn turn_down(
        &self,
        current: &mut Current,
        held: &Held,
        uid: String,
        unready: Unready,
    ) -> Result<(), Failure> {
        match unready {
            // A batch that comes again has no uid of ours.
            Unready::Refused(reason) if !current.refused.contains(&uid) => {
                tracing::warn!(batch = held.batch, reason, "batch refused");
                self.queue.refuse(held, &uid, &reason).await?;
                if current.refused.len() >= QUEUE_REFUSALS {
                    current.refused.pop_front();
                }
                current.refused.push_back(uid);
            }
            Unready::Refused(reason) => {
                self.queue.cancel(&held.batch, &uid, &reason).await?;
            }
            Unready::Broken(failure) => {
                let reason = failure.to_string();
                tracing::warn!(batch = held.batch, reason, "batch cancelled");
                self.queue.cancel(&held.batch, &uid, &reason).await?;
            }
        }
        Ok(())
    }

    /// Starts the publisher of a range.
    fn publish(&self, lease: &Lease, received: mpsc::Receiver<Finished>, age_ms: u64) {
        let (queue, leases) = (Arc::clone(&self.queue), Arc::clone(&self.leases));
        let (held, lost, metrics) = (lease.held.clone(), lease.lost.clone(), self.metrics.clone());
        let is_ordered = lease.ready.batch.ordered;
        let now = Instant::now();
        let submitted = now
            .checked_sub(Duration::from_millis(age_ms))
            .unwrap_or(now);
        let token = self.publishers.token();
        let outbox = Arc::clone(&self.outbox);
        metrics.leased_ranges.inc();
        let publishing = async move {
            let _token = token;
            let publisher = Publisher {
                queue: &queue,
                held: &held,
                lost: &lost,
                is_ordered,
                metrics: &metrics,
                submitted,
                outbox: &outbox,
            };
            if let Err(failure) = publisher.run(received).await {
                tracing::error!(batch = held.batch, error = %failure, "results not published");
                lost.cancel();
            }
            leases.remove(&held);
            metrics.leased_ranges.dec();
        };
        drop(spawn(publishing.instrument(lease.span.clone())));
    }

    /// Returns what has not begun to the queue, and waits until the results are published. The lanes
    /// have `ended`, which is the result unless closing fails.
    pub(super) async fn close(&self, ended: Result<(), Failure>) -> Result<(), Failure> {
        self.draining.cancel();
        let closing = async {
            self.hand_back(&mut *self.current.lock().await).await?;
            self.publishers.close();
            self.publishers.wait().await;
            Ok(())
        };
        match ended {
            Ok(()) => closing.await,
            Err(failure) => {
                // Other instances end with the command.
                self.leases.end();
                // The first failure says more than a later one.
                let _ = timeout(QUEUE_ANSWER, closing).await;
                Err(failure)
            }
        }
    }

    /// Returns what has not begun to the queue.
    async fn hand_back(&self, current: &mut Current) -> Result<(), Failure> {
        let rest: Vec<_> = current.rest.drain(..).map(|(index, _)| index).collect();
        if let Some(lease) = current.lease.take()
            && !rest.is_empty()
            && !lease.ready.batch.ordered
        {
            // A range of an ordered batch is handed back whole, when the rest has ended.
            self.queue.hand_back(&lease.held, &rest).await?;
        }
        Ok(())
    }

    async fn run_one(
        &self,
        lease: &Lease,
        index: usize,
        line: Option<Sent>,
    ) -> Result<Option<(Outcome, Kept)>, Failure> {
        let number = lease.held.first + index as u64;
        let line = line.map(|line| {
            Line::new(match line {
                Sent::Bytes(bytes) => Ok(bytes),
                Sent::TooLong { bytes_max, bytes } => Err(RunError::TooLarge {
                    limit: Limit::Input,
                    value: bytes_max,
                    needed: bytes,
                    needs: " in the line".into(),
                }),
            })
        });
        let mut start = Start {
            instance: number,
            line,
            turn: None,
        };
        let span = lease.span.in_scope(|| trace::instance(number));
        let programs = &lease.ready.programs;
        let running = run_attempts(programs, &mut start, &lease.stop, || Ok(Kept::default()));
        let (mut outcome, kept) = running.instrument(span).await?;
        if let Ending::Error(RunError::Stopped { limit, .. }) = &mut outcome.ending
            && *limit == Limit::Output
            && lease.ready.is_bounded_by_results
        {
            *limit = Limit::QueueResults;
        }
        Ok((!matches!(outcome.ending, Ending::Ended)).then_some((outcome, kept)))
    }

    /// Sends a result to the publisher of its range, once there is memory for it.
    async fn deliver(&self, lease: &Lease, instance: Instance, output: Output) {
        let bytes = match &output {
            Output::Short(bytes) => bytes.len(),
            Output::Long(..) => 0,
        };
        let units = u32::try_from(bytes + RESULT_BYTES).unwrap_or(u32::MAX);
        let outbox = Arc::clone(&self.outbox);
        let held = if lease.ready.batch.ordered {
            // The reader may wait for this very result. The range bounds the number of those without a
            // permit, since no other one begins meanwhile.
            outbox.try_acquire_many_owned(units).ok()
        } else {
            tokio::select! {
                held = outbox.acquire_many_owned(units) => held.ok(),
                () = lease.lost.cancelled() => return,
            }
        };
        let finished = Finished {
            instance,
            output,
            _held: held,
            waiting: Waiting::new(&self.metrics),
        };
        // Without a publisher, another worker has the range.
        let _ = lease.results.send(finished).await;
    }

    async fn run_serially(
        &self,
        lease: &Lease,
        rest: VecDeque<(usize, Option<Sent>)>,
        mut gives_up: bool,
    ) -> Result<(), Failure> {
        for (index, line) in rest {
            if self.draining.is_cancelled() || lease.lost.is_cancelled() {
                break;
            }
            if std::mem::take(&mut gives_up) {
                let error = RunError::Failed(format!(
                    "no result after {} deliveries, whose workers ended or lost their leases; use --{} to raise it",
                    lease.ready.batch.attempts,
                    Limit::Attempts.spec().flag
                ));
                let instance = failed(lease.held.first + index as u64, &error);
                self.deliver(lease, instance, Output::Short(bytes::Bytes::new()))
                    .await;
                continue;
            }
            if let Some((outcome, kept)) = self.run_one(lease, index, line).await? {
                self.deliver(lease, record(&outcome), kept.end()).await;
            }
        }
        Ok(())
    }
}

impl Work for Ranges {
    type Job = Job;
    type Done = Done;

    async fn next(&self) -> Result<Option<Job>, Failure> {
        let mut current = self.current.lock().await;
        loop {
            if self.draining.is_cancelled() {
                self.hand_back(&mut current).await?;
                return Ok(None);
            }
            if let Some(lease) = &current.lease {
                let lease = Arc::clone(lease);
                if !lease.lost.is_cancelled()
                    && let Some((index, line)) = current.rest.pop_front()
                {
                    if current.rest.is_empty() {
                        current.lease = None;
                    }
                    return Ok(Some(Job::One(lease, index, line)));
                }
                current.rest.clear();
                current.lease = None;
            }
            match self.take(&mut current).await {
                Ok(Some(job)) => return Ok(Some(job)),
                Ok(None) => {}
                // Rubbish in the queue: another batch may be sound, and has the next turn.
                Err(Failure::Queue(error)) => {
                    let error = error.to_string();
                    if current.reported.as_ref() != Some(&error) {
                        tracing::warn!(error, "range left alone");
                        current.reported = Some(error);
                    }
                    sleep(QUEUE_PAUSE).await;
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    async fn run(&self, job: Job) -> Result<Done, Failure> {
        match job {
            Job::One(lease, index, line) => {
                let ended = self.run_one(&lease, index, line).await?;
                Ok(ended.map_or(Done::Nothing, |(outcome, kept)| {
                    Done::One(Box::new((lease, outcome, kept)))
                }))
            }
            Job::Serial(lease, rest, gives_up) => {
                let span: Span = lease.span.clone();
                let running = self.run_serially(&lease, rest, gives_up);
                running.instrument(span).await?;
                Ok(Done::Nothing)
            }
        }
    }

    async fn finish(&self, done: Done) -> Result<(), Failure> {
        if let Done::One(done) = done {
            let (lease, outcome, kept) = *done;
            self.deliver(&lease, record(&outcome), kept.end()).await;
        }
        Ok(())
    }

    fn end(&self) -> &CancellationToken {
        &self.end
    }
}
