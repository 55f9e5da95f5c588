//! Counts and times that threads write to without meeting.
//!
//! Every thread has a shard of its own, and who reads adds the shards up. Sandboxes
//! start and end some hundred thousand times a second: with counters that all threads
//! share, or histograms behind a lock, a tenth of that was lost (measured with `wrk` on
//! two processors).

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

use crate::shards::Shards;

/// The first bound of a histogram of times, half of what a sandbox takes to
/// start; each of the others is twice the one before, up to more than a minute.
const FIRST_NS: u64 = 4000;
/// Bounds, and one more for what is beyond the last.
pub(crate) const BUCKETS: usize = 26;

/// How many there are of something. Clones share the count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(Shards<AtomicI64>);

impl Tally {
    /// Counts `change` more, or fewer.
    pub(crate) fn add(&self, change: i64) {
        self.0.own().fetch_add(change, Ordering::Relaxed);
    }

    /// How many there are.
    pub(crate) fn get(&self) -> i64 {
        let shards = self.0.all();
        shards.map(|shard| shard.load(Ordering::Relaxed)).sum()
    }
}

impl EncodeMetric for Tally {
    fn encode(&self, mut encoder: MetricEncoder) -> fmt::Result {
        encoder.encode_gauge(&self.get())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}

/// A histogram of times. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times(Shards<Buckets>);

#[derive(Debug, Default)]
struct Buckets {
    counts: [AtomicU64; BUCKETS],
    sum_ns: AtomicU64,
}

impl Times {
    /// Counts one that took `time`.
    pub(crate) fn observe(&self, time: Duration) {
        let buckets = self.0.own();
        buckets.counts[bucket(time)].fetch_add(1, Ordering::Relaxed);
        buckets.sum_ns.fetch_add(nanos(time), Ordering::Relaxed);
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The first bucket whose bound is not below `time`.
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

impl EncodeMetric for Times {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a sum of nanoseconds loses some in a hundred days"
    )]
    fn encode(&self, mut encoder: MetricEncoder) -> fmt::Result {
        let mut counts = [0; BUCKETS];
        let mut sum_ns = 0;
        for shard in self.0.all() {
            for (all, own) in counts.iter_mut().zip(&shard.counts) {
                *all += own.load(Ordering::Relaxed);
            }
            sum_ns += shard.sum_ns.load(Ordering::Relaxed);
        }
        let buckets: Vec<(f64, u64)> = counts
            .iter()
            .enumerate()
            .map(|(bucket, &count)| (bound(bucket), count))
            .collect();
        let count = counts.iter().sum();
        encoder.encode_histogram::<NoLabelSet>(sum_ns as f64 / 1e9, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

impl TypedMetric for Times {
    const TYPE: MetricType = MetricType::Histogram;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shards::SHARDS;

    #[test]
    fn times_fall_into_the_bucket_whose_bound_they_do_not_pass() {
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
    fn what_many_threads_count_adds_up() {
        let tally = Tally::default();
        std::thread::scope(|scope| {
            for _ in 0..2 * SHARDS {
                scope.spawn(|| (0..1000).for_each(|_| tally.add(1)));
            }
        });
        tally.add(-1);
        assert_eq!(tally.get(), (1..2000 * SHARDS).map(|_| 1_i64).sum::<i64>());
    }
}
