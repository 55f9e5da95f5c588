//! How the instances of `cocoon exec` ended, all together.

use std::collections::{BTreeMap, BTreeSet};

use cocoon::command::{Exit, ProgramError};

use crate::cli::failure::{Failure, say};

/// The instances that are named one by one in a summary.
const NAMED: usize = 5;

/// Exit codes and errors, each with the first instances that had it.
#[derive(Default)]
pub(super) struct Summary {
    succeeded: u64,
    others: BTreeMap<String, BTreeSet<u64>>,
    counts: BTreeMap<String, u64>,
}

impl Summary {
    pub(super) fn add(&mut self, instance: u64, ran: Result<Exit, ProgramError>) {
        let how = match ran {
            Ok(Exit { code: 0, .. }) => {
                self.succeeded += 1;
                return;
            }
            Ok(Exit { code, .. }) => format!("exited with {code}"),
            Err(error) => error.to_string(),
        };
        *self.counts.entry(how.clone()).or_default() += 1;
        // The first ones by number, in whichever order they ended.
        let named = self.others.entry(how).or_default();
        named.insert(instance);
        if named.len() > NAMED {
            named.pop_last();
        }
    }

    /// Prints the summary of many instances, and fails if one of them did.
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
        let mut told = Vec::new();
        for (how, named) in &self.others {
            if instances == 1 {
                told.push(how.clone());
                continue;
            }
            let count = self.counts.get(how).copied().unwrap_or_default();
            let names: Vec<_> = named.iter().map(u64::to_string).collect();
            let more = if count > named.len() as u64 {
                ", …"
            } else {
                ""
            };
            told.push(format!(
                "{count} {how} (instance {}{more})",
                names.join(", ")
            ));
        }
        Err(Failure::Programs(told.join("; ")))
    }
}
