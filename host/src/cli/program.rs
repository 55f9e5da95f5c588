//! The subcommands, and the path from the arguments to an exit code.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use cocoon::telemetry::{self, Exports, LogFormat};

use super::arguments::CommandLine;
use super::config::Settings;
use super::log::log_filter;
#[cfg(feature = "queue")]
use super::runtime::workers;
use super::runtime::{nice_workers, run, run_here, run_to_end, run_uninterrupted};
use super::{announce, commands, config, failure};

/// Runs WebAssembly components as coroutines, each in its own sandbox.
///
/// The built-in component computes exact factorials.
#[derive(Debug, Parser)]
#[command(name = "cocoon", version, about, max_term_width = 100)]
struct Cli {
    /// Read settings of the commands from FILE, in TOML with long flags as keys; flags and variables take precedence
    #[arg(long, global = true, value_name = "FILE", env = config::VARIABLE, hide_env_values = true)]
    config: Option<PathBuf>,
    /// Format of messages and of the log on standard error: text or json
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
    /// Print each kind of factorial of N, one per line
    Kinds(commands::kinds::Kinds),
    /// Print the number of digits, the trailing zeros, the leading digits and the memory of N! without computing it
    Info(commands::info::Info),
    /// Check the digits of N! in a file without computing N!
    Verify(commands::verify::Verify),
    /// Serve a handler, or factorials, over HTTP, each request from a fresh sandbox
    Serve(commands::serve::Serve),
    /// Probe a service; the exit code is 1 unless the response is a success
    Health(commands::health::Health),
    /// Run a program of WASI, in one or many instances
    Exec(commands::exec::Exec),
    /// Run the instances of batches in a queue, until SIGTERM
    #[cfg(feature = "queue")]
    Worker(commands::worker::Worker),
    /// List, show, read, cancel or remove batches in a queue
    #[cfg(feature = "queue")]
    Queue(commands::queue::QueueCommand),
    /// Compile a component into the cache of code, so that it starts at once
    Compile(commands::compile::Compile),
    /// Call an exported function of a component, such as `f(1, "text")`, and print its results
    Call(commands::call::Call),
    /// Print the kind, world, imports, exports and needs of a component or core module
    Inspect(commands::inspect::Inspect),
    /// Print the settings of a command on this machine, and the source of each
    Config(commands::config::Config),
    /// Print a completion script for a shell
    Completions(commands::completions::Completions),
    /// Print the manual page in roff, or write one page for each command into a folder
    Man(commands::man::Man),
}

impl Command {
    /// The spans that the command exports.
    fn exports(&self) -> Exports {
        match self {
            Self::Run(_)
            | Self::Compute(_)
            | Self::Kinds(_)
            | Self::Info(_)
            | Self::Verify(_)
            | Self::Exec(_)
            | Self::Compile(_)
            | Self::Call(_)
            | Self::Inspect(_) => Exports::Command,
            #[cfg(feature = "queue")]
            Self::Worker(_) => Exports::Requests,
            #[cfg(feature = "queue")]
            Self::Queue(_) => Exports::Nothing,
            Self::Serve(_) => Exports::Requests,
            Self::Health(_) | Self::Config(_) | Self::Completions(_) | Self::Man(_) => {
                Exports::Nothing
            }
        }
    }
}

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let command = Cli::command();
    let line = CommandLine::of(&command, &arguments);
    let help = &line.help();
    announce::guess_format(line.own);
    let mut settings = match Settings::load(&command, line.own) {
        Ok(settings) => settings,
        Err(error) => {
            return match Cli::try_parse() {
                // Help works with an invalid file, too.
                Err(requested) if !requested.use_stderr() => failure::usage(&requested, help),
                _ => failure::report(Err(error.into()), help),
            };
        }
    };
    let cli = settings
        .parse(&command, &arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match cli {
        Ok(cli) => cli,
        Err(error) => return failure::usage(&error.format(&mut Cli::command()), help),
    };
    announce::set_format(cli.log_format);
    let (logs_requests, logs_handlers) = match &cli.command {
        Command::Serve(command) => {
            let has_routes = !settings.routes().is_empty();
            let logs_handlers = has_routes || command.logs_handlers();
            (command.logs_requests(), logs_handlers)
        }
        _ => (false, false),
    };
    let started = log_filter(logs_requests, logs_handlers)
        .and_then(|filter| telemetry::start(cli.log_format, &filter, cli.command.exports()));
    let _telemetry = match started {
        Ok(telemetry) => telemetry,
        Err(error) => return failure::report(Err(error.into()), help),
    };
    config::report_unknown(&command);
    let result = match cli.command {
        Command::Run(command) => run("run", command.run()),
        Command::Compute(command) => run("compute", command.run()),
        Command::Kinds(command) => run("kinds", command.run()),
        Command::Info(command) => run("info", command.run()),
        Command::Verify(command) => run("verify", command.run()),
        Command::Serve(command) => {
            run_to_end(&mut nice_workers(), command.run(settings, Cli::command))
        }
        Command::Health(command) => run_here(command.run()),
        // Where its runtime does not start, too.
        Command::Exec(command) => {
            run_uninterrupted("exec", command.run()).map_err(commands::exec::Exec::own)
        }
        #[cfg(feature = "queue")]
        Command::Worker(command) => run_to_end(&mut workers(), command.run()),
        #[cfg(feature = "queue")]
        Command::Queue(command) => {
            run_uninterrupted("queue", command.run()).map_err(commands::exec::Exec::own)
        }
        Command::Compile(command) => run("compile", command.run()),
        Command::Call(command) => run("call", command.run()),
        Command::Inspect(command) => run("inspect", command.run()),
        Command::Config(command) => command.run(settings, Cli::command()),
        Command::Completions(command) => command.run(Cli::command()),
        Command::Man(command) => command.run(Cli::command()),
    };
    failure::report(result, help)
}
