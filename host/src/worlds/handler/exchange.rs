//! What the run of a handler shares with the bodies of the request and of the answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use axum::body::Body;

use crate::error::RunError;
use crate::grants::Answer;

/// The state that a run shares with the answer's body.
#[derive(Default)]
pub(super) struct Exchange {
    answer: Mutex<Option<Answer>>,
    /// Whether the guest has set its answer.
    is_answered: AtomicBool,
    /// The body of the request, as long as the guest may read it. A sandbox that is kept may
    /// keep what it did not read.
    request: Mutex<Option<Body>>,
    /// The error that ended the run. It is set before the body breaks off.
    failure: OnceLock<RunError>,
}

impl Exchange {
    /// Takes the answer, if the guest has set one.
    pub(super) fn take_answer(&self) -> Option<Answer> {
        let mut answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        answer.take()
    }

    /// Whether the guest has set its answer.
    pub(super) fn is_answered(&self) -> bool {
        self.is_answered.load(Ordering::Relaxed)
    }

    /// Sets the answer.
    pub(super) fn set_answer(&self, set: Answer) {
        self.is_answered.store(true, Ordering::Relaxed);
        let mut answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        *answer = Some(set);
    }

    /// Lets the guest read `body`.
    pub(super) fn set_request(&self, body: Body) {
        *self.request() = Some(body);
    }

    /// The body of the request.
    pub(super) fn request(&self) -> MutexGuard<'_, Option<Body>> {
        self.request.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the body of the request.
    pub(super) fn cut_request(&self) {
        let body = self.request().take();
        drop(body);
    }

    /// Sets the error that ended the run.
    pub(super) fn set_failure(&self, error: &RunError) {
        // It is set once.
        let _ = self.failure.set(error.clone());
    }

    /// The error of an answer that broke off.
    pub(super) fn failure(&self) -> RunError {
        self.failure.get().cloned().unwrap_or_else(|| {
            let what =
                "expected the end of the answer's body, got none before the handler dropped it";
            RunError::Failed(what.to_owned())
        })
    }
}
