//! The instances that are to run, each made when it can start.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::lines::{Line, Lines};
use super::order::{Order, Turn};
use super::shard::Shard;
use crate::cli::failure::Failure;

/// An instance that is to run.
pub(in crate::cli::commands) struct Job {
    /// Its number, from 1.
    pub(in crate::cli::commands) instance: u64,
    pub(in crate::cli::commands) line: Option<Line>,
    /// `None` if instances print as they finish.
    pub(in crate::cli::commands) turn: Option<Turn>,
}

/// Where jobs come from.
pub(in crate::cli::commands) enum Source {
    /// This number of instances.
    Count(u64),
    /// One instance for each line.
    Lines(Box<tokio::sync::Mutex<Lines>>),
}

/// Makes the jobs.
pub(in crate::cli::commands) struct Jobs {
    source: Source,
    shard: Shard,
    made: Mutex<Made>,
}

/// The jobs that were made.
struct Made {
    count: u64,
    order: Option<Order>,
}

impl Jobs {
    /// Makes the jobs of `shard`, which print in order if they are `ordered`.
    pub(in crate::cli::commands) fn new(source: Source, shard: Shard, ordered: bool) -> Self {
        Self {
            source,
            shard,
            made: Mutex::new(Made {
                count: 0,
                order: ordered.then(Order::default),
            }),
        }
    }

    /// The number of jobs that there will be, if it is known.
    pub(in crate::cli::commands) fn all(&self) -> Option<u64> {
        match self.source {
            Source::Count(all) => Some(self.shard.size(all)),
            Source::Lines(_) => None,
        }
    }

    /// The number of jobs that were made.
    pub(in crate::cli::commands) fn started(&self) -> u64 {
        self.made().count
    }

    /// Makes the next job, or returns `None` after the last one.
    ///
    /// # Errors
    ///
    /// [`Failure::Io`] if lines cannot be read.
    pub(in crate::cli::commands) async fn next(&self) -> Result<Option<Job>, Failure> {
        match &self.source {
            Source::Count(all) => {
                let mut made = self.made();
                let next = self.shard.instance(made.count);
                let next = next.filter(|instance| instance <= all);
                Ok(next.map(|instance| made.job(instance, None)))
            }
            Source::Lines(lines) => {
                let mut lines = lines.lock().await;
                while let Some(line) = lines.next().await? {
                    let instance = lines.number();
                    if self.shard.has(instance) {
                        return Ok(Some(self.made().job(instance, Some(line))));
                    }
                }
                Ok(None)
            }
        }
    }

    /// A thread that panics leaves the numbers whole.
    fn made(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Made {
    fn job(&mut self, instance: u64, line: Option<Line>) -> Job {
        self.count += 1;
        Job {
            instance,
            line,
            turn: self.order.as_mut().map(Order::turn),
        }
    }
}
