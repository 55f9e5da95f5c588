//! The turns of a handler on the thread of its connection.
//!
//! A turn ends when the handler waits, or at a tick of the epoch. Turns with a tick are long: they
//! delay the other connections of the thread. A handler with [`HANDLER_TURNS`] long turns and one
//! more leaves the thread. One handler of each thread may have further ones, if it waits after
//! each: it streams a long body, and another thread would have to be woken for each piece.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::run::Run;
use crate::deadline::Deadline;
use crate::error::RunError;
use crate::limits::{HANDLER_LONG_TURN, HANDLER_TURNS};
use crate::tasks::Tasks;

thread_local! {
    /// The place of the handler with further long turns.
    static PLACE: Arc<Semaphore> = Arc::new(Semaphore::new(1));
}

/// The turns of one handler within its deadline.
pub(super) struct Turns {
    deadline: Deadline,
    /// Ticks until the end of the last turn.
    ticks: u32,
    /// The last turns that were long.
    long: u32,
    place: Option<OwnedSemaphorePermit>,
}

impl Turns {
    pub(super) fn new(deadline: &Deadline) -> Self {
        Self {
            deadline: deadline.clone(),
            ticks: 0,
            long: 0,
            place: None,
        }
    }

    /// Ends a turn. Returns whether the handler leaves the thread.
    pub(super) fn end(&mut self) -> bool {
        let ticks = self.deadline.ticks();
        if ticks == self.ticks {
            self.long = 0;
            return false;
        }
        self.ticks = ticks;
        self.long += 1;
        if self.long > HANDLER_TURNS {
            return true;
        }
        if ticks > HANDLER_TURNS && self.place.is_none() {
            let place = PLACE.with(Arc::clone);
            self.place = place.try_acquire_owned().ok();
            return self.place.is_none();
        }
        false
    }

    /// Drives `run` on the current thread, and among the long jobs once it leaves this.
    pub(super) async fn drive(mut self, mut run: Run, tasks: Tasks) -> Result<(), RunError> {
        let ended = poll_fn(|context| match run.as_mut().poll(context) {
            Poll::Ready(end) => Poll::Ready(Some(end)),
            Poll::Pending if self.end() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await;
        if let Some(end) = ended {
            return end;
        }
        self.deadline.lengthen_turns(HANDLER_LONG_TURN);
        drop(self);
        tasks.spawn(run).await.unwrap_or(Err(RunError::WriterGone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns() -> Turns {
        Turns::new(&Deadline::after(60_000, 60_000))
    }

    /// A turn with a tick. Returns whether the handler leaves.
    fn compute(turns: &mut Turns) -> bool {
        turns.deadline.count_tick();
        turns.end()
    }

    #[test]
    fn a_handler_that_computes_leaves() {
        let mut turns = turns();
        assert!(!turns.end());
        assert!(!compute(&mut turns));
        assert!(compute(&mut turns));
    }

    #[test]
    fn one_handler_that_waits_between_long_turns_stays() {
        let (mut first, mut second) = (turns(), turns());
        for _ in 0..5 {
            assert!(!compute(&mut first));
            assert!(!first.end());
        }
        assert!(!compute(&mut second));
        assert!(!second.end());
        assert!(compute(&mut second));
        drop(first);
        let mut third = turns();
        for _ in 0..5 {
            assert!(!compute(&mut third));
            assert!(!third.end());
        }
    }
}
