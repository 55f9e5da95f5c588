//! The time until a job must have produced its last byte, and the time that it waits for a
//! reader that takes none.
//!
//! A deadline lives as long as its job. Its clock stops while the job waits for a slow
//! reader. [`Limit::Stall`] bounds each such wait.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::error::RunError;
use crate::limits::Limit;

/// The time that a job has. Clones share one clock.
#[derive(Clone, Debug)]
pub struct Deadline(Arc<Clock>);

#[derive(Debug)]
struct Clock {
    started: Instant,
    allowed_ms: u64,
    stall_ms: u64,
    /// Microseconds from the start to the deadline.
    until_us: AtomicU64,
    /// Microseconds from the start to when the wait for the reader began, or
    /// [`RUNNING`].
    waiting_since_us: AtomicU64,
    /// Ticks of the epoch at which the job computed.
    ticks: AtomicU32,
    /// The tick at which its turn ends. A wait begins no other turn.
    turn_until: AtomicU32,
    /// Ticks of each turn after the first one.
    turn_longer: AtomicU32,
}

/// Stands for no wait.
const RUNNING: u64 = u64::MAX;

impl Deadline {
    /// A deadline `allowed_ms` from now, for a job whose reader may take nothing
    /// for `stall_ms`.
    pub fn after(allowed_ms: u64, stall_ms: u64) -> Self {
        Self(Arc::new(Clock {
            started: Instant::now(),
            allowed_ms,
            stall_ms,
            until_us: AtomicU64::new(allowed_ms.saturating_mul(1000)),
            waiting_since_us: AtomicU64::new(RUNNING),
            ticks: AtomicU32::new(0),
            turn_until: AtomicU32::new(0),
            turn_longer: AtomicU32::new(0),
        }))
    }

    /// Whether the time is up.
    pub fn has_passed(&self) -> bool {
        self.stop_reason(self.0.now_us()).is_some()
    }

    /// Counts a tick of the epoch at which the job computed. Returns whether its turn ends.
    pub(crate) fn count_tick(&self) -> bool {
        let clock = &*self.0;
        let ticks = clock.ticks.fetch_add(1, Ordering::Relaxed);
        let until = clock.turn_until.load(Ordering::Relaxed);
        // Ticks start again at 0 after weeks of computing.
        let ends = ticks.wrapping_sub(until).cast_signed() >= 0;
        if ends {
            let longer = clock.turn_longer.load(Ordering::Relaxed);
            let until = ticks.wrapping_add(1).wrapping_add(longer);
            clock.turn_until.store(until, Ordering::Relaxed);
        }
        ends
    }

    /// Makes each turn of the job `ticks` longer, from the next one.
    #[cfg(all(feature = "service", feature = "compiler"))]
    pub(crate) fn lengthen_turns(&self, ticks: u32) {
        let clock = &*self.0;
        clock.turn_longer.store(ticks, Ordering::Relaxed);
        let until = self.ticks().wrapping_add(ticks);
        clock.turn_until.store(until, Ordering::Relaxed);
    }

    /// Ticks of the epoch at which the job computed.
    #[cfg(all(feature = "service", feature = "compiler"))]
    pub(crate) fn ticks(&self) -> u32 {
        self.0.ticks.load(Ordering::Relaxed)
    }

    /// Waits for `running`, but no longer than the job has.
    ///
    /// # Errors
    ///
    /// [`RunError::Stopped`] by [`Limit::Deadline`] or [`Limit::Stall`].
    pub async fn within<R>(
        &self,
        mut running: Pin<&mut impl Future<Output = R>>,
    ) -> Result<R, RunError> {
        // Most jobs end without a wait, and need no timer.
        let mut check = pin!(None);
        std::future::poll_fn(|context| {
            if let Poll::Ready(done) = running.as_mut().poll(context) {
                return Poll::Ready(Ok(done));
            }
            loop {
                if let Some(check) = check.as_mut().as_pin_mut() {
                    ready!(Sleep::poll(check, context));
                    if let Some(error) = self.stop_reason(self.0.now_us()) {
                        return Poll::Ready(Err(error));
                    }
                }
                check.set(Some(sleep_until(self.next_check())));
            }
        })
        .await
    }

    /// The error of a job whose time is up.
    pub fn error(&self) -> RunError {
        self.stop_reason(self.0.now_us())
            .unwrap_or_else(|| RunError::stopped(Limit::Deadline, self.0.allowed_ms))
    }

    /// Restarts the clock: the first piece of the answer exists, and the rest has as much
    /// time.
    ///
    /// # Errors
    ///
    /// As [`Deadline::within`]. The job may have been stopped since the piece was produced.
    pub fn restart(&self) -> Result<(), RunError> {
        let clock = &*self.0;
        let now_us = clock.now_us();
        if let Some(error) = self.stop_reason(now_us) {
            return Err(error);
        }
        let allowed_us = clock.allowed_ms.saturating_mul(1000);
        let until_us = now_us.saturating_add(allowed_us);
        clock.until_us.store(until_us, Ordering::Relaxed);
        Ok(())
    }

    /// Stops the clock while the job waits for its reader.
    pub(crate) fn pause(&self) {
        let (clock, now_us) = (&self.0.waiting_since_us, self.0.now_us());
        // It may have stopped before.
        let _ = clock.compare_exchange(RUNNING, now_us, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Continues the clock: the reader took something.
    pub(crate) fn resume(&self) {
        let clock = &*self.0;
        let since_us = clock.waiting_since_us.swap(RUNNING, Ordering::Relaxed);
        if since_us != RUNNING {
            let waited_us = clock.now_us().saturating_sub(since_us);
            clock.until_us.fetch_add(waited_us, Ordering::Relaxed);
        }
    }

    /// When the clock must be read again, since it may stop at any time.
    fn next_check(&self) -> Instant {
        let clock = &*self.0;
        let stall_us = clock.stall_ms.saturating_mul(1000);
        let look_us = match clock.waiting_since_us.load(Ordering::Relaxed) {
            RUNNING => {
                let stalled_us = clock.now_us().saturating_add(stall_us);
                clock.until_us.load(Ordering::Relaxed).min(stalled_us)
            }
            since_us => since_us.saturating_add(stall_us),
        };
        let look = clock.started.checked_add(Duration::from_micros(look_us));
        // An instant beyond the range of the clock is no deadline.
        look.unwrap_or_else(|| Instant::now() + Duration::from_hours(24))
    }

    /// The limit that stops the job at `now_us`, if one does.
    fn stop_reason(&self, now_us: u64) -> Option<RunError> {
        let clock = &*self.0;
        match clock.waiting_since_us.load(Ordering::Relaxed) {
            RUNNING if now_us >= clock.until_us.load(Ordering::Relaxed) => {
                Some(RunError::stopped(Limit::Deadline, clock.allowed_ms))
            }
            RUNNING => None,
            since_us if now_us.saturating_sub(since_us) / 1000 >= clock.stall_ms => {
                Some(RunError::stopped(Limit::Stall, clock.stall_ms))
            }
            _ => None,
        }
    }
}

impl Clock {
    fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn a_future_beyond_the_deadline_is_stopped() {
        let deadline = Deadline::after(20, 10_000);
        let result = deadline.within(pin!(pending::<()>())).await;
        assert_eq!(result, Err(RunError::stopped(Limit::Deadline, 20)));
        assert!(deadline.has_passed());
    }

    #[test]
    #[cfg(all(feature = "service", feature = "compiler"))]
    fn turns_have_their_length() {
        let deadline = Deadline::after(10_000, 10_000);
        let turns = |ticks| -> Vec<bool> { (0..ticks).map(|_| deadline.count_tick()).collect() };
        assert_eq!(turns(2), [true; 2]);
        for before in [2, u32::MAX - 2] {
            deadline.0.ticks.store(before, Ordering::Relaxed);
            deadline.lengthen_turns(2);
            assert_eq!(turns(6), [false, false, true, false, false, true]);
        }
    }

    #[tokio::test]
    async fn the_clock_stops_while_the_job_waits_for_its_reader() {
        let deadline = Deadline::after(50, 10_000);
        deadline.pause();
        tokio::time::sleep(Duration::from_millis(80)).await;
        assert!(!deadline.has_passed());
        deadline.resume();
        assert!(!deadline.has_passed());
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert!(deadline.has_passed());
    }

    #[tokio::test]
    async fn a_restart_resets_the_deadline() {
        let deadline = Deadline::after(50, 10_000);
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert!(deadline.restart().is_ok());
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert!(!deadline.has_passed());
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert!(deadline.has_passed());
        // A job that was stopped does not begin anew.
        assert!(deadline.restart().is_err());
        assert!(deadline.has_passed());
    }

    #[tokio::test]
    async fn a_stalled_reader_stops_the_job() {
        let deadline = Deadline::after(10_000, 30);
        let waiting = async {
            deadline.pause();
            pending::<()>().await;
        };
        let result = deadline.within(pin!(waiting)).await;
        assert_eq!(result, Err(RunError::stopped(Limit::Stall, 30)));
    }
}
