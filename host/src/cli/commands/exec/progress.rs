//! The line on a terminal that shows how far the instances are.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, HumanFloatCount};

/// The time between two lines.
pub(in crate::cli::commands) const TICK: Duration = Duration::from_millis(250);
/// The ticks that the rate is measured over: two seconds.
const TICKS: usize = 8;

/// The numbers of instances at the last ticks.
pub(in crate::cli::commands) struct Progress {
    started_at: Instant,
    /// `None` if it is unknown.
    all: Option<u64>,
    /// The times of the last ticks, and how many instances were done. A ring.
    ticks: [(Instant, u64); TICKS],
    next: usize,
}

impl Progress {
    pub(in crate::cli::commands) fn new(all: Option<u64>) -> Self {
        let now = Instant::now();
        Self {
            started_at: now,
            all,
            ticks: [(now, 0); TICKS],
            next: 0,
        }
    }

    /// The line for now. It fits a terminal of 80 columns, up to a million instances.
    pub(in crate::cli::commands) fn line(
        &mut self,
        now: Instant,
        started: u64,
        done: u64,
        failed: u64,
    ) -> String {
        let tick = &mut self.ticks[self.next];
        let (since, done_then) = std::mem::replace(tick, (now, done));
        self.next = (self.next + 1) % TICKS;
        let rate = per_second(done - done_then, now.duration_since(since));
        let of = self
            .all
            .map_or_else(String::new, |all| format!(" of {all}"));
        let running = started.saturating_sub(done);
        let mut line = format!(
            "{done}{of} done, {failed} failed, {running} running, {}/s",
            HumanFloatCount(if rate < 10.0 {
                (rate * 10.0).round() / 10.0
            } else {
                rate.round()
            })
        );
        let mean = per_second(done, now.duration_since(self.started_at));
        if let Some(all) = self.all
            && mean > 0.0
        {
            let left = Duration::try_from_secs_f64(count(all.saturating_sub(done)) / mean);
            // A longer time has no name.
            let left = left.unwrap_or(Duration::MAX);
            // Writing to a string never fails.
            let _ = write!(line, ", {} left", HumanDuration(left));
        }
        line
    }
}

fn per_second(instances: u64, time: Duration) -> f64 {
    match time.as_secs_f64() {
        0.0 => 0.0,
        seconds => count(instances) / seconds,
    }
}

#[expect(clippy::cast_precision_loss, reason = "for display")]
fn count(instances: u64) -> f64 {
    instances as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_rate_of_the_last_seconds_and_the_time_left() {
        let mut progress = Progress::new(Some(1000));
        let start = progress.started_at;
        let at = |second| start + Duration::from_secs(second);
        assert_eq!(
            progress.line(at(0), 10, 0, 0),
            "0 of 1000 done, 0 failed, 10 running, 0/s"
        );
        for second in 1..20 {
            progress.line(at(second), 200, second * 10, 1);
        }
        assert_eq!(
            progress.line(at(20), 230, 200, 2),
            "200 of 1000 done, 2 failed, 30 running, 10/s, 80 seconds left"
        );
        let mut unknown = Progress::new(None);
        let line = unknown.line(unknown.started_at + Duration::from_secs(4), 5, 1, 0);
        assert_eq!(line, "1 done, 0 failed, 4 running, 0.3/s");
    }
}
