//! The summary of how the instances of `cocoon exec` ended.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use cocoon::text::counted;

use super::exit_code;
use super::outcome::{Ending, Outcome};
use crate::cli::failure::{Failure, say};

/// The number of instances that the summary names for each exit code or error.
const NAMED: usize = 5;
/// The most exit codes and errors with a counter of their own. Components choose both.
const COUNTED: usize = 100;

/// The name of all other exit codes and errors.
const OTHER: &str = "other exit codes or errors";

/// Exit codes and errors, each with its first instances.
#[derive(Default)]
pub(in crate::cli::commands) struct Summary {
    succeeded: u64,
    /// Instances that Ctrl-C or `--fail-fast` ended.
    ended: u64,
    others: BTreeMap<String, BTreeSet<u64>>,
    counts: BTreeMap<String, u64>,
}

impl Summary {
    pub(in crate::cli::commands) fn add(&mut self, outcome: &Outcome) {
        let how = match &outcome.ending {
            Ending::Exit(0) => {
                self.succeeded += 1;
                return;
            }
            Ending::Ended => {
                self.ended += 1;
                return;
            }
            Ending::Exit(code) => format!("exit code {code}"),
            Ending::Error(error) => error.to_string(),
        };
        let has_counter = self.counts.len() < COUNTED || self.counts.contains_key(&how);
        let how = if has_counter { how } else { OTHER.to_owned() };
        *self.counts.entry(how.clone()).or_default() += 1;
        // The lowest numbers, in whatever order instances end.
        let named = self.others.entry(how).or_default();
        named.insert(outcome.instance);
        if named.len() > NAMED {
            named.pop_last();
        }
    }

    /// Instances that failed by themselves.
    pub(in crate::cli::commands) fn failed(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Instances that ended.
    pub(in crate::cli::commands) fn done(&self) -> u64 {
        self.succeeded + self.ended + self.failed()
    }

    /// Prints the number of instances that succeeded. `all` is `None` if it is unknown how many
    /// there would have been after `started`.
    pub(in crate::cli::commands) fn say(&self, started: u64, all: Option<u64>) {
        let mut text = format!(
            "{} of {} instances succeeded",
            self.succeeded,
            all.unwrap_or(started)
        );
        let left = all.unwrap_or(started).saturating_sub(started);
        let unknown = started.saturating_sub(self.done());
        for (count, what) in [
            (
                self.failed() * u64::from(self.ended + left + unknown > 0),
                "failed",
            ),
            (self.ended + unknown, "ended early"),
            (left, "not started"),
        ] {
            if count > 0 {
                // Writing to a string never fails.
                let _ = write!(text, ", {count} {what}");
            }
        }
        say(&text);
    }

    /// Fails if one of several instances failed, with their number for each kind of failure.
    pub(in crate::cli::commands) fn result(&self) -> Result<(), Failure> {
        if self.others.is_empty() {
            return Ok(());
        }
        let mut parts = Vec::new();
        for (how, named) in &self.others {
            let count = self.counts.get(how).copied().unwrap_or_default();
            let names: Vec<_> = named.iter().map(u64::to_string).collect();
            let more = if count > named.len() as u64 {
                ", …"
            } else {
                ""
            };
            parts.push(format!(
                "{} ({}{more}): {how}",
                counted(count, "instance", "instances"),
                names.join(", ")
            ));
        }
        Err(Failure::Programs(parts.join("; ")))
    }
}

/// The result of this command for its only instance: its exit code, and the error that stopped
/// it.
pub(in crate::cli::commands) fn result_of_one(outcome: &Outcome) -> Result<(), Failure> {
    let (code, error) = match &outcome.ending {
        Ending::Exit(0) => return Ok(()),
        Ending::Exit(code) => (exit_code::of_exit(*code), None),
        Ending::Error(error) => (exit_code::of_error(error), Some(error.to_string())),
        Ending::Ended => return Err(Failure::Interrupted),
    };
    Err(Failure::Program { code, error })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_summary_holds_a_bounded_number_of_exit_codes() {
        let mut summary = Summary::default();
        for code in 1_i32..=1000 {
            summary.add(&Outcome {
                instance: code.unsigned_abs().into(),
                ending: Ending::Exit(code),
                elapsed: Duration::ZERO,
                memory_bytes: None,
                output_bytes: [0; 2],
                attempts: 1,
            });
        }
        assert_eq!(summary.counts.len(), COUNTED + 1);
        assert_eq!(summary.failed(), 1000);
        assert_eq!(summary.counts[OTHER], 900);
        assert_eq!(summary.others.len(), COUNTED + 1);
    }
}
