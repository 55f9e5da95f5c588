//! The exit codes of `cocoon exec` for one instance.

use cocoon::RunError;
use cocoon::limits::Limit;

/// The explanation in the help.
pub(super) const HELP: &str = "\
Exit codes with one instance:
  0..255  exit code of the program; 255 for a greater or negative one
  124     deadline passed
  125     failure of Cocoon itself, such as an unreadable component
  134     trap
  137     stopped by another limit, such as memory or output
Exit codes with several instances:
  0       all instances succeeded
  1       an instance failed
  125     failure of Cocoon itself
In both cases:
  2       invalid command line, configuration file or variable
  130     interrupted";

/// Failures of Cocoon itself.
pub(super) const OWN: u8 = 125;

/// The exit code for a program that exited with `code`. Systems keep the low eight bits of a code,
/// which would turn 256 into a success.
pub(in crate::cli::commands) fn of_exit(code: i32) -> u8 {
    u8::try_from(code).unwrap_or(u8::MAX)
}

/// The exit code for a program that was refused or stopped.
pub(super) fn of_error(error: &RunError) -> u8 {
    match error {
        RunError::Stopped {
            limit: Limit::Deadline,
            ..
        } => 124,
        RunError::Stopped { .. } | RunError::OverPromise { .. } => 137,
        RunError::Trapped { .. } => 134,
        RunError::Malformed(_)
        | RunError::TooLarge { .. }
        | RunError::OutOfReach(_)
        | RunError::Busy { .. }
        | RunError::Failed(_)
        | RunError::Upstream(_)
        | RunError::ReaderGone
        | RunError::WriterGone => OWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_beyond_a_byte_is_no_success() {
        for (code, expected) in [(0, 0), (7, 7), (255, 255), (256, 255), (-1, 255)] {
            assert_eq!(of_exit(code), expected, "{code}");
        }
    }
}
