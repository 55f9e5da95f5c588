//! The command line: its types, and the parts that all commands share.
//!
//! A command is a future. Ctrl-C drops it, and with it every sandbox, channel
//! and unfinished file.

mod announce;
mod commands;
mod config;
mod failure;
mod limits;
mod output;
mod stdout;
mod trace;
mod usage;
mod values;

use std::env::VarError;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueHint};
use cocoon::component::{Location, Registries, Source};
use cocoon::engine::Engine;
use cocoon::factorial::{BUNDLED, Factorial};
use cocoon::limits::{Limit, Limits};
use cocoon::machine::Machine;
use cocoon::telemetry::{self, Exports, LOG_FILTER, LogFormat, TelemetryError};

use config::Settings;
use failure::Failure;
use limits::{Commands, LimitArgs};
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::Instrument as _;
use values::location;

/// Runs WebAssembly components as coroutines, each in a sandbox of its own.
///
/// The component that comes with it computes exact factorials.
#[derive(Debug, Parser)]
#[command(name = "cocoon", version, about, max_term_width = 100)]
struct Cli {
    /// Settings of the commands, in TOML, with long flags as keys; flags and variables win over it
    #[arg(long, global = true, value_name = "FILE", env = config::VARIABLE, hide_env_values = true)]
    config: Option<PathBuf>,
    /// Format of the log on standard error: text or json
    #[arg(
        long,
        global = true,
        default_value_t,
        value_name = "FORMAT",
        env = announce::VARIABLE,
        hide_env_values = true
    )]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print 1! to N!, each from its own sandbox
    Run(commands::run::Run),
    /// Print N!, or another kind of factorial
    Compute(commands::compute::Compute),
    /// Print one line for each kind of factorial of N
    Kinds(commands::kinds::Kinds),
    /// Print digits, trailing zeros, leading digits and memory of N! without computing it
    Info(commands::info::Info),
    /// Check the digits in a file without computing N!
    Verify(commands::verify::Verify),
    /// Answer requests for factorials over HTTP, each in a fresh sandbox
    Serve(commands::serve::Serve),
    /// Probe a service; exit code 1 unless it answers with success
    Health(commands::health::Health),
    /// Run any `wasi:cli/run` component, in one or many instances
    Exec(commands::exec::Exec),
    /// Print what a component imports, exports and needs
    Inspect(commands::inspect::Inspect),
    /// Print the settings that a command would have here, and the source of each
    Config(commands::config::Config),
    /// Print a completion script for a shell
    Completions(commands::completions::Completions),
    /// Print the manual page, or write one for each command into a folder, in roff
    Man(commands::man::Man),
}

impl Command {
    /// The spans that it exports.
    fn exports(&self) -> Exports {
        match self {
            Self::Run(_)
            | Self::Compute(_)
            | Self::Kinds(_)
            | Self::Info(_)
            | Self::Verify(_)
            | Self::Exec(_)
            | Self::Inspect(_) => Exports::Command,
            Self::Serve(_) => Exports::Requests,
            Self::Health(_) | Self::Config(_) | Self::Completions(_) | Self::Man(_) => {
                Exports::Nothing
            }
        }
    }
}

/// The arguments that all commands that compute factorials share.
#[derive(Debug, Args)]
struct FactorialArgs {
    /// A component of the factorial world, in a file or at `oci://REFERENCE` [default: the built-in one]
    #[arg(long, value_name = "FILE", env = "COCOON_COMPONENT", value_parser = location(), value_hint = ValueHint::FilePath)]
    component: Option<Location>,
    /// Print a JSON object for each result instead of text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    registries: RegistryArgs,
    #[command(flatten)]
    limits: LimitArgs<Commands>,
}

/// How components are pulled from registries.
#[derive(Debug, Args)]
#[command(next_help_heading = "Registries")]
struct RegistryArgs {
    /// Keep components from registries in DIR [default: cocoon in `$XDG_CACHE_HOME` or in ~/.cache]
    #[arg(
        long,
        value_name = "DIR",
        env = "COCOON_COMPONENT_CACHE",
        hide_env_values = true
    )]
    component_cache: Option<PathBuf>,
    /// Connect to the registry without TLS, as always to one on this machine
    #[arg(long)]
    plain_http: bool,
}

impl RegistryArgs {
    /// The component there, or the built-in one.
    async fn source(
        &self,
        component: Option<&Location>,
        limits: &Limits,
    ) -> Result<Source, Failure> {
        let registries = Registries {
            plain_http: self.plain_http,
            cache: self.component_cache.clone(),
        };
        let (name, source) = match component {
            Some(component) => {
                let source = component.source(limits, &registries).await?;
                (component.name(), source)
            }
            None => ("built-in".to_owned(), BUNDLED),
        };
        trace::component(&name, &source, limits).await;
        Ok(source)
    }
}

impl FactorialArgs {
    /// Loads the component, with room for up to `sandboxes`.
    async fn load(&self, sandboxes: u64) -> Result<Factorial, Failure> {
        let engine = engine(&self.limits.limits, sandboxes)?;
        let component = self.component.as_ref();
        let source = self
            .registries
            .source(component, &self.limits.limits)
            .await?;
        Ok(Factorial::load(&engine, &source).await?)
    }
}

/// An engine with room for the sandboxes that a command uses, and no others: each costs
/// three microseconds at the start, when its stack is laid out, and again in the end.
fn engine(limits: &Limits, sandboxes: u64) -> Result<Engine, Failure> {
    let sandboxes = limits.get(Limit::Sandboxes).min(sandboxes.max(1));
    let limits = limits.clone().with(Limit::Sandboxes, sandboxes);
    Ok(Engine::new(&limits, &Machine::detect())?)
}

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    announce::guess_format(&arguments);
    let command = Cli::command();
    let mut settings = match Settings::load(&command, &arguments) {
        Ok(settings) => settings,
        Err(error) => {
            return match Cli::try_parse() {
                // Help works with a wrong file, too.
                Err(help) if !help.use_stderr() => failure::usage(&help),
                _ => failure::report(Err(error.into())),
            };
        }
    };
    let cli = settings
        .parse(&command, &arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match cli {
        Ok(cli) => cli,
        Err(error) => return failure::usage(&error.format(&mut Cli::command())),
    };
    announce::set_format(cli.log_format);
    let logs_requests = match &cli.command {
        Command::Serve(command) => command.logs_requests(),
        _ => false,
    };
    let started = log_filter(logs_requests)
        .and_then(|filter| telemetry::start(cli.log_format, &filter, cli.command.exports()));
    let _telemetry = match started {
        Ok(telemetry) => telemetry,
        Err(error) => return failure::report(Err(error.into())),
    };
    config::report_unknown(&command);
    let ended = match cli.command {
        Command::Run(command) => run("run", command.run()),
        Command::Compute(command) => run("compute", command.run()),
        Command::Kinds(command) => run("kinds", command.run()),
        Command::Info(command) => run("info", command.run()),
        Command::Verify(command) => run("verify", command.run()),
        Command::Serve(command) => run_to_end(&mut nice_workers(), command.run()),
        Command::Health(command) => run_here(command.run()),
        Command::Exec(command) => run("exec", command.run()),
        Command::Inspect(command) => run("inspect", command.run()),
        Command::Config(command) => command.run(settings, Cli::command()),
        Command::Completions(command) => command.run(Cli::command()),
        Command::Man(command) => command.run(Cli::command()),
    };
    failure::report(ended)
}

/// The variable that filters the log. It has no flag.
const LOG_VARIABLE: &str = "COCOON_LOG";

/// The targets and levels that are logged, and with them every request if
/// `logs_requests`.
fn log_filter(logs_requests: bool) -> Result<String, TelemetryError> {
    let filter = match std::env::var(LOG_VARIABLE) {
        Ok(filter) => filter,
        Err(VarError::NotPresent) => LOG_FILTER.to_owned(),
        Err(VarError::NotUnicode(filter)) => {
            return Err(TelemetryError::Filter {
                filter: failure::shown(Path::new(&filter)),
                reason: format!("{LOG_VARIABLE} is not UTF-8"),
            });
        }
    };
    Ok(if logs_requests {
        format!("{filter},{}=info", telemetry::ACCESS_TARGET)
    } else {
        filter
    })
}

/// The time that threads in a system call have at the end of the program.
const SHUTDOWN: std::time::Duration = std::time::Duration::from_millis(100);

/// Waits for Ctrl-C, for the terminal to close, or for SIGTERM.
async fn interrupted() -> Failure {
    match Signals::listen() {
        Ok(mut signals) => {
            signals.next().await;
            Failure::Interrupted
        }
        Err(failure) => failure,
    }
}

/// The signals that end a program: Ctrl-C, a closed terminal, and SIGTERM, which stops
/// containers. The kernel ends the first process of a container by a signal only if it
/// listens for it. No signal after [`Signals::listen`] is lost.
struct Signals {
    ends: [Signal; 3],
    _too_large: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::Io {
                what: "cannot wait for Ctrl-C".to_owned(),
                error,
            })
        };
        // A write beyond `ulimit -f` should fail as on a full disk. Without a listener,
        // the signal would end the program and leave a half file behind.
        let too_large = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
        Ok(Self {
            ends: [
                listen(SignalKind::interrupt())?,
                listen(SignalKind::terminate())?,
                listen(SignalKind::hangup())?,
            ],
            _too_large: listen(too_large)?,
        })
    }

    /// Waits for one of them.
    async fn next(&mut self) {
        let [pressed, terminated, hung_up] = &mut self.ends;
        tokio::select! {
            _ = pressed.recv() => {}
            _ = terminated.recv() => {}
            _ = hung_up.recv() => {}
        }
    }
}

/// Runs a command until it ends or Ctrl-C drops it, in a trace of its own.
fn run(
    name: &'static str,
    command: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    let span = trace::command(name);
    let command = unless_interrupted(command).instrument(span.clone());
    let ended = run_to_end(&mut Builder::new_multi_thread(), command);
    trace::outcome(&span, &ended);
    ended
}

/// Threads that yield to the service's own. They run the long jobs, while short answers,
/// which take microseconds, should not wait for the end of a time slice. With this, 99 %
/// of them came within 3.5 ms beside four clients that request 1,000,000!, and within 7 to
/// 12 ms without.
fn nice_workers() -> Builder {
    const NICENESS: i32 = 10;
    let mut builder = Builder::new_multi_thread();
    builder.on_thread_start(|| {
        // Of this thread alone, on Linux. Raising niceness never fails.
        let _ = rustix::process::setpriority_process(None, NICENESS);
    });
    builder
}

/// Runs a small command on this thread, since a container may allow no more threads.
fn run_here(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(no_threads)?;
    let ended = runtime.block_on(unless_interrupted(command));
    // A thread may still wait for the address of a name.
    runtime.shutdown_timeout(SHUTDOWN);
    ended
}

/// Runs the command, unless Ctrl-C drops it.
async fn unless_interrupted(
    command: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    tokio::select! {
        biased;
        failure = interrupted() => Err(failure),
        ended = command => ended,
    }
}

fn no_threads(error: std::io::Error) -> Failure {
    Failure::Io {
        what: "cannot start threads".to_owned(),
        error,
    }
}

/// Threads other than the runtime's workers, of which each processor has one: the first,
/// the ticker's, and those for blocking calls.
const OTHER_THREADS: u64 = 6;

/// Checks that a command can start its threads. Without one, the runtime would panic, and
/// might wait for ever.
fn enough_threads() -> Result<(), Failure> {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let needed = OTHER_THREADS + processors as u64;
    match cocoon::machine::threads_max() {
        Some(most) if most < needed => Err(Failure::Threads { most, needed }),
        _ => Ok(()),
    }
}

/// Runs a command that handles signals itself.
fn run_to_end(
    threads: &mut Builder,
    command: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    enough_threads()?;
    let runtime = threads.enable_all().build().map_err(no_threads)?;
    let ended = runtime.block_on(command);
    // A thread may still compile, or wait in a write without a reader. Everything else
    // is dropped before the program ends, with its files.
    runtime.shutdown_timeout(SHUTDOWN);
    ended
}
