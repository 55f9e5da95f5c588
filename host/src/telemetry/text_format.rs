//! Metrics in version 0.0.4 of Prometheus' text format, which every reader understands.
//!
//! The encoder of metrics writes only `OpenMetrics`. The older format has the same samples and
//! other comments: a counter's family has the name of its samples, and there are no types for
//! information, no units and no mark of the end.

/// The encoder's output in version 0.0.4.
pub(super) fn classic(encoded: &str) -> String {
    let mut text = String::with_capacity(encoded.len());
    let mut help = "";
    for line in encoded.lines() {
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
        } else if !line.starts_with("# ") {
            text.extend([line, "\n"]);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_have_the_names_of_their_samples() {
        let encoded = "# HELP build What runs.\n# TYPE build info\nbuild_info{version=\"1\"} 1\n\
            # HELP requests Requests.\n# TYPE requests counter\n# UNIT requests things\n\
            requests_total{route=\"/a\"} 2\n\
            # HELP time Time.\n# TYPE time histogram\ntime_sum 0.5\ntime_count 1\n\
            time_bucket{le=\"+Inf\"} 1\n# EOF\n";
        let expected = "# HELP build_info What runs.\n# TYPE build_info gauge\nbuild_info{version=\"1\"} 1\n\
            # HELP requests_total Requests.\n# TYPE requests_total counter\n\
            requests_total{route=\"/a\"} 2\n\
            # HELP time Time.\n# TYPE time histogram\ntime_sum 0.5\ntime_count 1\n\
            time_bucket{le=\"+Inf\"} 1\n";
        assert_eq!(classic(encoded), expected);
    }
}
