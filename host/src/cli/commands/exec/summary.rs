//! The summary of how the instances of `cocoon exec` ended.

use std::collections::{BTreeMap, BTreeSet};

use cocoon::RunError;
use cocoon::text::counted;
use cocoon::worlds::command::Exit;

use crate::cli::failure::{Failure, say};

/// The number of instances that the summary names for each exit code or error.
const NAMED: usize = 5;
/// The most exit codes and errors with a counter of their own. Components choose both.
const COUNTED: usize = 100;

/// The name of all other exit codes and errors.
const OTHER: &str = "other exit codes or errors";

/// Exit codes and errors, each with its first instances.
#[derive(Default)]
pub(super) struct Summary {
    succeeded: u64,
    others: BTreeMap<String, BTreeSet<u64>>,
    counts: BTreeMap<String, u64>,
}

impl Summary {
    pub(super) fn add(&mut self, instance: u64, result: Result<Exit, RunError>) {
        let how = match result {
            Ok(Exit { code: 0, .. }) => {
                self.succeeded += 1;
                return;
            }
            Ok(Exit { code, .. }) => format!("exit code {code}"),
            Err(error) => error.to_string(),
        };
        let has_counter = self.counts.len() < COUNTED || self.counts.contains_key(&how);
        let how = if has_counter { how } else { OTHER.to_owned() };
        *self.counts.entry(how.clone()).or_default() += 1;
        // The lowest numbers, in whatever order instances end.
        let named = self.others.entry(how).or_default();
        named.insert(instance);
        if named.len() > NAMED {
            named.pop_last();
        }
    }

    /// Prints the summary of several instances, and fails if one of them failed.
    pub(super) fn report(self, instances: u64) -> Result<(), Failure> {
        if instances > 1 {
            say(&format!(
                "{} of {instances} instances succeeded",
                self.succeeded
            ));
        }
        if self.others.is_empty() {
            return Ok(());
        }
        let mut parts = Vec::new();
        for (how, named) in &self.others {
            if instances == 1 {
                parts.push(how.clone());
                continue;
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_holds_a_bounded_number_of_exit_codes() {
        let mut summary = Summary::default();
        for code in 1..=1000 {
            let exit = Exit {
                code,
                memory_bytes: 0,
            };
            summary.add(code.unsigned_abs().into(), Ok(exit));
        }
        assert_eq!(summary.counts.len(), COUNTED + 1);
        assert_eq!(summary.counts.values().sum::<u64>(), 1000);
        assert_eq!(summary.counts[OTHER], 900);
        assert_eq!(summary.others.len(), COUNTED + 1);
    }
}
