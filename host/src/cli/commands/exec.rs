//! `cocoon exec`: runs many instances of any component of `wasi:cli`, each in its own sandbox.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use clap::{Args, ValueHint};
use cocoon::RunError;
use cocoon::channel::channel;
use cocoon::component::{Component, Location};
use cocoon::limits::Limit;
use cocoon::pool::Pool;
use cocoon::span::{SpanGuard, record, spawn};
use cocoon::worlds::command::{self, Exit, Program, Start};
use futures::{StreamExt as _, stream};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument as _, Span};

use super::exec_grants::GrantArgs;
use super::exec_output::{Printer, Style};
use super::exec_summary::Summary;
use crate::cli::component_args::RegistryArgs;
use crate::cli::denied::report_denied;
use crate::cli::failure::Failure;
use crate::cli::limits::{LimitArgs, Promiseless};
use crate::cli::paths::shown;
use crate::cli::trace;
use crate::cli::values::{location, positive};

#[derive(Debug, Args)]
pub(crate) struct Exec {
    /// Component that exports `wasi:cli/run`, or core module of WASI preview 1: a file or `oci://REFERENCE`
    #[arg(value_name = "FILE", value_parser = location(), value_hint = ValueHint::FilePath)]
    component: Location,
    /// Arguments of the component, from the first positional argument after FILE or from `--` on; `{i}` is the number of the instance, from 1
    #[arg(trailing_var_arg = true, value_name = "ARGS")]
    arguments: Vec<String>,
    /// Number of instances, each in its own sandbox
    #[arg(short = 'n', long, default_value_t = 1, value_name = "N", value_parser = positive::<u64>)]
    instances: u64,
    /// Number of instances that run at once [default: as many as the limits allow]
    #[arg(short, long, value_name = "C", value_parser = positive::<u32>)]
    concurrency: Option<u32>,
    /// Send all of this command's standard input to each instance
    #[arg(short, long, conflicts_with = "stdin")]
    interactive: bool,
    /// Send all of FILE to the standard input of each instance
    #[arg(long, value_name = "FILE")]
    stdin: Option<PathBuf>,
    /// Print a JSON object for each exit and for each line of output, as `text`, or as `base64` if it is
    /// not UTF-8; `"partial": true` means that no newline follows
    #[arg(long, conflicts_with = "output_dir")]
    json: bool,
    /// Write the output of instance I unchanged to DIR/I.out and DIR/I.err
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    #[command(flatten)]
    grants: GrantArgs,
    #[command(flatten)]
    registries: RegistryArgs,
    #[command(flatten)]
    limits: LimitArgs<Promiseless>,
}

/// The data that all instances share.
struct Batch {
    component: Component<Program>,
    pool: Pool,
    grants: GrantArgs,
    name: String,
    arguments: Vec<String>,
    input: Bytes,
}

impl Exec {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let grants = self.grants;
        grants.check()?;
        let engine = grants.engine(&self.limits.limits, self.instances)?;
        let name = self.component.name();
        let source = self
            .registries
            .source(Some(&self.component), &self.limits.limits)
            .await?;
        let component = Component::load(&engine, &source, &grants.shared()).await?;
        report_denied(&component);
        let pool = Pool::new(&engine, component.sandboxes());
        let input = read_input(
            self.interactive,
            self.stdin,
            pool.limits().bytes(Limit::Input),
        )
        .await?;
        // Each output file is a descriptor.
        let files_each = if self.output_dir.is_some() { 2 } else { 0 };
        let concurrency = u64::from(self.concurrency.unwrap_or(u32::MAX))
            .min(component.sandboxes().into())
            // An instance starts when memory is free: a wait would use up its deadline.
            .min(pool.places(command::need(pool.limits())))
            .min(
                engine
                    .descriptors()
                    .checked_div(files_each)
                    .unwrap_or(u64::MAX),
            )
            .max(1);
        let style = match self.output_dir {
            Some(dir) => Style::Files(dir),
            None if self.json => Style::Json,
            None if self.instances == 1 => Style::Plain,
            None => Style::Prefixed,
        };
        let batch = Arc::new(Batch {
            component,
            pool,
            grants,
            name,
            arguments: self.arguments,
            input,
        });
        let printer = Arc::new(Printer::new(style)?);

        trace::instances(self.instances);
        let mut summary = Summary::default();
        let mut outcomes = stream::iter(1..=self.instances)
            .map(|instance| {
                let (batch, printer) = (Arc::clone(&batch), Arc::clone(&printer));
                async move {
                    // A task for each instance uses all cores, and is aborted when this
                    // command ends.
                    let running = run_instance(batch, printer, instance);
                    let running = running.instrument(trace::instance(instance));
                    let result = AbortOnDropHandle::new(spawn(running)).await;
                    (
                        instance,
                        result.unwrap_or(Err(Failure::Run(RunError::WriterGone))),
                    )
                }
            })
            .buffer_unordered(usize::try_from(concurrency).unwrap_or(usize::MAX));
        while let Some((instance, result)) = outcomes.next().await {
            let result = match result {
                Ok(result) => result,
                // The output of this command failed, not an instance.
                Err(failure) => return Err(failure),
            };
            printer.exited(instance, &result).await?;
            summary.add(instance, result);
        }
        printer.finish().await?;
        summary.report(self.instances)
    }
}

/// Runs one instance and prints its outputs.
async fn run_instance(
    batch: Arc<Batch>,
    printer: Arc<Printer>,
    instance: u64,
) -> Result<Result<Exit, RunError>, Failure> {
    let mut start = Start {
        arguments: vec![batch.name.clone()],
        input: batch.input.clone(),
    };
    let number = instance.to_string();
    start.arguments.extend(
        batch
            .arguments
            .iter()
            .map(|argument| argument.replace("{i}", &number)),
    );
    let grants = batch.grants.of(instance);
    let (sender, output) = channel();
    let deadline = batch.pool.deadline();
    let running = command::run(
        &batch.pool,
        &batch.component,
        &grants,
        start,
        &deadline,
        sender,
    );
    let guard = SpanGuard::new(Span::current(), "the command ended first");
    // The channel ends with the program.
    let (result, printed) = tokio::join!(running, printer.print(instance, output));
    let span = guard.end();
    match &result {
        Ok(Exit { code, .. }) => {
            span.record("cocoon.exit", code);
            if *code != 0 {
                record(&span, &code.to_string(), "the program failed");
            }
        }
        Err(error) => record(&span, error.name(), error),
    }
    printed?;
    Ok(result)
}

/// Reads the standard input of all instances from a file, from that of this command, or returns
/// none.
async fn read_input(interactive: bool, file: Option<PathBuf>, most: u64) -> Result<Bytes, Failure> {
    let (what, source): (_, Box<dyn AsyncRead + Unpin + Send>) = match file {
        Some(path) => {
            let what = format!("cannot read {}", shown(&path));
            match tokio::fs::File::open(&path).await {
                Ok(file) => (what, Box::new(file)),
                Err(error) => return Err(Failure::Io { what, error }),
            }
        }
        None if interactive => (
            "cannot read standard input".to_owned(),
            Box::new(tokio::io::stdin()),
        ),
        None => return Ok(Bytes::new()),
    };
    let mut input = Vec::new();
    let read = source
        .take(most.saturating_add(1))
        .read_to_end(&mut input)
        .await;
    read.map_err(|error| Failure::Io { what, error })?;
    if input.len() as u64 > most {
        let (limit, needed) = (Limit::Input, input.len() as u64);
        let needs = " or more".into();
        return Err(RunError::TooLarge {
            limit,
            value: most,
            needed,
            needs,
        }
        .into());
    }
    Ok(input.into())
}
