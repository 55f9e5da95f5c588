//! Tasks that may outlive the request that started them: handlers that have not ended with the
//! head of their answer.
//!
//! They run among the long jobs or on the thread of a connection, and end with their deadlines. A
//! service that drains waits for them, and abandons those that are left.

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::error::RunError;
use crate::span::{spawn, spawn_on};

/// The tasks of a service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tasks {
    workers: Handle,
    running: TaskTracker,
    end: CancellationToken,
}

impl Tasks {
    /// Tasks on the current runtime.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub fn new() -> Self {
        Self {
            workers: Handle::current(),
            running: TaskTracker::new(),
            end: CancellationToken::new(),
        }
    }

    /// Spawns `work`, which ends early with [`RunError::WriterGone`] if the service ends.
    pub(crate) fn spawn<R: Send + 'static>(
        &self,
        work: impl Future<Output = Result<R, RunError>> + Send + 'static,
    ) -> AbortOnDropHandle<Result<R, RunError>> {
        AbortOnDropHandle::new(spawn_on(&self.workers, self.track(work)))
    }

    /// As [`Tasks::spawn`], on the runtime of the caller, which must live as long as the tasks.
    pub(crate) fn spawn_here<R: Send + 'static>(
        &self,
        work: impl Future<Output = Result<R, RunError>> + Send + 'static,
    ) -> AbortOnDropHandle<Result<R, RunError>> {
        AbortOnDropHandle::new(spawn(self.track(work)))
    }

    fn track<R: Send + 'static>(
        &self,
        work: impl Future<Output = Result<R, RunError>> + Send + 'static,
    ) -> impl Future<Output = Result<R, RunError>> + Send + 'static {
        let end = self.end.clone();
        let work = async move {
            tokio::select! {
                // First, since the timers of a connection's thread end with the server.
                biased;
                () = end.cancelled() => Err(RunError::WriterGone),
                ended = work => ended,
            }
        };
        self.running.track_future(work)
    }

    /// Tasks that run.
    pub fn len(&self) -> usize {
        self.running.len()
    }

    /// Whether no task runs.
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Waits until no task runs. Tasks may be spawned meanwhile.
    pub async fn wait(&self) {
        self.running.close();
        self.running.wait().await;
    }

    /// Ends all tasks.
    pub fn abandon(&self) {
        self.end.cancel();
    }
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}
