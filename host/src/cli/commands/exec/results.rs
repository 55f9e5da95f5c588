//! The results of the instances as they end: the summary, and the backtraces of traps.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::outcome::{Ending, Outcome};
use super::summary::Summary;
use crate::cli::backtrace::Backtraces;

/// The results so far, which all lanes share.
#[derive(Default)]
pub(in crate::cli::commands) struct Results(Mutex<Ended>);

/// The instances that ended.
#[derive(Default)]
pub(in crate::cli::commands) struct Ended {
    pub(in crate::cli::commands) summary: Summary,
    /// The last one.
    pub(in crate::cli::commands) last: Option<Outcome>,
    backtraces: Backtraces,
}

impl Results {
    /// The results of the instances that ended. Instances wait for the guard.
    pub(in crate::cli::commands) fn ended(&self) -> MutexGuard<'_, Ended> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an instance, and prints the backtrace of its trap.
    pub(in crate::cli::commands) fn add(&self, outcome: Outcome, is_single: bool) {
        let mut ended = self.ended();
        ended.summary.add(&outcome);
        if let Ending::Error(error) = &outcome.ending {
            ended
                .backtraces
                .print(error, (!is_single).then_some(outcome.instance));
        }
        ended.last = Some(outcome);
    }
}
