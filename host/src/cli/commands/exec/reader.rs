//! Prints the results of a batch in a queue.
//!
//! A message is acknowledged after all its results are printed, so a reader that dies prints some of
//! them again. With `--ordered`, results wait here for their turn, and stay in the queue meanwhile.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cocoon::limits::ERROR_CHARS;
use cocoon::queue::{Instance, Payload, Progress, Queue, QueueError, chunks};
use cocoon::text::one_line;
use tokio::sync::Notify;

use super::outcome::{Ending, Outcome};
use super::outputs::Outputs as _;
use super::report::Report;
use super::sink::Sink;
use crate::cli::failure::{Failure, say};

/// Reads a batch.
pub(in crate::cli::commands) struct Reader<'a> {
    pub(in crate::cli::commands) queue: &'a Queue,
    pub(in crate::cli::commands) name: &'a str,
    /// Its own number: a later reader replaces it.
    pub(in crate::cli::commands) id: String,
    pub(in crate::cli::commands) report: &'a Report,
    pub(in crate::cli::commands) is_ordered: bool,
    pub(in crate::cli::commands) seen: &'a Seen,
}

/// The part of a batch that its reader has seen.
#[derive(Default)]
pub(in crate::cli::commands) struct Seen {
    /// Instances in ranges that were made.
    made: AtomicU64,
    /// The sum of the times of all printed instances, and their number.
    elapsed_us: AtomicU64,
    printed: AtomicU64,
    /// Whether the refusal of a worker was reported.
    was_refused: AtomicBool,
    /// There may be room for lines.
    pub(in crate::cli::commands) room: Notify,
}

impl Seen {
    pub(in crate::cli::commands) fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// The mean time of an instance.
    pub(in crate::cli::commands) fn mean(&self) -> Option<Duration> {
        let printed = self.printed.load(Ordering::Relaxed);
        let elapsed_us = self.elapsed_us.load(Ordering::Relaxed);
        elapsed_us.checked_div(printed).map(Duration::from_micros)
    }
}

/// Results whose turn has not come, and the messages that they came in.
#[derive(Default)]
struct Waiting {
    results: BTreeMap<u64, (Instance, Payload, String)>,
    /// The number of results of a message that are not printed.
    open: HashMap<String, usize>,
    /// The next instance to print.
    next: u64,
}

impl Reader<'_> {
    /// Becomes the only reader of the batch.
    pub(in crate::cli::commands) async fn attach(&self) -> Result<(), Failure> {
        Ok(self.queue.attach(self.name, &self.id).await?)
    }

    /// Prints results until the batch is over, and returns how far it was.
    ///
    /// # Errors
    ///
    /// If the output fails, or another reader has replaced this one.
    pub(in crate::cli::commands) async fn read(&self, next: u64) -> Result<Progress, Failure> {
        let mut waiting = Waiting {
            next,
            ..Waiting::default()
        };
        let mut last = "0".to_owned();
        let (mut was_over, mut is_again) = (false, false);
        loop {
            let entries = self.queue.read(self.name, &last).await?;
            let is_empty = entries.is_empty();
            let mut printed = Vec::new();
            for (message, entry) in entries {
                last.clone_from(&message);
                match entry {
                    Err(error) => {
                        say(&one_line(&error.to_string(), ERROR_CHARS));
                        printed.push(message);
                    }
                    Ok(entry) if self.is_ordered => {
                        waiting.open.insert(message.clone(), entry.results.len());
                        for (instance, payload) in entry.results {
                            let result = (instance, payload, message.clone());
                            waiting.results.insert(result.0.number, result);
                        }
                        self.print_waiting(&mut waiting, &mut printed, false)
                            .await?;
                    }
                    Ok(entry) => {
                        for (instance, payload) in entry.results {
                            self.print(instance, payload).await?;
                        }
                        printed.push(message);
                    }
                }
            }
            let mut progress = self.acknowledge(&printed, waiting.next).await?;
            let is_read = progress.read >= progress.published;
            if was_over && is_empty && !is_read && !is_again && !self.is_ordered {
                // The clock of Redis may have gone back, and with it the names of messages.
                is_again = true;
                "0".clone_into(&mut last);
                continue;
            }
            // Without messages after the end, results have been removed.
            if progress.is_over() && (is_read || (was_over && is_empty)) {
                if !waiting.results.is_empty() {
                    // The results in between never come.
                    printed.clear();
                    self.print_waiting(&mut waiting, &mut printed, true).await?;
                    progress = self.acknowledge(&printed, waiting.next).await?;
                }
                if progress.read < progress.published && progress.cancelled.is_none() {
                    return Err(QueueError::Batch(format!(
                        "batch {}: expected {} results in the queue, got {}; others have removed them",
                        self.name, progress.published, progress.read
                    ))
                    .into());
                }
                return Ok(progress);
            }
            was_over = progress.is_over();
            if self.report.end.is_cancelled() {
                return Ok(progress);
            }
        }
    }

    async fn acknowledge(&self, printed: &[String], next: u64) -> Result<Progress, Failure> {
        if !printed.is_empty() {
            // What is acknowledged is out of this process.
            self.report.printer.finish().await?;
        }
        let progress = self.queue.acknowledge(self.name, &self.id, next, printed);
        let progress = progress.await?.ok_or_else(|| {
            QueueError::Batch(format!(
                "batch {}: expected to be its only reader, got another reader or no batch any more",
                self.name
            ))
        })?;
        if let Some(reason) = &progress.refused
            && progress.cancelled.is_none()
            && progress.published == 0
            && !self.seen.was_refused.swap(true, Ordering::Relaxed)
        {
            say(&format!(
                "batch {}: refused by a worker, waiting for another one: {reason}",
                self.name
            ));
        }
        self.seen.made.store(progress.made, Ordering::Relaxed);
        self.seen.room.notify_one();
        Ok(progress)
    }

    /// Prints the results whose turn has come, or `all`.
    async fn print_waiting(
        &self,
        waiting: &mut Waiting,
        printed: &mut Vec<String>,
        all: bool,
    ) -> Result<(), Failure> {
        while let Some(first) = waiting.results.first_entry() {
            if *first.key() > waiting.next && !all {
                break;
            }
            let (instance, payload, message) = first.remove();
            waiting.next = waiting.next.max(instance.number + 1);
            self.print(instance, payload).await?;
            if let Some(open) = waiting.open.get_mut(&message) {
                *open -= 1;
                if *open == 0 {
                    waiting.open.remove(&message);
                    printed.push(message);
                }
            }
        }
        Ok(())
    }

    async fn print(&self, instance: Instance, payload: Payload) -> Result<(), Failure> {
        let mut sink = Sink::new(&self.report.printer, instance.number, false)?;
        match payload {
            Payload::Bytes(output) => self.write(&mut sink, output).await?,
            Payload::Parts(parts, count) => {
                for number in 0..count {
                    let part = self.queue.part(self.name, &parts, number).await?;
                    let part = part.ok_or_else(|| self.rubbish(instance.number))?;
                    self.write(&mut sink, part).await?;
                }
            }
        }
        sink.push().await?;
        sink.commit().await?;
        self.seen
            .elapsed_us
            .fetch_add(instance.elapsed_us, Ordering::Relaxed);
        self.seen.printed.fetch_add(1, Ordering::Relaxed);
        let outcome = Outcome {
            instance: instance.number,
            ending: match (instance.exit, instance.error) {
                (Some(code), _) => Ending::Exit(code),
                (None, Some(error)) => Ending::Error(error.into()),
                (None, None) => Ending::Ended,
            },
            elapsed: Duration::from_micros(instance.elapsed_us),
            memory_bytes: instance.memory_bytes,
            output_bytes: instance.output_bytes,
            attempts: instance.attempts,
        };
        self.report.printer.end(&outcome).await?;
        self.report.add(outcome).await
    }

    async fn write(&self, sink: &mut Sink<'_>, output: Bytes) -> Result<(), Failure> {
        let chunks = chunks(output).ok_or_else(|| self.rubbish(0))?;
        for (stream, bytes) in chunks {
            sink.write(stream, bytes).await?;
        }
        Ok(())
    }

    fn rubbish(&self, instance: u64) -> Failure {
        QueueError::Batch(format!(
            "batch {}: expected the output of instance {instance}, got other bytes or none",
            self.name
        ))
        .into()
    }
}
