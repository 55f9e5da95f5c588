//! Metrics with a shard for each thread.
//!
//! A thread writes to its own shard, and a reader adds all shards up. Sandboxes start and
//! end some hundred thousand times a second: counters that all threads share, or histograms
//! behind a lock, cost a tenth of that (measured with `wrk` on two processors).

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use super::per_thread::PerThread;

/// The first bound of a histogram: half of the time that a sandbox takes to start. Each
/// bound is twice the one before; the last is more than a minute.
const FIRST_NS: u64 = 4000;
/// Buckets of a histogram: one for each bound, and one for longer times.
pub(crate) const BUCKETS: usize = 26;

/// A gauge. Clones share its value.
#[derive(Clone, Debug, Default)]
pub(crate) struct ShardedGauge(PerThread<AtomicI64>);

impl ShardedGauge {
    /// Adds `change`, which may be negative.
    pub(crate) fn add(&self, change: i64) {
        self.0.own().fetch_add(change, Ordering::Relaxed);
    }

    /// The value.
    pub(crate) fn get(&self) -> i64 {
        self.0
            .all()
            .map(|shard| shard.load(Ordering::Relaxed))
            .sum()
    }
}

/// A histogram of durations. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ShardedHistogram(PerThread<Buckets>);

#[derive(Debug, Default)]
struct Buckets {
    counts: [AtomicU64; BUCKETS],
    sum_ns: AtomicU64,
}

impl ShardedHistogram {
    /// Counts `time`.
    pub(crate) fn observe(&self, time: Duration) {
        let buckets = self.0.own();
        buckets.counts[bucket(time)].fetch_add(1, Ordering::Relaxed);
        buckets.sum_ns.fetch_add(nanos(time), Ordering::Relaxed);
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The bucket of `time`: the first whose bound is not below it.
pub(crate) fn bucket(time: Duration) -> usize {
    let over = nanos(time).saturating_sub(1) / FIRST_NS;
    let bucket = (u64::BITS - over.leading_zeros()) as usize;
    bucket.min(BUCKETS - 1)
}

/// The bound of a bucket, in seconds.
#[expect(
    clippy::cast_precision_loss,
    reason = "bounds are far below the 2^53 that an f64 holds exactly"
)]
pub(crate) fn bound(bucket: usize) -> f64 {
    if bucket == BUCKETS - 1 {
        f64::INFINITY
    } else {
        (FIRST_NS << bucket) as f64 / 1e9
    }
}

/// The times that a histogram has counted so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// The number of times.
    pub count: u64,
    /// Their sum.
    pub sum_seconds: f64,
    /// For each bucket, its upper bound in seconds, and the number of times in it alone. The
    /// last bound is infinite.
    pub buckets: Vec<(f64, u64)>,
}

impl ShardedHistogram {
    /// Adds up the shards of all threads.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a sum of nanoseconds loses some in a hundred days"
    )]
    pub(crate) fn read(&self) -> Histogram {
        let mut counts = [0; BUCKETS];
        let mut sum_ns = 0;
        for shard in self.0.all() {
            for (all, own) in counts.iter_mut().zip(&shard.counts) {
                *all += own.load(Ordering::Relaxed);
            }
            sum_ns += shard.sum_ns.load(Ordering::Relaxed);
        }
        let buckets = counts.iter().enumerate();
        Histogram {
            count: counts.iter().sum(),
            sum_seconds: sum_ns as f64 / 1e9,
            buckets: buckets
                .map(|(bucket, &count)| (bound(bucket), count))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::per_thread::SHARDS;

    #[test]
    fn a_time_on_a_bound_is_in_its_bucket() {
        for (time_ns, expected) in [
            (0, 0),
            (1, 0),
            (FIRST_NS, 0),
            (FIRST_NS + 1, 1),
            (2 * FIRST_NS, 1),
            (2 * FIRST_NS + 1, 2),
            (u64::MAX, BUCKETS - 1),
        ] {
            assert_eq!(bucket(Duration::from_nanos(time_ns)), expected, "{time_ns}");
        }
        for bucket_index in 0..BUCKETS - 1 {
            let bound = Duration::from_nanos(FIRST_NS << bucket_index);
            assert_eq!(bucket(bound), bucket_index);
        }
    }

    #[test]
    fn a_gauge_sums_the_counts_of_many_threads() {
        let gauge = ShardedGauge::default();
        std::thread::scope(|scope| {
            for _ in 0..2 * SHARDS {
                scope.spawn(|| (0..1000).for_each(|_| gauge.add(1)));
            }
        });
        gauge.add(-1);
        assert_eq!(gauge.get(), (1..2000 * SHARDS).map(|_| 1_i64).sum::<i64>());
    }
}
