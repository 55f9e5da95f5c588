//! Why a command failed, and what that means for the exit code: 2 for what was
//! typed wrong, 1 for what failed while running, 130 for Ctrl-C.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::error::{ContextKind, ErrorKind};
use cocoon::RunError;
use cocoon::command::ProgramError;
use cocoon::component::ComponentError;
use cocoon::engine::EngineError;
use cocoon::http::access::AccessError;
use cocoon::telemetry::TelemetryError;

use super::config::ConfigError;

/// The end of a command that is not done.
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
    /// What clap says of arguments that are read while a command runs.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    #[error("{what}: {error}")]
    Io { what: String, error: io::Error },
    #[error(
        "the limit of processes and threads is {most}, and {needed} are needed; `docker run --pids-limit`, \
         or the cgroup's `pids.max`, raises it"
    )]
    Threads { most: u64, needed: u64 },
    /// What failed is told already.
    #[error("{0}")]
    Programs(String),
    /// What is wrong is the result of the command, and printed.
    #[error("the digits are wrong")]
    Wrong,
    #[error("interrupted")]
    Interrupted,
    /// The reader of our output left. That is its right, and no error.
    #[error("nobody reads the output")]
    ReaderGone,
}

impl From<ProgramError> for Failure {
    fn from(error: ProgramError) -> Self {
        match error {
            ProgramError::Component(error) => Self::Component(error),
            ProgramError::Run(error) => Self::Run(error),
        }
    }
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Self::ReaderGone => 0,
            Self::Run(RunError::Malformed(_)) | Self::Config(_) | Self::Usage(_) => 2,
            Self::Interrupted => 130,
            Self::Run(_)
            | Self::Component(_)
            | Self::Engine(_)
            | Self::Telemetry(_)
            | Self::Access(_)
            | Self::Io { .. }
            | Self::Threads { .. }
            | Self::Wrong
            | Self::Programs(_) => 1,
        }
    }
}

/// What others say can be long.
const LINE_CHARS_MAX: usize = 2000;

/// Says one line on standard error. Where that cannot be written, nobody is left to tell.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stderr(), "cocoon: {line}");
}

/// Tells how the command ended.
pub(crate) fn report(ended: Result<(), Failure>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(error)) => usage(&error),
        Err(failure) => {
            if !matches!(failure, Failure::ReaderGone | Failure::Wrong) {
                say(&one_line(&failure.to_string()));
            }
            failure.exit_code().into()
        }
    }
}

/// Tells what was typed wrong, in one line, or prints the help that was asked
/// for.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        return match error.print() {
            Err(failed) if failed.kind() != io::ErrorKind::BrokenPipe => {
                say(&format!("cannot write the help: {failed}"));
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
        (ContextKind::ValidValue, "it must be one of"),
    ]
    .into_iter()
    .filter(|(_, says)| !wrong.contains("[possible values") || *says == "did you mean")
    .find_map(|(kind, says)| {
        let value = error.get(kind)?.to_string();
        (!value.is_empty()).then(|| format!("; {says} `{value}`"))
    })
    .unwrap_or_default();
    say(&format!("{wrong}{right} (`cocoon --help` tells more)"));
    ExitCode::from(2)
}

/// What is wrong, without the usage and the hints that clap adds.
pub(crate) fn wrong(error: &clap::Error) -> String {
    let text = error.render().to_string();
    // The first paragraph says it.
    let end = ["\n\nUsage:", "\n\nFor more", "\n\n  tip:"]
        .into_iter()
        .filter_map(|rest| text.find(rest))
        .min();
    let wrong = one_line(&text[..end.unwrap_or(text.len())]);
    wrong.strip_prefix("error: ").unwrap_or(&wrong).to_owned()
}

/// `text` without line breaks and other control characters, which may come from
/// what was typed or from a component.
pub(crate) fn one_line(text: &str) -> String {
    let words: Vec<_> = text
        .split(|char: char| char.is_whitespace() || char.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    let mut line: String = words
        .join(" ")
        .chars()
        // Marks of directions would have a terminal show another line.
        .filter(|char| !matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
        .collect();
    let chars = line.chars().count();
    if chars > LINE_CHARS_MAX {
        // What would be right is said in the end.
        let place = |char: usize| line.char_indices().nth(char).map_or(0, |(place, _)| place);
        let middle = place(LINE_CHARS_MAX / 2)..place(chars - LINE_CHARS_MAX / 2);
        line.replace_range(middle, "…");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_others_say_is_one_line_of_bounded_length() {
        assert_eq!(one_line(" a\nb\u{1b}[0m\u{202e}c  d "), "a b [0mc d");
        let long = one_line(&"é".repeat(10_000));
        assert_eq!(long.chars().count(), LINE_CHARS_MAX + 1);
        assert!(long.starts_with('é') && long.contains("é…é") && long.ends_with('é'));
    }
}
