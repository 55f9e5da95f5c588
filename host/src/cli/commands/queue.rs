//! `cocoon queue`: lists, shows, reads, cancels and removes batches.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, ValueEnum};
use cocoon::limits::QUEUE_PATIENCE;
use cocoon::queue::{Progress, Queue, QueueError};

use super::exec::batch_name;
use super::exec::reader::{Reader, Seen};
use super::exec::submit::{Print, random_id};
use super::exec::watch::Watch;
use super::lines::json_line;
use super::queue_args::QueueArgs;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::signals::Signals;

#[derive(Debug, Args)]
pub(crate) struct QueueCommand {
    /// `list` all batches, `show` one, print its `results` from where the last reader stopped, `cancel` its work and keep its results, or `purge` all of it
    #[arg(value_name = "ACTION", hide_possible_values = true)]
    action: Action,
    /// Name of the batch, except for `list`
    #[arg(value_name = "NAME", value_parser = batch_name)]
    name: Option<String>,
    #[command(flatten)]
    queue: QueueArgs,
    /// Print JSON objects
    #[arg(long)]
    json: bool,
    /// Of `results`: write the output of instance I unchanged to DIR/I.out and DIR/I.err
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// Of `results`: print neither a summary nor the progress
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Action {
    List,
    Show,
    Results,
    Cancel,
    Purge,
}

impl QueueCommand {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let mut signals = Signals::listen()?;
        let address = self.queue.required()?;
        let patience = (self.action != Action::Results).then_some(QUEUE_PATIENCE);
        let queue = Queue::new(&address, patience)?;
        let name = match (&self.name, self.action) {
            (None, Action::List) => "",
            (Some(name), action) if action != Action::List => name,
            (None, _) => {
                let error = "expected the NAME of a batch, got none";
                return Err(clap::Error::raw(ErrorKind::MissingRequiredArgument, error).into());
            }
            (Some(_), _) => {
                let error = "expected no NAME after `list`, got one";
                return Err(clap::Error::raw(ErrorKind::UnknownArgument, error).into());
            }
        };
        if self.action == Action::Results {
            return self.print_results(&queue, name, &mut signals).await;
        }
        tokio::select! {
            biased;
            () = signals.next() => Err(Failure::Interrupted),
            done = self.act(&queue, name) => done,
        }
    }

    async fn act(&self, queue: &Queue, name: &str) -> Result<(), Failure> {
        let is_there = match self.action {
            Action::Cancel => {
                queue
                    .cancel(name, "", "cancelled by `cocoon queue cancel`")
                    .await?
            }
            Action::Purge => queue.purge(name, "").await?,
            Action::Show => {
                let progress = queue.progress(name).await?.ok_or_else(|| missing(name))?;
                return self.print(&[progress]).await;
            }
            Action::List | Action::Results => {
                let mut all = Vec::new();
                for name in queue.names().await? {
                    // Its time to be kept may have ended.
                    all.extend(queue.progress(&name).await?);
                }
                return self.print(&all).await;
            }
        };
        if is_there { Ok(()) } else { Err(missing(name)) }
    }

    async fn print(&self, batches: &[Progress]) -> Result<(), Failure> {
        let mut output = Output::stdout();
        for batch in batches {
            let text = if self.json {
                json_line(batch)?
            } else if self.action == Action::List {
                line(batch).into_bytes()
            } else {
                details(batch).into_bytes()
            };
            output.write(&text).await?;
        }
        output.finish().await
    }

    async fn print_results(
        &self,
        queue: &Queue,
        name: &str,
        signals: &mut Signals,
    ) -> Result<(), Failure> {
        let (_, batch) = queue.batch(name).await?;
        let before = queue.progress(name).await?.ok_or_else(|| missing(name))?;
        let print = Print {
            json: self.json,
            output_dir: self.output_dir.clone(),
            fail_fast: false,
            quiet: self.quiet,
        };
        let is_single = batch.instances == Some(1) && before.read == 0;
        let (report, has_progress) = print.report(is_single, false)?;
        let seen = Seen::default();
        let reader = Reader {
            queue,
            name,
            id: random_id()?,
            report: &report,
            is_ordered: batch.ordered,
            seen: &seen,
        };
        let watch = Watch {
            report: &report,
            all: before.instances.map(|all| all.saturating_sub(before.read)),
            started: &|| seen.made().saturating_sub(before.read),
            has_progress,
            quiet: self.quiet,
        };
        let running = async {
            // An ordered batch is read in order, so those before are read.
            reader.attach().await?;
            let progress = reader.read(before.read + 1).await?;
            match progress.cancelled {
                Some(reason) => Err(QueueError::Batch(format!("batch {name}: {reason}")).into()),
                None => Ok(()),
            }
        };
        watch.until_end(signals, running).await
    }
}

fn missing(name: &str) -> Failure {
    QueueError::Batch(format!(
        "expected a batch, got no batch with the name {name}"
    ))
    .into()
}

fn all(batch: &Progress) -> String {
    batch
        .instances
        .map_or_else(|| "?".to_owned(), |all| all.to_string())
}

/// One batch on one line.
fn line(batch: &Progress) -> String {
    format!(
        "{}  {}  {} of {} done, {} failed, {} read\n",
        batch.name,
        batch.state(),
        batch.published,
        all(batch),
        batch.failed,
        batch.read
    )
}

fn details(batch: &Progress) -> String {
    let mut text = String::new();
    for (what, value) in [
        ("name", batch.name.clone()),
        ("state", batch.state().to_owned()),
        ("instances", all(batch)),
        ("done", batch.published.to_string()),
        ("failed", batch.failed.to_string()),
        ("read", batch.read.to_string()),
        ("open ranges", batch.open_ranges.to_string()),
        ("redelivered", batch.redelivered.to_string()),
        ("unread bytes", batch.unread_bytes.to_string()),
        ("input bytes", batch.input_bytes.to_string()),
        ("refused", batch.refused.clone().unwrap_or_default()),
        ("cancelled", batch.cancelled.clone().unwrap_or_default()),
    ] {
        if !value.is_empty() {
            let what = format!("{what}:");
            // Writing to a string never fails.
            let _ = writeln!(text, "{what:14} {value}");
        }
    }
    text
}
