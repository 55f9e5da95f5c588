//! The instances that are to run, each made when it can start.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::lines::{Line, Lines};
use super::order::{Order, Turn};
use crate::cli::failure::Failure;

/// An instance that is to run.
pub(super) struct Job {
    /// Its number, from 1.
    pub(super) instance: u64,
    pub(super) line: Option<Line>,
    /// `None` if instances print as they finish.
    pub(super) turn: Option<Turn>,
}

/// Where jobs come from.
pub(super) enum Source {
    /// This number of instances.
    Count(u64),
    /// One instance for each line.
    Lines(Box<tokio::sync::Mutex<Lines>>),
}

/// Makes the jobs.
pub(super) struct Jobs {
    source: Source,
    made: Mutex<Made>,
}

/// The jobs that were made.
struct Made {
    count: u64,
    order: Option<Order>,
}

impl Jobs {
    /// Makes jobs that print in order if they are `ordered`.
    pub(super) fn new(source: Source, ordered: bool) -> Self {
        Self {
            source,
            made: Mutex::new(Made {
                count: 0,
                order: ordered.then(Order::default),
            }),
        }
    }

    /// The number of jobs that there will be, if it is known.
    pub(super) fn all(&self) -> Option<u64> {
        match self.source {
            Source::Count(all) => Some(all),
            Source::Lines(_) => None,
        }
    }

    /// The number of jobs that were made.
    pub(super) fn started(&self) -> u64 {
        self.made().count
    }

    /// Makes the next job, or returns `None` after the last one.
    ///
    /// # Errors
    ///
    /// [`Failure::Io`] if lines cannot be read.
    pub(super) async fn next(&self) -> Result<Option<Job>, Failure> {
        match &self.source {
            Source::Count(all) => {
                let mut made = self.made();
                Ok((made.count < *all).then(|| made.job(None)))
            }
            Source::Lines(lines) => {
                let mut lines = lines.lock().await;
                let line = lines.next().await?;
                Ok(line.map(|line| self.made().job(Some(line))))
            }
        }
    }

    /// A thread that panics leaves the numbers whole.
    fn made(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Made {
    fn job(&mut self, line: Option<Line>) -> Job {
        self.count += 1;
        Job {
            instance: self.count,
            line,
            turn: self.order.as_mut().map(Order::turn),
        }
    }
}
