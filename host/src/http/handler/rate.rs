//! The rate of requests that a route accepts.
//!
//! A route has one token bucket. The bucket holds the COUNT of its rate and refills evenly, so a
//! burst of COUNT requests passes at once. The bucket is the virtual scheduling algorithm GCRA
//! (ITU-T I.371): one number, the time at which the bucket is full again. Threads share it
//! without a lock.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::limits::parse_integer;

/// The most requests of a rate. Beyond it, the time between two tokens is a few nanoseconds.
const COUNT_MAX: u32 = 1_000_000;

/// A number of requests in a unit of time, such as `200/s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    count: u32,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Second,
    Minute,
    Hour,
}

impl Unit {
    const fn seconds(self) -> u64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
        }
    }

    const fn symbol(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "m",
            Self::Hour => "h",
        }
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (count, unit) = text.split_once('/')?;
            let count = parse_integer(count).filter(|count| (1..=COUNT_MAX).contains(count))?;
            let units = [Unit::Second, Unit::Minute, Unit::Hour];
            let unit = units.into_iter().find(|known| known.symbol() == unit)?;
            Some(Self { count, unit })
        };
        parse().ok_or_else(|| {
            format!("expected COUNT/s, COUNT/m or COUNT/h with COUNT from 1 to {COUNT_MAX}, such as 200/s, got `{text}`")
        })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.count, self.unit.symbol())
    }
}

/// A token bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: Rate,
    start: Instant,
    /// The time between two tokens.
    interval_ns: u64,
    /// The time in which an empty bucket fills.
    fill_ns: u64,
    /// When the bucket is full, from `start`.
    full_at_ns: AtomicU64,
}

impl Bucket {
    /// A full bucket of `rate`.
    pub(super) fn new(rate: Rate) -> Self {
        Self::new_at(rate, Instant::now())
    }

    fn new_at(rate: Rate, start: Instant) -> Self {
        let unit_ns = rate.unit.seconds() * 1_000_000_000;
        // Rounded up: the rate is never exceeded.
        let interval_ns = unit_ns.div_ceil(rate.count.into());
        Self {
            rate,
            start,
            interval_ns,
            fill_ns: interval_ns * u64::from(rate.count),
            full_at_ns: AtomicU64::new(0),
        }
    }

    /// The rate of the bucket.
    pub(super) fn rate(&self) -> Rate {
        self.rate
    }

    /// Takes a token.
    ///
    /// # Errors
    ///
    /// The time until the next token, where the bucket is empty.
    pub(super) fn take(&self) -> Result<(), Duration> {
        self.take_at(Instant::now())
    }

    fn take_at(&self, now: Instant) -> Result<(), Duration> {
        let now_ns = now.saturating_duration_since(self.start).as_nanos();
        let now_ns = u64::try_from(now_ns).unwrap_or(u64::MAX);
        let mut wait_ns = 0;
        let taken =
            self.full_at_ns
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at_ns| {
                    let full_at_ns = full_at_ns.max(now_ns).saturating_add(self.interval_ns);
                    wait_ns = (full_at_ns - now_ns).saturating_sub(self.fill_ns);
                    (wait_ns == 0).then_some(full_at_ns)
                });
        match taken {
            Ok(_) => Ok(()),
            Err(_) => Err(Duration::from_nanos(wait_ns)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Rate {
        text.parse().expect("a rate")
    }

    #[test]
    fn a_rate_has_a_count_and_a_unit() {
        for (text, seconds) in [("200/s", 1), ("10/m", 60), ("1_000/h", 3600)] {
            let rate = rate(text);
            assert_eq!(rate.unit.seconds(), seconds);
            assert_eq!(rate.to_string(), text.replace('_', ""));
        }
        for text in [
            "",
            "200",
            "/s",
            "0/s",
            "-1/s",
            "1.5/s",
            "1000001/s",
            "1/d",
            "1/ s",
            "1/s ",
        ] {
            let error = text.parse::<Rate>().expect_err(text);
            assert!(error.contains("such as 200/s"), "{error}");
        }
    }

    #[test]
    fn a_bucket_holds_a_burst_and_refills_evenly() {
        let start = Instant::now();
        let bucket = Bucket::new_at(rate("10/m"), start);
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        for _ in 0..10 {
            assert_eq!(bucket.take_at(at(0)), Ok(()));
        }
        assert_eq!(bucket.take_at(at(0)), Err(Duration::from_secs(6)));
        assert_eq!(bucket.take_at(at(5)), Err(Duration::from_secs(1)));
        assert_eq!(bucket.take_at(at(6)), Ok(()));
        assert_eq!(bucket.take_at(at(6)), Err(Duration::from_secs(6)));
        // It never holds more than a burst.
        for _ in 0..10 {
            assert_eq!(bucket.take_at(at(1000)), Ok(()));
        }
        assert_eq!(bucket.take_at(at(1000)), Err(Duration::from_secs(6)));
    }

    #[test]
    fn a_clock_that_goes_back_takes_no_extra_tokens() {
        let start = Instant::now();
        let bucket = Bucket::new_at(rate("1/s"), start + Duration::from_secs(5));
        assert_eq!(bucket.take_at(start + Duration::from_secs(6)), Ok(()));
        assert_eq!(bucket.take_at(start), Err(Duration::from_secs(2)));
        assert_eq!(bucket.take_at(start + Duration::from_secs(7)), Ok(()));
    }

    #[test]
    fn threads_take_each_token_once() {
        let start = Instant::now();
        let bucket = Bucket::new_at(rate("1000/h"), start);
        let taken = std::thread::scope(|scope| {
            let threads = [(); 4].map(|()| {
                scope.spawn(|| (0..1000).filter(|_| bucket.take_at(start).is_ok()).count())
            });
            threads.map(|thread| thread.join().expect("no panic"))
        });
        assert_eq!(taken.iter().sum::<usize>(), 1000);
    }
}
