//! A copy of a large component whose places stay resident.
//!
//! Between two sandboxes of a place, Wasmtime copies the image over the pages that were written, in up
//! to 32 runs, and returns all others to the kernel. Interpreters write to hundreds of pages, and each
//! of these costs the next sandbox a page fault, which interrupts the other processors: two
//! thirds of a request to a handler in Python. Copying the whole image costs a seventh of that. To a
//! program with a large image that writes to few pages it would be a loss, so the system time of
//! some sandboxes decides. The copy lives as long as the component.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;

use super::thread_copies::Places;
use crate::limits::{COPIED_PER_MS, MEASUREMENT_TIME, MEASUREMENTS, SANDBOXES_MEASURED};
use crate::machine::system_time;
use crate::metrics::Meter;

/// The copy of a component `C`, if its page faults take longer than copying.
pub(super) struct ResidentCopy<C> {
    /// Sandboxes that started, as long as nothing is decided.
    sandboxes: AtomicU64,
    /// The thread that holds it decides.
    measuring: Mutex<Measuring>,
    /// `None` once it is decided that there is none.
    copy: OnceLock<Option<Box<Resident<C>>>>,
}

/// A copy, and the memory that is reserved for its places.
pub(super) struct Resident<C> {
    pub(super) places: Places<C>,
    pub(super) _idle_memory: OwnedSemaphorePermit,
}

/// The measurements of a component.
#[derive(Default)]
struct Measuring {
    /// The begin of the one under way.
    begin: Option<Point>,
    /// Those in which page faults took less time than copying.
    less: u64,
}

/// One end of a measurement.
#[derive(Clone, Copy, Debug)]
struct Point {
    at: Instant,
    /// Sandboxes of the component that have ended.
    ended: u64,
    /// Their lives, in seconds.
    lives: f64,
    /// The lives of all sandboxes that have ended, in seconds.
    lives_of_all: f64,
    /// Time that the kernel has worked for the process, in steps of 10 ms.
    system_time: Duration,
}

impl<C> ResidentCopy<C> {
    pub(super) fn new() -> Self {
        Self {
            sandboxes: AtomicU64::new(0),
            measuring: Mutex::default(),
            copy: OnceLock::new(),
        }
    }

    /// The copy with a place in it. `None` as long as nothing is decided, where all places are taken,
    /// and where there is no copy. `copy` makes it once the page faults of a sandbox take longer than
    /// copying `image_bytes`. `meter` counts the sandboxes of the component.
    pub(super) fn take(
        &self,
        image_bytes: u64,
        meter: &Meter,
        copy: impl FnOnce() -> Option<Resident<C>>,
    ) -> Option<(&C, OwnedSemaphorePermit)> {
        if let Some(copy) = self.copy.get() {
            return copy.as_ref()?.places.take();
        }
        let started = self.sandboxes.fetch_add(1, Ordering::Relaxed) + 1;
        if started.is_multiple_of(SANDBOXES_MEASURED)
            // Others go on without the copy while one thread makes it.
            && let Ok(mut measuring) = self.measuring.try_lock()
        {
            let run = meter.run();
            let end = Point {
                at: Instant::now(),
                ended: run.count,
                lives: run.sum_seconds,
                lives_of_all: meter.run_of_all().sum_seconds,
                system_time: system_time()?,
            };
            let begin = measuring.begin.replace(end);
            let taken = begin.and_then(|begin| begin.system_time_until(end))?;
            if exceeds_copying(taken, image_bytes) {
                let _ = self.copy.set(copy().map(Box::new));
            } else {
                measuring.less += 1;
                if measuring.less == MEASUREMENTS {
                    let _ = self.copy.set(None);
                }
            }
        }
        None
    }
}

impl Point {
    /// The system time of the sandboxes until `end`: a share of that of the process, by the lives of
    /// these sandboxes and of all. `None` where more or fewer have ended than have started, and where
    /// the process had time for much else.
    fn system_time_until(self, end: Self) -> Option<Duration> {
        let ended = end.ended.saturating_sub(self.ended);
        let are_these = ended.abs_diff(SANDBOXES_MEASURED) <= SANDBOXES_MEASURED / 4;
        let is_short = end.at.duration_since(self.at) <= MEASUREMENT_TIME;
        let share = (end.lives - self.lives) / (end.lives_of_all - self.lives_of_all);
        let taken = end.system_time.saturating_sub(self.system_time);
        let is_known = are_these && is_short && share.is_finite();
        is_known.then(|| taken.mul_f64(share.clamp(0.0, 1.0)))
    }
}

/// Whether `taken`, the system time of [`SANDBOXES_MEASURED`] sandboxes, exceeds the time in which their
/// images of `image_bytes` each are copied. Clearing what a program allocated is not counted: the
/// kernel clears new pages, too.
fn exceeds_copying(taken: Duration, image_bytes: u64) -> bool {
    let copied_bytes = image_bytes.saturating_mul(SANDBOXES_MEASURED);
    let copying = Duration::from_millis(copied_bytes / COPIED_PER_MS);
    tracing::debug!(?taken, ?copying, "system time measured");
    taken > copying
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;

    fn resident() -> Resident<()> {
        let memory = Arc::new(Semaphore::new(1));
        Resident {
            places: Places::new((), 1),
            _idle_memory: memory.try_acquire_owned().expect("memory"),
        }
    }

    /// Starts and ends `count` sandboxes, none of which has a place in a copy.
    fn run(copies: &ResidentCopy<()>, count: u64, image_bytes: u64, meter: &Meter) {
        for _ in 0..count {
            let taken = copies.take(image_bytes, meter, || Some(resident()));
            assert!(taken.is_none());
            drop(meter.start_run(Instant::now()));
        }
    }

    #[test]
    fn a_copy_is_used_once_page_faults_take_longer() {
        let (meter, copies) = (Meter::new(1, 1 << 20), ResidentCopy::new());
        run(&copies, SANDBOXES_MEASURED, 0, &meter);
        let before = system_time();
        while system_time() == before {}
        run(&copies, SANDBOXES_MEASURED, 0, &meter);
        let place = copies.take(0, &meter, || None);
        assert!(place.is_some());
        assert!(
            copies.take(0, &meter, || None).is_none(),
            "it has one place"
        );
    }

    #[test]
    fn after_some_measurements_there_is_no_copy() {
        let (meter, copies) = (Meter::new(1, 1 << 20), ResidentCopy::new());
        run(&copies, MEASUREMENTS * SANDBOXES_MEASURED, u64::MAX, &meter);
        assert!(copies.copy.get().is_none());
        run(&copies, SANDBOXES_MEASURED, u64::MAX, &meter);
        assert!(copies.copy.get().is_some_and(Option::is_none));
    }

    #[test]
    fn sandboxes_of_another_component_postpone_the_decision() {
        let (meter, copies) = (Meter::new(1, 1 << 20), ResidentCopy::new());
        for _ in 0..2 * MEASUREMENTS {
            run(&copies, SANDBOXES_MEASURED, u64::MAX, &meter);
            for _ in 0..SANDBOXES_MEASURED {
                drop(meter.start_run(Instant::now()));
            }
        }
        assert!(copies.copy.get().is_none());
    }

    #[test]
    fn copying_is_compared_with_system_time() {
        let (taken, image_bytes) = (Duration::from_millis(64), 8 << 20);
        assert!(exceeds_copying(
            taken + Duration::from_millis(1),
            image_bytes
        ));
        assert!(!exceeds_copying(taken, image_bytes));
        assert!(!exceeds_copying(taken, u64::MAX));
    }

    #[test]
    fn a_measurement_is_of_these_sandboxes() {
        let begin = Point {
            at: Instant::now(),
            ended: 10,
            lives: 1.0,
            lives_of_all: 5.0,
            system_time: Duration::from_millis(30),
        };
        let after = |ended: u64, time: Duration, lives_of_all: f64| {
            let end = Point {
                at: begin.at + time,
                ended: begin.ended + ended,
                lives: 2.0,
                lives_of_all,
                system_time: begin.system_time + Duration::from_millis(20),
            };
            begin.system_time_until(end)
        };
        let (soon, taken) = (Duration::ZERO, Some(Duration::from_millis(20)));
        assert_eq!(after(SANDBOXES_MEASURED, soon, 6.0), taken);
        assert_eq!(after(SANDBOXES_MEASURED - 16, MEASUREMENT_TIME, 6.0), taken);
        // Others have a part of it.
        let part = Some(Duration::from_millis(5));
        assert_eq!(after(SANDBOXES_MEASURED, soon, 9.0), part);
        // Most have not ended, more have, or they had little to do.
        assert_eq!(after(SANDBOXES_MEASURED - 17, soon, 6.0), None);
        assert_eq!(after(SANDBOXES_MEASURED + 17, soon, 6.0), None);
        assert_eq!(after(SANDBOXES_MEASURED, MEASUREMENT_TIME * 2, 6.0), None);
        assert_eq!(after(SANDBOXES_MEASURED, soon, 5.0), None);
    }
}
