//! The instances that are to run, each made when it can start.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
    Lines(Box<Lines>),
}

/// Makes the jobs.
pub(super) struct Jobs {
    source: Source,
    order: Option<Order>,
    started: Arc<AtomicU64>,
}

impl Jobs {
    /// Makes jobs that print in order if they are `ordered`.
    pub(super) fn new(source: Source, ordered: bool) -> Self {
        Self {
            source,
            order: ordered.then(Order::default),
            started: Arc::default(),
        }
    }

    /// The number of jobs that there will be, if it is known.
    pub(super) fn all(&self) -> Option<u64> {
        match self.source {
            Source::Count(all) => Some(all),
            Source::Lines(_) => None,
        }
    }

    /// A counter of the jobs that were made.
    pub(super) fn started(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.started)
    }

    /// Makes the next job, or returns `None` after the last one.
    ///
    /// # Errors
    ///
    /// [`Failure::Io`] if lines cannot be read.
    pub(super) async fn next(&mut self) -> Result<Option<Job>, Failure> {
        let started = self.started.load(Ordering::Relaxed);
        let line = match &mut self.source {
            Source::Count(all) if started >= *all => return Ok(None),
            Source::Count(_) => None,
            Source::Lines(lines) => match lines.next().await? {
                Some(line) => Some(line),
                None => return Ok(None),
            },
        };
        let instance = started + 1;
        self.started.store(instance, Ordering::Relaxed);
        Ok(Some(Job {
            instance,
            line,
            turn: self.order.as_mut().map(Order::turn),
        }))
    }
}
