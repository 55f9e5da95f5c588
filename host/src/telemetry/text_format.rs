//! Metrics in version 0.0.4 of Prometheus' text format, which every reader understands.
//!
//! The encoder of metrics writes `OpenMetrics` alone. The older format has the same samples
//! and other comments: a counter's family has the name of its samples, there are no types
//! for information, no units, no exemplars and no mark of the end.

/// The text of `openmetrics` in version 0.0.4.
pub(super) fn classic(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len());
    let mut help = "";
    for line in openmetrics.lines() {
        if line == "# EOF" {
            break;
        } else if let Some(described) = line.strip_prefix("# HELP ") {
            help = described;
        } else if let Some(typed) = line.strip_prefix("# TYPE ") {
            let (family, kind) = typed.rsplit_once(' ').unwrap_or((typed, "unknown"));
            let (end, kind) = match kind {
                "counter" => ("_total", kind),
                "info" => ("_info", "gauge"),
                "stateset" => ("", "gauge"),
                "unknown" => ("", "untyped"),
                _ => ("", kind),
            };
            if let Some((_, help)) = std::mem::take(&mut help).split_once(' ') {
                text.extend(["# HELP ", family, end, " ", help, "\n"]);
            }
            text.extend(["# TYPE ", family, end, " ", kind, "\n"]);
        } else if !line.starts_with("# ") && !is_creation(line) {
            text.extend([without_exemplar(line), "\n"]);
        }
    }
    text
}

/// Whether a sample is the time at which a series began.
fn is_creation(sample: &str) -> bool {
    let name = sample.split(['{', ' ']).next();
    name.is_some_and(|name| name.ends_with("_created"))
}

/// A sample without its exemplar. No label of ours has these characters.
fn without_exemplar(sample: &str) -> &str {
    let end = sample.rfind(" # {").unwrap_or(sample.len());
    &sample[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_have_the_names_of_their_samples() {
        let openmetrics = "# HELP build What runs.\n# TYPE build info\nbuild_info{version=\"1\"} 1\n\
            # HELP requests Requests.\n# TYPE requests counter\n# UNIT requests things\n\
            requests_total{route=\"/a\"} 2\nrequests_created{route=\"/a\"} 1.5\n\
            # HELP time Time.\n# TYPE time histogram\ntime_sum 0.5\ntime_count 1\n\
            time_bucket{le=\"+Inf\"} 1 # {trace_id=\"ab\"} 0.5 1.0\n# EOF\n";
        let expected = "# HELP build_info What runs.\n# TYPE build_info gauge\nbuild_info{version=\"1\"} 1\n\
            # HELP requests_total Requests.\n# TYPE requests_total counter\n\
            requests_total{route=\"/a\"} 2\n\
            # HELP time Time.\n# TYPE time histogram\ntime_sum 0.5\ntime_count 1\n\
            time_bucket{le=\"+Inf\"} 1\n";
        assert_eq!(classic(openmetrics), expected);
    }
}
