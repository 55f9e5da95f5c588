//! Failures of commands and their exit codes: 2 for an invalid command line, 1 for a failure
//! at run time, 130 for Ctrl-C. `exec` has further ones.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::error::{ContextKind, ErrorKind};
use cocoon::RunError;
use cocoon::component::ComponentError;
use cocoon::engine::EngineError;
use cocoon::http::server::AccessError;
use cocoon::telemetry::TelemetryError;

use super::announce;
use super::backtrace::Backtraces;
use super::config::ConfigError;
use super::message::{one_line, wrong};

/// The failure of a command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Component(#[from] ComponentError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[cfg(feature = "queue")]
    #[error(transparent)]
    Queue(#[from] cocoon::queue::QueueError),
    /// Arguments that a command parses itself are invalid, or conflict.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    #[error("{what}: {error}")]
    Io { what: String, error: io::Error },
    #[error(
        "expected a limit of at least {needed} processes and threads, got {most}; use `docker run --pids-limit` \
         or the cgroup's `pids.max` to raise it"
    )]
    Threads { most: u64, needed: u64 },
    #[error(
        "expected a limit of at least {needed} open files, got {most}; use `ulimit -n` to raise it"
    )]
    Descriptors { most: u64, needed: u64 },
    /// Components or connections failed; the text has their number and the reason.
    #[error("{0}")]
    Programs(String),
    /// The only program of the command exited with another code than 0, or did not exit; the
    /// error explains that. A program that exits explains its code itself.
    #[error("{}", .error.as_deref().unwrap_or("the program failed"))]
    Program { code: u8, error: Option<String> },
    /// A failure of the command itself, with an exit code that programs rarely have.
    #[error("{failure}")]
    Own { code: u8, failure: Box<Failure> },
    /// The command checked digits and reported them as wrong on its output.
    #[error("wrong digits")]
    Wrong,
    #[error("interrupted")]
    Interrupted,
    /// As [`Failure::Programs`], before Ctrl-C.
    #[error("interrupted; {0}")]
    InterruptedAfter(String),
    /// The reader of the output closed its end; the command ends without a message.
    #[error("the reader of the output is gone")]
    ReaderGone,
}

impl Failure {
    /// The kind of failure as one word, for traces.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Run(error) => error.name(),
            Self::Component(_) => "component",
            Self::Engine(_) => "engine",
            Self::Telemetry(_) => "telemetry",
            Self::Access(_) => "access",
            Self::Config(_) => "config",
            #[cfg(feature = "queue")]
            Self::Queue(_) => "queue",
            Self::Usage(_) => "usage",
            Self::Io { .. } => "io",
            Self::Threads { .. } => "threads",
            Self::Descriptors { .. } => "descriptors",
            Self::Programs(_) => "programs",
            Self::Program { .. } => "program",
            Self::Own { failure, .. } => failure.name(),
            Self::Wrong => "wrong",
            Self::Interrupted | Self::InterruptedAfter(_) => "interrupted",
            Self::ReaderGone => "reader_gone",
        }
    }

    /// A failure of the command itself with the exit code `code` in place of 1. The failures of
    /// its programs keep theirs.
    #[must_use]
    pub(crate) fn own(self, code: u8) -> Self {
        match self {
            Self::Programs(_) => self,
            failure if failure.exit_code() == 1 && !matches!(failure, Self::Program { .. }) => {
                Self::Own {
                    code,
                    failure: Box::new(failure),
                }
            }
            failure => failure,
        }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::ReaderGone => 0,
            Self::Run(RunError::Malformed(_)) | Self::Config(_) | Self::Usage(_) => 2,
            Self::Interrupted | Self::InterruptedAfter(_) => 130,
            Self::Program { code, .. } | Self::Own { code, .. } => *code,
            #[cfg(feature = "queue")]
            Self::Queue(_) => 1,
            Self::Run(_)
            | Self::Component(_)
            | Self::Engine(_)
            | Self::Telemetry(_)
            | Self::Access(_)
            | Self::Io { .. }
            | Self::Threads { .. }
            | Self::Descriptors { .. }
            | Self::Wrong
            | Self::Programs(_) => 1,
        }
    }
}

/// Prints one line on standard error. A failed write is ignored.
pub(crate) fn say(line: &str) {
    announce("INFO", line);
}

/// Prints an error as [`say`] does.
fn complain(line: &str) {
    announce("ERROR", line);
}

fn announce(level: &str, text: &str) {
    let line = if announce::is_json() {
        announce::json_line(level, text, serde_json::Map::new())
    } else {
        format!("cocoon: {text}\n")
    };
    // A single write keeps lines of several threads apart.
    let _ = io::stderr().write_all(line.as_bytes());
}

/// Prints the error of a failed command and returns the exit code. `help` is the command that
/// prints the help for errors in arguments.
pub(crate) fn report(result: Result<(), Failure>, help: &str) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(error)) => usage(&error, help),
        Err(failure) => {
            if let Failure::Run(error) = &failure {
                Backtraces::default().print(error, None);
            }
            let is_silent = matches!(
                failure,
                Failure::ReaderGone | Failure::Wrong | Failure::Program { error: None, .. }
            );
            if !is_silent {
                complain(&one_line(&failure.to_string()));
            }
            failure.exit_code().into()
        }
    }
}

/// Prints the requested help, or an error in arguments on one line with the command that prints
/// the help.
pub(crate) fn usage(error: &clap::Error, help: &str) -> ExitCode {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        return match error.print() {
            Err(failed) if failed.kind() != io::ErrorKind::BrokenPipe => {
                complain(&format!("cannot write the help: {failed}"));
                ExitCode::FAILURE
            }
            _ => u8::try_from(error.exit_code()).unwrap_or(2).into(),
        };
    }
    let wrong = wrong(error);
    let right = [
        (ContextKind::SuggestedArg, "did you mean"),
        (ContextKind::SuggestedSubcommand, "did you mean"),
        (ContextKind::SuggestedValue, "did you mean"),
        (ContextKind::ValidValue, "expected one of"),
    ]
    .into_iter()
    .filter(|(_, says)| !wrong.contains("[possible values") || *says == "did you mean")
    .find_map(|(kind, says)| {
        let values = error.get(kind)?.to_string();
        let or = if says == "did you mean" {
            "` or `"
        } else {
            "`, `"
        };
        (!values.is_empty()).then(|| format!("; {says} `{}`", values.replace(", ", or)))
    })
    .unwrap_or_default();
    complain(&format!("{wrong}{right} (see `{help}`)"));
    ExitCode::from(2)
}
