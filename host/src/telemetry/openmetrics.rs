//! The parts of `OpenMetrics` that the encoder of metrics leaves out: the start times of counters,
//! and exemplars.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// `encoded` with the time `began` for every counter and histogram, and with `exemplars` of
/// samples, by the name of the sample with its labels.
pub(super) fn complete(
    encoded: &str,
    began: SystemTime,
    exemplars: &HashMap<String, String>,
) -> String {
    let began = seconds(began);
    let mut text = String::with_capacity(2 * encoded.len());
    let mut kind = "";
    for line in encoded.lines() {
        if let Some(typed) = line.strip_prefix("# TYPE ") {
            kind = typed.rsplit(' ').next().unwrap_or_default();
        }
        text.push_str(line);
        let series = line.rsplit_once(' ').map_or(line, |(series, _)| series);
        if let Some(exemplar) = exemplars.get(series) {
            text.extend([" # ", exemplar]);
        }
        text.push('\n');
        let end = match kind {
            "counter" => "_total",
            "histogram" => "_count",
            _ => continue,
        };
        let (name, labels) = series.split_at(series.find('{').unwrap_or(series.len()));
        if let (false, Some(family)) = (line.starts_with('#'), name.strip_suffix(end)) {
            text.extend([family, "_created", labels, " ", &began, "\n"]);
        }
    }
    text
}

/// A time in seconds since 1970.
pub(super) fn seconds(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:.3}", since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn counters_have_creation_times() {
        let encoded = "# HELP requests Requests.\n# TYPE requests counter\n\
            requests_total{route=\"/a b\"} 2\n# HELP time Time.\n# TYPE time histogram\n\
            time_sum 0.5\ntime_count 1\ntime_bucket{le=\"+Inf\"} 1\n\
            # HELP parts_total Parts.\n# TYPE parts_total gauge\nparts_total 1\n# EOF\n";
        let expected = "# HELP requests Requests.\n# TYPE requests counter\n\
            requests_total{route=\"/a b\"} 2\nrequests_created{route=\"/a b\"} 1.500\n\
            # HELP time Time.\n# TYPE time histogram\n\
            time_sum 0.5\ntime_count 1\ntime_created 1.500\n\
            time_bucket{le=\"+Inf\"} 1 # {trace_id=\"ab\"} 0.5\n\
            # HELP parts_total Parts.\n# TYPE parts_total gauge\nparts_total 1\n# EOF\n";
        let exemplar = "{trace_id=\"ab\"} 0.5".to_owned();
        let exemplars = HashMap::from([("time_bucket{le=\"+Inf\"}".to_owned(), exemplar)]);
        let began = UNIX_EPOCH + Duration::from_millis(1500);
        assert_eq!(complete(encoded, began, &exemplars), expected);
    }
}
