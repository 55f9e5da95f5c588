//! The publisher of a range: a task that publishes the results of its instances as they end.
//!
//! It ends with the range: when all results are published, when the lease is lost, or when nobody
//! runs instances of it any more. Then it ends the lease, so that another worker gets the rest.

use std::time::Duration;

use cocoon::RunError;
use cocoon::limits::{
    QUEUE_FULL_PATIENCE, QUEUE_LINGER, QUEUE_LINGER_MAX, QUEUE_MESSAGE_BYTES, QUEUE_PART_BYTES,
    QUEUE_PAUSE,
};
use cocoon::queue::{Failed, Held, Instance, Published, Queue, Staged, add_chunk};
use cocoon::telemetry::WorkerMetrics;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::kept::Output;
use super::lease::Finished;
use crate::cli::commands::exec::outcome::{Ending, Outcome};
use crate::cli::commands::exec::spool::Spool;
use crate::cli::failure::Failure;

/// The bytes that a result holds of the memory for outputs, besides its output.
pub(super) const RESULT_BYTES: usize = 256;
/// The longest pause before results are offered again to a queue without room.
const FULL_PAUSE_MAX: Duration = Duration::from_millis(200);

/// Publishes results of one range.
pub(super) struct Publisher<'a> {
    pub(super) queue: &'a Queue,
    pub(super) held: &'a Held,
    pub(super) lost: &'a CancellationToken,
    pub(super) is_ordered: bool,
    pub(super) metrics: &'a WorkerMetrics,
    /// When the batch was submitted.
    pub(super) submitted: Instant,
    /// The memory for outputs of all batches.
    pub(super) outbox: &'a Semaphore,
}

/// What became of a group of results.
enum Sent {
    Partly,
    Done,
    Full,
    Lost,
}

impl Publisher<'_> {
    /// Publishes `results` until the range ends.
    pub(super) async fn run(&self, mut results: mpsc::Receiver<Finished>) -> Result<(), Failure> {
        let mut pending = Vec::new();
        let mut is_open = true;
        let mut pause = QUEUE_PAUSE;
        let mut last: Option<Instant> = None;
        let mut linger = QUEUE_LINGER;
        let mut full_since: Option<Instant> = None;
        loop {
            if pending.is_empty() {
                match results.recv().await {
                    Some(finished) => pending.push(finished),
                    None => break,
                }
            }
            if let Some(last) = last
                && is_open
            {
                // Results that end shortly after each other share a message. The more there are, the longer
                // their reader may wait.
                let until = last + linger;
                linger = if Instant::now() < until {
                    (linger * 2).min(QUEUE_LINGER_MAX)
                } else {
                    QUEUE_LINGER
                };
                is_open = self.gather(&mut results, &mut pending, until).await;
            }
            while let Ok(finished) = results.try_recv() {
                pending.push(finished);
            }
            if self.lost.is_cancelled() {
                return Ok(());
            }
            last = Some(Instant::now());
            match self.send_first(&mut pending).await? {
                Sent::Partly => {
                    pause = QUEUE_PAUSE;
                    full_since = None;
                }
                Sent::Done => return Ok(()),
                Sent::Lost => {
                    self.metrics.leases_lost.inc();
                    self.lost.cancel();
                    return Ok(());
                }
                Sent::Full => {
                    let since = *full_since.get_or_insert_with(Instant::now);
                    if since.elapsed() > QUEUE_FULL_PATIENCE && !has_room(self.outbox) {
                        // Nobody reads this batch. Others need the memory, and this range runs again later.
                        self.queue.release(self.held).await?;
                        self.lost.cancel();
                        return Ok(());
                    }
                    tokio::select! {
                        finished = results.recv(), if is_open => match finished {
                            Some(finished) => pending.push(finished),
                            None => is_open = false,
                        },
                        () = sleep(pause) => pause = (pause * 2).min(FULL_PAUSE_MAX),
                        () = self.lost.cancelled() => {}
                    }
                }
            }
        }
        Ok(self.queue.release(self.held).await?)
    }

    /// Adds results to `pending` until a message is full, all are there, or the time is over. Returns
    /// whether others may follow.
    async fn gather(
        &self,
        results: &mut mpsc::Receiver<Finished>,
        pending: &mut Vec<Finished>,
        until: Instant,
    ) -> bool {
        let mut bytes: usize = pending.iter().map(size).sum();
        while bytes < QUEUE_MESSAGE_BYTES {
            tokio::select! {
                biased;
                finished = results.recv() => match finished {
                    Some(finished) => {
                        bytes += size(&finished);
                        pending.push(finished);
                    }
                    None => return false,
                },
                () = sleep_until(until) => break,
                () = self.lost.cancelled() => break,
            }
        }
        true
    }

    /// Publishes the first group of `pending`, and removes it.
    async fn send_first(&self, pending: &mut Vec<Finished>) -> Result<Sent, Failure> {
        if self.is_ordered {
            // The reader may wait for the first one.
            pending.sort_by_key(|finished| finished.instance.number);
        }
        if let Some(Finished {
            output: Output::Long(..),
            ..
        }) = pending.first()
        {
            let finished = pending.remove(0);
            let (sent, finished) = self.send_long(finished).await?;
            if let Some(finished) = finished {
                pending.insert(0, finished);
            }
            return Ok(sent);
        }
        let mut group = Vec::new();
        let mut bytes = 0;
        for finished in pending.iter() {
            let Output::Short(output) = &finished.output else {
                break;
            };
            bytes += output.len();
            if !group.is_empty() && bytes > QUEUE_MESSAGE_BYTES {
                break;
            }
            group.push((finished.instance.clone(), output.clone()));
        }
        let published = self.queue.publish(self.held, &group, 0).await?;
        Ok(self.sent(published, pending, group.len()))
    }

    fn sent(&self, published: Published, pending: &mut Vec<Finished>, count: usize) -> Sent {
        match published {
            Published::Partly | Published::Done => {
                pending.drain(..count.min(pending.len()));
                self.count(count);
                if published == Published::Done {
                    Sent::Done
                } else {
                    Sent::Partly
                }
            }
            Published::Full => Sent::Full,
            Published::Lost => Sent::Lost,
        }
    }

    fn count(&self, count: usize) {
        self.metrics.results.inc_by(count as u64);
        let age = self.submitted.elapsed().as_secs_f64();
        for _ in 0..count {
            self.metrics.age.observe(age);
        }
    }

    /// Stores the parts of a long output, and publishes the result. Returns the result if there is no
    /// room.
    async fn send_long(&self, finished: Finished) -> Result<(Sent, Option<Finished>), Failure> {
        let Finished {
            instance,
            output,
            _held,
            waiting,
        } = finished;
        let Output::Long(spool, bytes) = output else {
            return Ok((Sent::Partly, None));
        };
        let index = usize::try_from(instance.number - self.held.first).unwrap_or(usize::MAX);
        let parts = bytes.div_ceil((QUEUE_PART_BYTES / 2) as u64).max(1);
        let mut reader = Parts::new(*spool).await?;
        let mut number = 0;
        let again = |spool: Spool, instance: Instance| Finished {
            instance,
            output: Output::Long(Box::new(spool), bytes),
            _held: None,
            waiting,
        };
        loop {
            // The script counts the whole output with its first part.
            let Some(part) = reader.next().await? else {
                break;
            };
            let staged = self
                .queue
                .stage(self.held, index, number, parts, bytes, &part);
            match staged.await? {
                Staged::Stored => number += 1,
                Staged::Full => {
                    let finished = again(reader.into_spool().await?, instance);
                    return Ok((Sent::Full, Some(finished)));
                }
                Staged::Lost => return Ok((Sent::Lost, None)),
            }
        }
        let group = [(instance, bytes::Bytes::new())];
        let published = self.queue.publish(self.held, &group, number).await?;
        let sent = match published {
            Published::Partly => Sent::Partly,
            Published::Done => Sent::Done,
            Published::Full | Published::Lost => return Ok((Sent::Lost, None)),
        };
        self.count(1);
        Ok((sent, None))
    }
}

/// Whether an instance that begins can keep its output.
pub(super) fn has_room(outbox: &Semaphore) -> bool {
    outbox.available_permits() > RESULT_BYTES
}

/// The bytes of a result that share a message.
fn size(finished: &Finished) -> usize {
    match &finished.output {
        Output::Short(bytes) => bytes.len(),
        Output::Long(..) => QUEUE_MESSAGE_BYTES,
    }
}

/// Reads a spool in parts of whole chunks.
struct Parts {
    chunks: crate::cli::commands::exec::spool::Chunks,
}

impl Parts {
    async fn new(spool: Spool) -> Result<Self, Failure> {
        Ok(Self {
            chunks: spool.chunks().await?,
        })
    }

    /// The next part: more than half of the greatest, except for the last one.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let mut part = Vec::new();
        while part.len() < QUEUE_PART_BYTES / 2 {
            match self.chunks.next().await? {
                Some((stream, bytes)) => add_chunk(&mut part, stream, &bytes),
                None => break,
            }
        }
        Ok((!part.is_empty()).then_some(part))
    }

    /// The spool, whose chunks are read again from the first one on.
    async fn into_spool(self) -> Result<Spool, Failure> {
        self.chunks.into_spool().await
    }
}

/// The result of an instance that has ended.
pub(super) fn record(outcome: &Outcome) -> Instance {
    Instance {
        number: outcome.instance,
        exit: match outcome.ending {
            Ending::Exit(code) => Some(code),
            Ending::Error(_) | Ending::Ended => None,
        },
        error: match &outcome.ending {
            Ending::Error(error) => Some(error.into()),
            Ending::Exit(_) | Ending::Ended => None,
        },
        elapsed_us: u64::try_from(outcome.elapsed.as_micros()).unwrap_or(u64::MAX),
        memory_bytes: outcome.memory_bytes,
        output_bytes: outcome.output_bytes,
        attempts: outcome.attempts,
    }
}

/// The result of an instance that is given up.
pub(super) fn failed(number: u64, error: &RunError) -> Instance {
    Instance {
        number,
        exit: None,
        error: Some(Failed::from(error)),
        elapsed_us: 0,
        memory_bytes: None,
        output_bytes: [0; 2],
        attempts: 1,
    }
}
