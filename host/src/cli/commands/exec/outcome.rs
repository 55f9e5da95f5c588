//! How an instance ended, and what it used.

use std::time::Duration;

use cocoon::RunError;
use cocoon::limits::Limit;

/// The end of an instance.
pub(in crate::cli::commands) enum Ending {
    /// The program exited with this code.
    Exit(i32),
    /// The program was refused or stopped.
    Error(RunError),
    /// Ctrl-C or `--fail-fast` ended the instance.
    Ended,
}

/// The end of an instance, and what its last attempt used.
pub(in crate::cli::commands) struct Outcome {
    pub(in crate::cli::commands) instance: u64,
    pub(in crate::cli::commands) ending: Ending,
    pub(in crate::cli::commands) elapsed: Duration,
    /// The peak of memory. `None` for a program that did not start, or that was ended.
    pub(in crate::cli::commands) memory_bytes: Option<u64>,
    /// Bytes of standard output and of standard error.
    pub(in crate::cli::commands) output_bytes: [u64; 2],
    /// The number of runs, the last one included.
    pub(in crate::cli::commands) attempts: u32,
}

impl Ending {
    /// Whether the instance failed by itself.
    pub(in crate::cli::commands) fn is_failure(&self) -> bool {
        !matches!(self, Self::Exit(0) | Self::Ended)
    }

    /// Whether another attempt may succeed: a program that exited with another code than 0, trapped,
    /// was late, or found no room. Other limits would stop it again.
    pub(in crate::cli::commands) fn is_worth_a_retry(&self) -> bool {
        match self {
            Self::Exit(code) => *code != 0,
            Self::Error(error) => {
                let is_late = matches!(
                    error,
                    RunError::Stopped {
                        limit: Limit::Deadline,
                        ..
                    }
                );
                is_late || error.is_worth_a_fresh_sandbox()
            }
            Self::Ended => false,
        }
    }
}
