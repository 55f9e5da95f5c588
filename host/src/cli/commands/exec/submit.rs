//! `cocoon exec --queue`: submits a batch to a queue, and prints its results.

use std::io::{IsTerminal as _, stderr, stdout};
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use clap::error::ErrorKind;
use cocoon::RunError;
use cocoon::component::{Digest, Location, Source};
use cocoon::limits::{
    CHUNK_BYTES, INTERRUPT_PATIENCE, Limit, QUEUE_LINGER, QUEUE_RANGE_BYTES, QUEUE_RANGE_INSTANCES,
    QUEUE_RANGE_TIME, QUEUE_WAIT,
};
use cocoon::queue::{
    Added, Address, Asked, Batch, Content, Created, Line, Progress, Queue, QueueError,
};
use cocoon::telemetry::trace_fields;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use super::input::{self, STDIN};
use super::lines::Lines;
use super::output::{Printer, Style};
use super::reader::{Reader, Seen};
use super::report::Report;
use super::results::Results;
use super::shard::Shard;
use super::watch::Watch;
use crate::cli::announce;
use crate::cli::failure::{Failure, say};
use crate::cli::output::Output;
use crate::cli::output_folder::OutputFolder;
use crate::cli::paths::shown;
use crate::cli::signals::Signals;

/// The greatest number of an instance: numbers in scripts are floating-point.
const INSTANCES_MAX: u64 = 1 << 53;
/// The part of a batch that a range has at most.
const SHARE: u64 = 64;

/// A batch on its way to a queue.
pub(super) struct Submission {
    pub(super) address: Address,
    /// The name, or one that the component's begins.
    pub(super) name: Option<String>,
    /// Whether this command ends when everything is submitted.
    pub(super) is_detached: bool,
    pub(super) batch: Batch,
    pub(super) location: Location,
    /// The component, unless workers pull it.
    pub(super) source: Option<Source>,
    pub(super) component_bytes_max: u64,
    /// The standard input of all instances.
    pub(super) stdin: Option<Vec<u8>>,
    pub(super) lines: Option<Lines>,
    pub(super) print: Print,
}

/// How results are printed.
pub(in crate::cli::commands) struct Print {
    pub(in crate::cli::commands) json: bool,
    pub(in crate::cli::commands) output_dir: Option<std::path::PathBuf>,
    pub(in crate::cli::commands) fail_fast: bool,
    pub(in crate::cli::commands) quiet: bool,
}

impl Print {
    /// The report of a batch, whose earlier outputs are removed from a folder if `is_new`.
    pub(in crate::cli::commands) fn report(
        &self,
        is_single: bool,
        is_new: bool,
    ) -> Result<(Report, bool), Failure> {
        let style = match &self.output_dir {
            Some(dir) => Style::Files(OutputFolder::create(dir.clone())?),
            None if self.json => Style::Json,
            None if is_single => Style::Plain,
            None => Style::Prefixed,
        };
        let has_progress = !is_single
            && !self.quiet
            && stderr().is_terminal()
            && (matches!(style, Style::Files(_)) || !stdout().is_terminal())
            && !announce::is_json();
        let report = Report {
            printer: Printer::new(style, is_new.then_some(Shard::ALL), self.json)?,
            results: Results::default(),
            is_single,
            fail_fast: self.fail_fast,
            end: CancellationToken::new(),
        };
        Ok((report, has_progress))
    }
}

/// A batch without its component.
pub(super) struct Description {
    pub(super) program: String,
    pub(super) arguments: Vec<String>,
    pub(super) lines: bool,
    pub(super) instances: u64,
    pub(super) ordered: bool,
    pub(super) retries: u32,
    pub(super) asked: Asked,
}

impl Description {
    /// The batch under `limits`.
    pub(super) fn batch(self, limits: &cocoon::limits::Limits) -> Result<Batch, Failure> {
        if self.instances > INSTANCES_MAX {
            let error = format!(
                "expected at most {INSTANCES_MAX} instances with --queue, got {}",
                self.instances
            );
            return Err(clap::Error::raw(ErrorKind::ValueValidation, error).into());
        }
        Ok(Batch {
            program: self.program,
            component: String::new(),
            arguments: self.arguments,
            input: None,
            lines: self.lines,
            instances: (!self.lines).then_some(self.instances),
            ordered: self.ordered,
            retries: self.retries,
            attempts: u32::try_from(limits.get(Limit::Attempts)).unwrap_or(u32::MAX),
            lease_ms: limits.get(Limit::Lease),
            refusal_ms: limits.get(Limit::Refusal),
            keep_s: limits.duration(Limit::Keep).as_secs().max(1),
            results_bytes: limits.bytes(Limit::QueueResults),
            input_bytes: limits.bytes(Limit::QueueInput),
            asked: self.asked,
            trace: trace_fields(&Span::current()),
        })
    }
}

impl Submission {
    /// Submits the batch, and prints its results.
    pub(super) async fn run(mut self, signals: &mut Signals) -> Result<(), Failure> {
        let queue = Queue::new(&self.address, None)?;
        let uid = random_id()?;
        let (name, report, has_progress) = tokio::select! {
            biased;
            () = signals.next() => return Err(Failure::Interrupted),
            created = async {
                tokio::join!(self.create(&queue, &uid), queue.connect_to_wait()).0
            } => created?,
        };
        if self.is_detached {
            return tokio::select! {
                biased;
                () = signals.next() => Err(Failure::Interrupted),
                left = self.detach(&queue, &name, &uid) => left,
            };
        }
        let seen = Seen::default();
        let reader = Reader {
            queue: &queue,
            name: &name,
            id: uid.clone(),
            report: &report,
            is_ordered: self.batch.ordered,
            seen: &seen,
        };
        let watch = Watch {
            report: &report,
            all: self.batch.instances,
            started: &|| seen.made(),
            has_progress,
            quiet: self.print.quiet,
        };
        let lines = self.lines.take();
        let has_lines = lines.is_some();
        let running = async {
            let submitting = async {
                match lines {
                    Some(lines) => submit_lines(&queue, &name, &uid, lines, Some(&seen)).await,
                    None => Ok(()),
                }
            };
            // The reader also sees that the batch is over before all lines are submitted.
            let mut submitting = pin!(submitting);
            let mut reading = pin!(reader.read(1));
            let progress = tokio::select! {
                progress = &mut reading => progress?,
                submitted = &mut submitting => {
                    submitted?;
                    reading.await?
                }
            };
            conclude(&queue, &name, &uid, &report, &progress).await
        };
        // The futures of a submission are large.
        let ended = Box::pin(watch.until_end(signals, running)).await;
        let was_interrupted = matches!(
            ended,
            Err(Failure::Interrupted | Failure::InterruptedAfter(_))
        );
        if was_interrupted && has_lines {
            // It ends with the lines so far, unless Redis is away.
            let _ = timeout(INTERRUPT_PATIENCE, queue.close(&name, &uid)).await;
        }
        if was_interrupted && !self.print.quiet {
            say(&format!(
                "batch {name} goes on; use `cocoon queue results {name}` or `cocoon queue cancel {name}`"
            ));
        }
        ended
    }

    /// Creates the batch, and uploads what the queue lacks of it. Returns its name and its report.
    async fn create(
        &mut self,
        queue: &Queue,
        uid: &str,
    ) -> Result<(String, Report, bool), Failure> {
        let wasm = match (&self.source, &self.location) {
            (Some(source), _) => source.bytes(self.component_bytes_max).await?,
            (None, Location::Registry(reference)) => {
                self.batch.component = reference.to_string();
                Bytes::new()
            }
            (None, Location::File(path)) => {
                self.batch.component = shown(path);
                Bytes::new()
            }
        };
        let component = content(self.source.is_some().then_some(&wasm[..]));
        if self.source.is_some() {
            self.batch.component.clone_from(&component.digest);
        }
        let input = content(self.stdin.as_deref());
        self.batch.input = self.stdin.is_some().then(|| input.digest.clone());
        let name = self
            .name
            .clone()
            .unwrap_or_else(|| default_name(&self.batch.program, uid));
        let reader = (!self.is_detached).then_some(uid);
        let keep_s = self.batch.keep_s;
        loop {
            let contents = [&component, &input];
            match queue
                .create(&name, uid, &self.batch, contents, reader)
                .await?
            {
                Created::Created => break,
                Created::NameInUse => {
                    return Err(QueueError::Batch(format!(
                        "expected a new name, got the batch {name}; use another --name, or `cocoon queue purge {name}` to remove it"
                    ))
                    .into());
                }
                // Another submitter may remove it in between.
                Created::Missing {
                    component: is_component,
                    input: is_input,
                } => {
                    if is_component {
                        queue.upload(&component.digest, &wasm, keep_s).await?;
                    }
                    if is_input {
                        let bytes = self.stdin.as_deref().unwrap_or_default();
                        queue.upload(&input.digest, bytes, keep_s).await?;
                    }
                }
            }
        }
        // Nothing of an earlier run is removed before the name is known to be new.
        let is_single = self.batch.instances == Some(1);
        let (report, has_progress) = self.print.report(is_single, true)?;
        Ok((name, report, has_progress))
    }

    /// Submits all lines, and leaves.
    async fn detach(&mut self, queue: &Queue, name: &str, uid: &str) -> Result<(), Failure> {
        if let Some(lines) = self.lines.take()
            && let Err(failure) = submit_lines(queue, name, uid, lines, None).await
        {
            queue.purge(name, uid).await?;
            return Err(failure);
        }
        let mut output = Output::stdout();
        output.write(format!("{name}\n").as_bytes()).await?;
        output.finish().await?;
        if !self.print.quiet {
            say(&format!(
                "submitted; use `cocoon queue results {name}` for the results"
            ));
        }
        Ok(())
    }
}

/// Ends a batch whose reader has ended.
async fn conclude(
    queue: &Queue,
    name: &str,
    uid: &str,
    report: &Report,
    progress: &Progress,
) -> Result<(), Failure> {
    let has_failed = report.results.ended().summary.failed() > 0;
    if let Some(reason) = &progress.cancelled {
        queue.purge(name, uid).await?;
        return Err(QueueError::Batch(format!("batch {name}: {reason}")).into());
    }
    if progress.is_over() || (report.fail_fast && has_failed) {
        queue.purge(name, uid).await?;
    }
    Ok(())
}

/// Submits the lines in ranges. Without `seen`, there is no reader, and all lines have to fit.
async fn submit_lines(
    queue: &Queue,
    name: &str,
    uid: &str,
    mut lines: Lines,
    seen: Option<&Seen>,
) -> Result<(), Failure> {
    let (sender, mut received) = mpsc::channel(64);
    let reading = async move {
        while let Some(line) = lines.next().await? {
            if sender.send(line).await.is_err() {
                break;
            }
        }
        Ok::<_, Failure>(())
    };
    let submitting = async move {
        let mut first = 1;
        while let Some(line) = received.recv().await {
            let mut range = vec![line];
            let mut bytes = 0;
            let most = range_size(first, seen.and_then(Seen::mean));
            // A reader of a terminal gets each line at once.
            while (range.len() as u64) < most
                && bytes < QUEUE_RANGE_BYTES
                && let Ok(Some(line)) = timeout(QUEUE_LINGER, received.recv()).await
            {
                bytes += line.bytes.as_ref().map_or(0, Bytes::len);
                range.push(line);
            }
            let packed: Vec<_> = range.iter().map(|line| as_sent(&line.bytes)).collect();
            loop {
                match (queue.add(name, uid, first, &packed).await?, seen) {
                    (Added::Added, _) => break,
                    (Added::Gone, _) => return Ok(()),
                    (Added::Full, Some(seen)) => {
                        // The reader is asked again at least once in this time.
                        let _ = timeout(QUEUE_WAIT, seen.room.notified()).await;
                    }
                    (Added::Full, None) => {
                        return Err(QueueError::Batch(
                            "expected the lines to fit the limit of the input of a batch, got more; use --queue-input or \
                             COCOON_QUEUE_INPUT to raise it, or leave out --detach"
                                .to_owned(),
                        )
                        .into());
                    }
                }
            }
            first += packed.len() as u64;
        }
        Ok::<_, Failure>(())
    };
    let mut submitting = pin!(submitting);
    tokio::select! {
        read = reading => {
            // Lines before one that cannot be read are submitted.
            submitting.await?;
            read?;
        }
        submitted = &mut submitting => submitted?,
    }
    Ok(queue.close(name, uid).await?)
}

/// Describes content, or none.
fn content(bytes: Option<&[u8]>) -> Content {
    bytes.map_or_else(Content::default, |bytes| Content {
        digest: Digest::of(bytes).hex(),
        bytes: bytes.len() as u64,
    })
}

fn as_sent(line: &Result<Bytes, RunError>) -> Line {
    match line {
        Ok(bytes) => Line::Bytes(bytes.clone()),
        Err(RunError::TooLarge { value, needed, .. }) => Line::TooLong {
            bytes_max: *value,
            bytes: *needed,
        },
        Err(_) => Line::Bytes(Bytes::new()),
    }
}

/// The most instances of the range that begins with `first`: the same that the scripts make.
fn range_size(first: u64, mean: Option<Duration>) -> u64 {
    let share = ((first - 1) / SHARE + 1).min(QUEUE_RANGE_INSTANCES);
    let fitting = mean.and_then(|mean| QUEUE_RANGE_TIME.as_micros().checked_div(mean.as_micros()));
    let fitting = fitting.map_or(u64::MAX, |count| u64::try_from(count).unwrap_or(u64::MAX));
    share.min(fitting).max(1)
}

/// Reads the standard input of all instances.
pub(super) async fn read_stdin(path: Option<&Path>, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let bytes = match path {
        Some(path) => input::read_whole(input::open(path).await?, &shown(path), bytes_max).await?,
        None => input::read_whole(input::stdin()?, STDIN, bytes_max).await?,
    };
    Ok(bytes.into())
}

/// 16 random bytes as hexadecimal digits.
pub(in crate::cli::commands) fn random_id() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Failure::Io {
        what: "cannot get random bytes".to_owned(),
        error: std::io::Error::other(error),
    })?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// The name of a batch of `program`.
fn default_name(program: &str, uid: &str) -> String {
    let stem = program.split('.').next().unwrap_or_default();
    let is_plain = |it: &char| it.is_ascii_alphanumeric() || *it == '-';
    let stem: String = stem.chars().filter(is_plain).take(40).collect();
    let stem = if stem.is_empty() { "batch" } else { &stem };
    format!("{stem}-{}", &uid[..8])
}

const _: () = assert!(QUEUE_RANGE_BYTES >= CHUNK_BYTES);
