//! `cocoon exec`: runs many instances of any component of `wasi:cli`, each in its own sandbox.

mod arguments;
pub(super) mod exit_code;
mod input;
mod instance;
mod jobs;
mod lanes;
mod lines;
mod order;
mod outcome;
mod output;
mod pieces;
mod progress;
mod record;
mod results;
mod shard;
mod sink;
mod spool;
mod summary;

use std::io::{IsTerminal as _, stderr, stdout};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, ValueHint};
use cocoon::component::{Component, Location};
use cocoon::engine::Engine;
use cocoon::limits::{INTERRUPT_PATIENCE, Limit};
use cocoon::pool::Pool;
use cocoon::worlds::command;
use futures::FutureExt as _;
use tokio::time::{MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use self::arguments::Arguments;
use self::input::{Input, STDIN};
use self::instance::Batch;
use self::jobs::{Jobs, Source};
use self::lines::Lines;
use self::output::{Printer, Style};
use self::progress::Progress;
use self::results::Results;
use self::shard::{Shard, shard};
use super::exec_grants::GrantArgs;
use crate::cli::announce;
use crate::cli::code_args::{CodeArgs, show_compiling};
use crate::cli::component_args::RegistryArgs;
use crate::cli::denied::report_denied;
use crate::cli::failure::Failure;
use crate::cli::limits::{LimitArgs, Promiseless};
use crate::cli::output_folder::OutputFolder;
use crate::cli::paths::shown;
use crate::cli::signals::Signals;
use crate::cli::trace;
use crate::cli::values::{location, number_u32, positive};

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
    #[command(flatten)]
    grants: GrantArgs,
    #[command(flatten)]
    registries: RegistryArgs,
    #[command(flatten)]
    code: CodeArgs,
    #[command(flatten)]
    limits: LimitArgs<Promiseless>,
}

/// Everything that runs instances.
struct Prepared {
    batch: Arc<Batch>,
    jobs: Jobs,
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
        let (is_single, quiet) = (self.is_single(), self.quiet);
        let Prepared {
            batch,
            jobs,
            concurrency,
            has_progress,
        } = tokio::select! {
            biased;
            () = signals.next() => return Err(Failure::Interrupted),
            prepared = self.prepare() => prepared?,
        };
        let all = jobs.all();
        let jobs = Arc::new(jobs);
        if let Some(all) = all {
            trace::instances(all);
        }
        let mut progress = Progress::new(all);
        let mut ticks = interval(progress::TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Set by the first Ctrl-C.
        let mut give_up = None;
        let mut running = std::pin::pin!(lanes::run(
            Arc::clone(&batch),
            Arc::clone(&jobs),
            concurrency
        ));
        loop {
            tokio::select! {
                biased;
                () = signals.next() => {
                    if give_up.is_some() {
                        return Err(Failure::Interrupted);
                    }
                    batch.end.cancel();
                    give_up = Some(tokio::time::Instant::now() + INTERRUPT_PATIENCE);
                }
                () = reached(give_up), if give_up.is_some() => break,
                ended = &mut running => {
                    ended?;
                    break;
                }
                _ = ticks.tick(), if !is_single => {
                    // Where a reader is slow, there is no need.
                    if let Some(pushed) = batch.printer.push().now_or_never() {
                        pushed?;
                    }
                    if !has_progress {
                        continue;
                    }
                    let (now, started) = (Instant::now(), jobs.started());
                    let (done, failed) = {
                        let summary = &batch.results.ended().summary;
                        (summary.done(), summary.failed())
                    };
                    let line = progress.line(now, started, done, failed);
                    batch.printer.show_progress(&line).await?;
                }
            }
        }
        let started = jobs.started();
        match give_up {
            None => batch.printer.finish().await?,
            // Without a reader, the output waits forever.
            Some(give_up) => drop(tokio::time::timeout_at(give_up, batch.printer.finish()).await),
        }
        if all.is_none() {
            trace::instances(started);
        }
        let ended = batch.results.ended();
        if is_single {
            return match &ended.last {
                Some(outcome) if give_up.is_none() => summary::result_of_one(outcome),
                _ => Err(Failure::Interrupted),
            };
        }
        if !quiet {
            ended.summary.say(started, all);
        }
        match (ended.summary.result(), give_up) {
            (result, None) => result,
            (Ok(()), Some(_)) => Err(Failure::Interrupted),
            (Err(failure), Some(_)) => Err(Failure::InterruptedAfter(failure.to_string())),
        }
    }

    /// Whether there is one instance, which has this command's standard streams.
    fn is_single(&self) -> bool {
        self.instances == 1 && !self.lines && self.shard.is_none()
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
        let batch = Batch {
            component,
            pool,
            grants,
            arguments: Arguments::new(name, self.arguments),
            input,
            printer: Printer::new(style, shard, self.json)?,
            stdout_is_terminal: is_plain && stdout().is_terminal(),
            stderr_is_terminal: is_plain && stderr().is_terminal(),
            retries: self.retries,
            results: Results::default(),
            is_single,
            fail_fast: self.fail_fast,
            end: CancellationToken::new(),
        };
        Ok(Prepared {
            batch: Arc::new(batch),
            jobs: Jobs::new(source, shard, self.ordered),
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

async fn reached(instant: Option<tokio::time::Instant>) {
    if let Some(instant) = instant {
        sleep_until(instant).await;
    }
}
