//! `cocoon exec`: runs many instances of any component of `wasi:cli`, each in its own sandbox.

pub(super) mod arguments;
mod batch;
pub(super) mod exit_code;
pub(super) mod input;
pub(super) mod instance;
pub(super) mod jobs;
pub(super) mod lanes;
pub(super) mod lines;
pub(super) mod order;
pub(super) mod outcome;
pub(super) mod output;
pub(super) mod outputs;
mod pieces;
mod progress;
#[cfg(feature = "queue")]
pub(super) mod reader;
mod record;
pub(super) mod report;
pub(super) mod results;
pub(super) mod shard;
mod sink;
pub(super) mod spool;
#[cfg(feature = "queue")]
pub(super) mod submit;
mod summary;
pub(super) mod watch;

use std::io::{IsTerminal as _, stderr, stdout};
use std::path::PathBuf;
use std::sync::Arc;

#[cfg(feature = "queue")]
use clap::error::ErrorKind;
use clap::{Args, ValueHint};
use cocoon::component::{Component, Location};
use cocoon::engine::Engine;
use cocoon::limits::Limit;
use cocoon::pool::Pool;
#[cfg(feature = "queue")]
use cocoon::queue::Address;
use cocoon::worlds::command;
use tokio_util::sync::CancellationToken;

use self::arguments::Arguments;
use self::batch::Batch;
use self::input::{Input, STDIN};
use self::instance::Programs;
use self::jobs::{Jobs, Source};
use self::lines::Lines;
use self::output::{Printer, Style};
use self::report::Report;
use self::results::Results;
use self::shard::{Shard, shard};
#[cfg(feature = "queue")]
use self::submit::{Description, Print, Submission};
use self::watch::Watch;
use super::exec_grants::GrantArgs;
#[cfg(feature = "queue")]
use super::queue_args::QueueArgs;
use crate::cli::announce;
use crate::cli::code_args::{CodeArgs, show_compiling};
use crate::cli::component_args::RegistryArgs;
use crate::cli::denied::report_denied;
use crate::cli::failure::Failure;
use crate::cli::limits::{self, LimitArgs};
use crate::cli::output_folder::OutputFolder;
use crate::cli::paths::shown;
use crate::cli::signals::Signals;
use crate::cli::values::{location, number_u32, positive};

/// The limits that a batch in a queue asks its workers for.
#[cfg(feature = "queue")]
pub(super) const OF_INSTANCES: [Limit; 9] = [
    Limit::SandboxMemory,
    Limit::Deadline,
    Limit::Output,
    Limit::Stack,
    Limit::HostCall,
    Limit::Files,
    Limit::Resources,
    Limit::TableElements,
    Limit::SandboxThreads,
];

#[derive(Debug, Args)]
#[command(after_help = exit_code::HELP)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(crate) struct Exec {
    /// Component that exports `wasi:cli/run`, or core module of WASI preview 1: a file or `oci://REFERENCE`
    #[arg(value_name = "FILE", value_parser = location(), value_hint = ValueHint::FilePath)]
    component: Location,
    /// Arguments of the component, from the first positional argument after FILE or from `--` on; `{i}` is the number of the instance, from 1, and `{line}` its line of --lines
    #[arg(trailing_var_arg = true, value_name = "ARGS")]
    arguments: Vec<String>,
    /// Number of instances, each in its own sandbox
    #[arg(short = 'n', long, default_value_t = 1, value_name = "N", value_parser = positive::<u64>)]
    instances: u64,
    /// Run only share I of N, from 1: the instances I, I + N, I + 2 N and so on; `auto` is the index of a pod of an Indexed Job
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<Shard>,
    /// Number of instances that run at once [default: as many as the limits allow]
    #[arg(short, long, value_name = "C", value_parser = positive::<u32>)]
    concurrency: Option<u32>,
    /// Send this command's standard input to the instances: a single one reads it by default, several read all of it
    #[arg(short, long, conflicts_with = "stdin")]
    interactive: bool,
    /// Send all of FILE to the standard input of each instance
    #[arg(long, value_name = "FILE")]
    stdin: Option<PathBuf>,
    /// Run an instance for each line of standard input or of --stdin FILE; without `{line}` in ARGS, the line is its standard input
    #[arg(long, conflicts_with = "instances")]
    lines: bool,
    /// Print a JSON object for each end of an instance and for each line of output, as `text`, or as `base64` if it is
    /// not UTF-8; `"partial": true` means that no newline follows
    #[arg(long)]
    json: bool,
    /// Write the output of instance I unchanged to DIR/I.out and DIR/I.err, and remove those of earlier runs
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// Print the outputs in the order of the instances; without it, they are printed as they come
    #[arg(long)]
    ordered: bool,
    /// Start no instance after one has failed, and end those that run
    #[arg(long)]
    fail_fast: bool,
    /// Repeat an instance up to N times that exits with another code than 0, traps or passes its deadline; outputs are printed after the last attempt
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = number_u32)]
    retries: u32,
    /// Print neither a summary nor the progress; errors stay
    #[arg(short, long)]
    quiet: bool,
    /// Name of the batch in --queue [default: that of the component with random digits]
    #[cfg(feature = "queue")]
    #[arg(long, value_name = "NAME", requires = "queue", value_parser = batch_name)]
    name: Option<String>,
    /// Submit all input to --queue, print the name of the batch and end; `cocoon queue results` prints the results
    #[cfg(feature = "queue")]
    #[arg(long, requires = "queue", conflicts_with = "fail_fast")]
    detach: bool,
    #[cfg(feature = "queue")]
    #[command(flatten)]
    queue: QueueArgs,
    #[command(flatten)]
    grants: GrantArgs,
    #[command(flatten)]
    registries: RegistryArgs,
    #[command(flatten)]
    code: CodeArgs,
    #[command(flatten)]
    limits: LimitArgs<limits::Batch>,
}

/// Everything that runs instances.
struct Prepared {
    batch: Arc<Batch>,
    concurrency: usize,
    has_progress: bool,
}

impl Exec {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        self.run_to_end().await.map_err(Self::own)
    }

    /// A failure with the exit code of this command's own.
    pub(crate) fn own(failure: Failure) -> Failure {
        failure.own(exit_code::OWN)
    }

    async fn run_to_end(self) -> Result<(), Failure> {
        let mut signals = Signals::listen()?;
        #[cfg(feature = "queue")]
        if let Some(address) = self.queue.address()? {
            let submission = tokio::select! {
                biased;
                () = signals.next() => return Err(Failure::Interrupted),
                submission = self.submission(address) => submission?,
            };
            return Box::pin(submission.run(&mut signals)).await;
        }
        let quiet = self.quiet;
        let Prepared {
            batch,
            concurrency,
            has_progress,
        } = tokio::select! {
            biased;
            () = signals.next() => return Err(Failure::Interrupted),
            prepared = self.prepare() => prepared?,
        };
        let running = lanes::run(Arc::clone(&batch), concurrency);
        let watch = Watch {
            report: &batch.report,
            all: batch.jobs.all(),
            started: &|| batch.jobs.started(),
            has_progress,
            quiet,
        };
        watch.until_end(&mut signals, running).await
    }

    /// Whether there is one instance, which has this command's standard streams.
    fn is_single(&self) -> bool {
        self.instances == 1 && !self.lines && self.shard.is_none()
    }

    #[cfg(feature = "queue")]
    async fn submission(self, address: Address) -> Result<Submission, Failure> {
        if self.shard.is_some() {
            let error =
                "expected one of --queue and --shard, got both; workers share a batch of a queue";
            return Err(clap::Error::raw(ErrorKind::ArgumentConflict, error).into());
        }
        self.grants.check_names()?;
        let limits = &self.limits.limits;
        let source = match &self.component {
            // Workers pull it.
            Location::Registry(reference) if reference.digest().is_some() => None,
            component => Some(self.registries.source(Some(component), limits).await?),
        };
        let input_max = limits.bytes(Limit::Input);
        let (stdin, lines) = match self.stdin {
            Some(path) if self.lines => {
                let lines = Lines::new(input::open(&path).await?, shown(&path), input_max);
                (None, Some(lines))
            }
            None if self.lines => (
                None,
                Some(Lines::new(input::stdin()?, STDIN.to_owned(), input_max)),
            ),
            Some(path) => (
                Some(submit::read_stdin(Some(&path), input_max).await?),
                None,
            ),
            None if self.interactive => (Some(submit::read_stdin(None, input_max).await?), None),
            None => (None, None),
        };
        let mut asked = self.grants.asked();
        // The other limits are the worker's own.
        let given = self
            .limits
            .given
            .iter()
            .filter(|limit| OF_INSTANCES.contains(limit));
        asked.limits = given
            .map(|&limit| (limit.spec().flag.to_owned(), limits.get(limit)))
            .collect();
        let description = Description {
            program: self.component.name(),
            arguments: self.arguments,
            lines: self.lines,
            instances: self.instances,
            ordered: self.ordered,
            retries: self.retries,
            asked,
        };
        Ok(Submission {
            address,
            name: self.name,
            is_detached: self.detach,
            batch: description.batch(limits)?,
            location: self.component,
            source,
            component_bytes_max: limits.bytes(Limit::ComponentSize),
            stdin,
            lines,
            print: Print {
                json: self.json,
                output_dir: self.output_dir,
                fail_fast: self.fail_fast,
                quiet: self.quiet,
            },
        })
    }

    async fn prepare(self) -> Result<Prepared, Failure> {
        let is_single = self.is_single();
        let instances = if self.lines { u64::MAX } else { self.instances };
        let shard = self.shard.unwrap_or(Shard::ALL);
        let grants = self.grants;
        grants.check()?;
        let limits = &self.limits.limits;
        let is_deterministic = grants.is_deterministic();
        let engine = self
            .code
            .engine_for_programs(limits, instances, is_deterministic)?;
        let name = self.component.name();
        let source = self
            .registries
            .source(Some(&self.component), limits)
            .await?;
        let shared = grants.shared();
        let loading = Component::load(&engine, &source, &shared);
        let component = show_compiling(&engine, loading).await?;
        report_denied(&component);
        let pool = Pool::new(&engine, component.sandboxes());
        let input_max = pool.limits().bytes(Limit::Input);
        let (input, source) = match (self.stdin, is_single) {
            (path, _) if self.lines => {
                let lines = match path {
                    Some(path) => Lines::new(input::open(&path).await?, shown(&path), input_max),
                    None => Lines::new(input::stdin()?, STDIN.to_owned(), input_max),
                };
                (Input::default(), Source::Lines(Box::new(lines.into())))
            }
            (Some(path), true) => (Input::File(path), Source::Count(1)),
            (None, true) => (Input::Stdin(input::stdin()?), Source::Count(1)),
            (Some(path), false) => {
                let file = input::open(&path).await?;
                let bytes = input::read_whole(file, &shown(&path), input_max).await?;
                (Input::Bytes(bytes), Source::Count(instances))
            }
            (None, false) if self.interactive => {
                let bytes = input::read_whole(input::stdin()?, STDIN, input_max).await?;
                (Input::Bytes(bytes), Source::Count(instances))
            }
            (None, false) => (Input::default(), Source::Count(instances)),
        };
        let style = match self.output_dir {
            Some(dir) => Style::Files(OutputFolder::create(dir)?),
            None if self.json => Style::Json,
            None if is_single => Style::Plain,
            None => Style::Prefixed,
        };
        let files_each = match style {
            Style::Files(_) => 2,
            _ => u64::from(self.retries > 0),
        };
        let concurrency = u64::from(self.concurrency.unwrap_or(u32::MAX))
            .min(component.sandboxes().into())
            .min(places(&pool, &engine, files_each))
            .max(1);
        let has_progress = !is_single
            && !self.quiet
            && stderr().is_terminal()
            // Lines of output show the progress, too.
            && (matches!(style, Style::Files(_)) || !stdout().is_terminal())
            && !announce::is_json();
        let is_plain = matches!(style, Style::Plain);
        let programs = Programs {
            component: Arc::new(component),
            pool,
            grants,
            arguments: Arguments::new(name, self.arguments),
            input,
            stdout_is_terminal: is_plain && stdout().is_terminal(),
            stderr_is_terminal: is_plain && stderr().is_terminal(),
            retries: self.retries,
        };
        let report = Report {
            printer: Printer::new(style, Some(shard), self.json)?,
            results: Results::default(),
            is_single,
            fail_fast: self.fail_fast,
            end: CancellationToken::new(),
        };
        Ok(Prepared {
            batch: Arc::new(Batch {
                programs,
                report,
                jobs: Jobs::new(source, shard, self.ordered),
            }),
            concurrency: usize::try_from(concurrency).unwrap_or(usize::MAX),
            has_progress,
        })
    }
}

/// The number of instances that have memory and descriptors at once. An instance starts when
/// both are free: a wait would use up its deadline.
fn places(pool: &Pool, engine: &Engine, files_each: u64) -> u64 {
    let files = engine.descriptors().checked_div(files_each);
    pool.places(command::need(pool.limits()))
        .min(files.unwrap_or(u64::MAX))
}

/// Parses the name of a batch.
#[cfg(feature = "queue")]
pub(super) fn batch_name(text: &str) -> Result<String, String> {
    cocoon::queue::check_name(text).map(|()| text.to_owned())
}
