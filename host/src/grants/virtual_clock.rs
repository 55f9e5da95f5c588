//! The clock of one deterministic sandbox.
//!
//! It starts at a fixed instant. A sleep moves it to the end of the sleep and takes no time. Each
//! reading moves it by [`READING_NS`], so a program that polls the clock ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::yield_now;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

/// 2000-01-01T00:00:00Z, in seconds of Unix time.
const START_SECONDS: u64 = 946_684_800;
/// The step of the clock for each reading, and its resolution.
const READING_NS: u64 = 1000;

/// A clock without real time. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct VirtualClock(Arc<Mutex<Time>>);

#[derive(Debug, Default)]
struct Time {
    /// Nanoseconds since the start.
    elapsed_ns: u64,
    /// Sleeps that moved the clock so far.
    moves: u64,
    /// The number of sleeps for each end.
    sleeps: BTreeMap<u64, usize>,
}

impl VirtualClock {
    /// Reads nanoseconds since the start, at least [`READING_NS`]: some runtimes refuse zero.
    pub(super) fn read(&self) -> u64 {
        let mut time = self.time();
        time.elapsed_ns = time.elapsed_ns.saturating_add(READING_NS);
        time.elapsed_ns
    }

    /// The end of a sleep of `duration_ns` that starts now.
    pub(super) fn after(&self, duration_ns: u64) -> u64 {
        self.time().elapsed_ns.saturating_add(duration_ns)
    }

    /// Returns once the clock has reached `end_ns`.
    ///
    /// Of all sleeps of the sandbox, the earliest moves the clock. It waits for one turn of the
    /// task before that, in which other events and earlier sleeps come first. A sleep always
    /// yields, so a program that sleeps in a loop meets its deadline.
    pub(super) async fn sleep_until(&self, end_ns: u64) {
        let _sleep = Sleep::start(self, end_ns);
        loop {
            let moves = self.time().moves;
            yield_now().await;
            let mut time = self.time();
            if time.elapsed_ns >= end_ns {
                return;
            }
            // After a move, the program runs before the next move.
            let is_earliest = time
                .sleeps
                .first_key_value()
                .is_none_or(|(&earliest, _)| earliest >= end_ns);
            if is_earliest && time.moves == moves {
                time.elapsed_ns = end_ns;
                time.moves += 1;
                return;
            }
        }
    }

    /// A panic leaves the clock whole.
    fn time(&self) -> MutexGuard<'_, Time> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A registered sleep.
struct Sleep<'a> {
    clock: &'a VirtualClock,
    end_ns: u64,
}

impl<'a> Sleep<'a> {
    fn start(clock: &'a VirtualClock, end_ns: u64) -> Self {
        *clock.time().sleeps.entry(end_ns).or_default() += 1;
        Self { clock, end_ns }
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        let mut time = self.clock.time();
        if let Some(count) = time.sleeps.get_mut(&self.end_ns) {
            *count -= 1;
            if *count == 0 {
                time.sleeps.remove(&self.end_ns);
            }
        }
    }
}

impl HostWallClock for VirtualClock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(READING_NS)
    }

    fn now(&self) -> Duration {
        Duration::from_secs(START_SECONDS) + Duration::from_nanos(self.read())
    }
}

impl HostMonotonicClock for VirtualClock {
    fn resolution(&self) -> u64 {
        READING_NS
    }

    fn now(&self) -> u64 {
        self.read()
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join;

    use super::*;

    const HOUR_NS: u64 = 3600 * 1_000_000_000;

    #[tokio::test]
    async fn readings_and_sleeps_move_the_clock() {
        let clock = VirtualClock::default();
        assert_eq!((clock.read(), clock.read()), (1000, 2000));
        clock.sleep_until(clock.after(HOUR_NS)).await;
        assert_eq!(clock.read(), HOUR_NS + 3000);
        assert_eq!(
            HostWallClock::now(&clock),
            Duration::from_secs(START_SECONDS + 3600) + Duration::from_micros(4)
        );
    }

    #[tokio::test]
    async fn sleeps_end_in_the_order_of_their_ends() {
        let clock = VirtualClock::default();
        let ends = Mutex::new(Vec::new());
        let sleep = async |end_ns| {
            clock.sleep_until(end_ns).await;
            ends.lock().expect("no panic").push(clock.read());
        };
        join(sleep(3_000_000), join(sleep(1_000_000), sleep(2_000_000))).await;
        assert_eq!(
            *ends.lock().expect("no panic"),
            [1_001_000, 2_001_000, 3_001_000]
        );
    }

    #[tokio::test]
    async fn a_dropped_sleep_moves_nothing() {
        let clock = VirtualClock::default();
        assert_eq!(
            futures::FutureExt::now_or_never(clock.sleep_until(1000)),
            None
        );
        clock.sleep_until(HOUR_NS).await;
        assert_eq!(clock.read(), HOUR_NS + 1000);
    }

    #[tokio::test]
    async fn the_clock_stops_at_the_end_of_time() {
        let clock = VirtualClock::default();
        clock.sleep_until(clock.after(u64::MAX)).await;
        clock.sleep_until(clock.after(u64::MAX)).await;
        assert_eq!(clock.read(), u64::MAX);
        assert!(HostWallClock::now(&clock) > Duration::from_nanos(u64::MAX));
    }
}
