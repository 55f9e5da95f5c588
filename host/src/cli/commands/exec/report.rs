//! The printed side of a batch: outputs, records and the summary.

use tokio_util::sync::CancellationToken;

use super::outcome::{Ending, Outcome};
use super::output::Printer;
use super::results::Results;
use crate::cli::failure::Failure;

/// The data that all results of a batch share.
pub(in crate::cli::commands) struct Report {
    pub(in crate::cli::commands) printer: Printer,
    pub(in crate::cli::commands) results: Results,
    /// Whether there is one instance, which has this command's standard streams.
    pub(in crate::cli::commands) is_single: bool,
    pub(in crate::cli::commands) fail_fast: bool,
    /// Cancelled by Ctrl-C, `--fail-fast` or a failure of this command's own: all instances end.
    pub(in crate::cli::commands) end: CancellationToken,
}

impl Report {
    /// Adds the result of an instance.
    ///
    /// # Errors
    ///
    /// If standard output fails.
    pub(in crate::cli::commands) async fn add(&self, outcome: Outcome) -> Result<(), Failure> {
        if self.fail_fast && outcome.ending.is_failure() {
            self.end.cancel();
        }
        if let Ending::Error(_) = &outcome.ending {
            // Its backtrace follows what the program itself wrote.
            self.printer.finish().await?;
        }
        self.results.add(outcome, self.is_single);
        Ok(())
    }
}
