//! Histograms in the encoding of `prometheus-client`.

use std::fmt;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

use crate::metrics::Histogram;
use crate::metrics::sharded::ShardedHistogram;

/// Writes `histogram` as one metric.
pub(super) fn encode(histogram: &Histogram, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
    let Histogram {
        count,
        sum_seconds,
        buckets,
    } = histogram;
    encoder.encode_histogram::<NoLabelSet>(*sum_seconds, *count, buckets, None)
}

impl EncodeMetric for ShardedHistogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        encode(&self.read(), &mut encoder)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for ShardedHistogram {
    const TYPE: MetricType = MetricType::Histogram;
}
