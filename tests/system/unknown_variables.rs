//! Unknown variables with our prefix: each is reported once at the start.

use crate::harness::{Outcome, cocoon, json_lines, run_command};

/// The standard error of a successful command with some variables.
fn stderr_with(variables: &[(&str, &str)]) -> String {
    let mut command = cocoon(["compute", "5", "--log-format", "json"]);
    let Outcome { out, err, code } = run_command(command.envs(variables.iter().copied()));
    assert_eq!((code, out.as_str()), (Some(0), "120\n"), "{err}");
    err
}

#[test]
fn an_unknown_variable_is_reported_once_with_the_nearest_known_one() {
    let err = stderr_with(&[
        ("COCOON_DEADLNE", "5s"),
        ("COCOON_XYZZY", "1"),
        ("COCOON_DRAINDELAY", "5s"),
        ("COCOON_LOGFORMAT", "json"),
        ("COCOON_TOKEN", "a secret of somebody"),
        ("COCOON_DEADLINE", "5s"),
        ("COCOON_LOG", "cocoon=warn"),
        ("COCOON_LOG_FORMAT", "json"),
        ("COCOON_DRAIN_DELAY", "5s"),
        ("COCOONS", "1"),
    ]);
    let lines = json_lines(&err);
    let expected = [
        ("COCOON_DEADLNE", Some("COCOON_DEADLINE")),
        ("COCOON_DRAINDELAY", Some("COCOON_DRAIN_DELAY")),
        ("COCOON_LOGFORMAT", Some("COCOON_LOG_FORMAT")),
        ("COCOON_TOKEN", Some("COCOON_TOKEN_FILE")),
        ("COCOON_XYZZY", None),
    ];
    let found = lines
        .iter()
        .map(|line| (line["variable"].as_str(), line["nearest"].as_str()));
    let expected = expected.map(|(name, nearest)| (Some(name), nearest));
    assert_eq!(found.collect::<Vec<_>>(), expected, "{err}");
    assert!(!err.contains("a secret"), "a value is reported: {err}");
    for line in &lines {
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["message"], "unknown variable");
    }
}

#[test]
fn kubernetes_service_links_are_not_reported() {
    let err = stderr_with(&[
        ("COCOON_SERVICE_HOST", "10.0.0.1"),
        ("COCOON_SERVICE_PORT", "8080"),
        ("COCOON_SERVICE_PORT_HTTP", "8080"),
        ("COCOON_PORT", "tcp://10.0.0.1:8080"),
        ("COCOON_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
        ("COCOON_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("COCOON_PORT_8080_TCP_PORT", "8080"),
        ("COCOON_PORT_8080_TCP_PROTO", "tcp"),
        ("COCOON_CANARY_SERVICE_HOST", "10.0.0.2"),
        ("COCOON_CANARY_PORT_53_UDP", "udp://10.0.0.2:53"),
    ]);
    assert_eq!(err, "");
    // A likely misspelling of `--listen`.
    for (name, value) in [("COCOON_PORT", "8080"), ("COCOON_PORT_X_TCP", "1")] {
        let lines = json_lines(&stderr_with(&[(name, value)]));
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["variable"], name);
    }
}

#[test]
fn many_unknown_variables_are_counted() {
    let names: Vec<_> = (100..150).map(|index| format!("COCOON_X{index}")).collect();
    let variables: Vec<_> = names.iter().map(|name| (name.as_str(), "1")).collect();
    let lines = json_lines(&stderr_with(&variables));
    assert_eq!(lines.len(), 17);
    assert_eq!(lines[0]["variable"], "COCOON_X100");
    assert_eq!(lines[16]["more"], 34);
}
