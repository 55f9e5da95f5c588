//! One command is one trace: its root, its instances, and the links between them.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::harness::{Outcome, cocoon, kill, run_command};
use crate::otlp::{Protocol, Receiver, Span, whole_trace};

const FACTOR: &str = cocoon_test_guests::FOREIGN_FACTOR;
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// A command that exports to `receiver`.
fn exporting_command<'a>(
    receiver: &Receiver,
    arguments: impl IntoIterator<Item = &'a str>,
) -> Command {
    let mut command = cocoon(arguments);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.endpoint);
    command
}

/// Runs a command. Returns its spans, which are one trace, and its outcome.
fn trace_command(arguments: &[&str]) -> (Vec<Span>, Outcome) {
    let mut receiver = Receiver::start(Protocol::Http);
    let outcome = run_command(&mut exporting_command(&receiver, arguments.iter().copied()));
    let spans = receiver.wait(|spans| spans.iter().any(is_root)).to_vec();
    (spans, outcome)
}

fn is_root(span: &Span) -> bool {
    span.span.name.starts_with("cocoon ")
}

fn find_spans<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|it| it.span.name == name).collect()
}

#[test]
fn every_command_is_one_trace_with_a_root() {
    let folder = tempfile::tempdir().expect("a folder");
    let digits = folder.path().join("digits");
    std::fs::write(&digits, "3628800").expect("a file");
    let digits = digits.to_str().expect("a path");
    for (arguments, instances) in [
        (&["run", "12"][..], 12),
        (&["kinds", "7"], 8),
        (&["info", "9"], 1),
        (&["verify", "10", digits], 1),
        (&["compute", "190000", "--fan-out", "2"], 2),
        (&["compute", "10"], 1),
        (&["exec", FACTOR, "-n", "12", "--", "12"], 12),
    ] {
        let (spans, outcome) = trace_command(arguments);
        assert_eq!(
            (
                outcome.code,
                &*outcome.err.replace("12 of 12 instances succeeded", "")
            ),
            (
                Some(0),
                if arguments[0] == "exec" {
                    "cocoon: \n"
                } else {
                    ""
                }
            ),
            "{arguments:?}"
        );
        let root = whole_trace(&spans);
        assert_eq!(root.span.name, format!("cocoon {}", arguments[0]));
        assert!(root.span.parent_span_id.is_empty());
        assert_eq!(root.count("cocoon.instances"), Some(instances), "{root:#?}");
        assert_eq!(root.text("cocoon.outcome").as_deref(), Some("done"));
        assert_eq!(root.count("process.exit.code"), Some(0));
        let component = if arguments[0] == "exec" {
            "factor"
        } else {
            "built-in"
        };
        let named_component = root.text("cocoon.component").expect("a component");
        assert!(named_component.contains(component), "{named_component}");
        assert_eq!(
            root.text("cocoon.digest").map(|digest| digest.len()),
            Some(16)
        );
        assert!(!root.has_failed(), "{root:#?}");
        assert!(!find_spans(&spans, "sandbox").is_empty(), "{spans:#?}");
    }
}

#[test]
fn a_span_of_an_instance_has_its_number_and_exit_code() {
    let (spans, outcome) = trace_command(&["exec", FACTOR, "-n", "3", "--", "{i}x"]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.err);
    let root = whole_trace(&spans);
    assert_eq!(root.text("cocoon.outcome").as_deref(), Some("programs"));
    assert_eq!(root.text("error.type").as_deref(), Some("programs"));
    assert_eq!(root.count("process.exit.code"), Some(1));
    assert!(root.has_failed(), "{root:#?}");
    let mut numbers = Vec::new();
    for instance in find_spans(&spans, "instance") {
        assert_eq!(instance.span.parent_span_id, root.span.span_id);
        assert_eq!(instance.count("cocoon.exit"), Some(1), "{instance:#?}");
        assert!(instance.has_failed(), "{instance:#?}");
        numbers.extend(instance.count("cocoon.instance"));
        let below = |span: &&Span| span.span.parent_span_id == instance.span.span_id;
        let sandboxes = find_spans(&spans, "sandbox");
        assert_eq!(sandboxes.into_iter().filter(below).count(), 1);
    }
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3]);
}

#[test]
fn a_span_of_a_stopped_instance_names_the_limit() {
    let (spans, outcome) = trace_command(&[
        "exec",
        "--deadline",
        "300ms",
        cocoon_test_guests::HOSTILE_PROGRAM,
        "--",
        "spin",
    ]);
    assert_ne!(outcome.code, Some(0), "{}", outcome.err);
    whole_trace(&spans);
    let instance = find_spans(&spans, "instance")[0];
    assert!(instance.has_failed(), "{instance:#?}");
    assert_eq!(instance.text("error.type").as_deref(), Some("stopped"));
    assert_eq!(instance.count("cocoon.exit"), None);
}

#[test]
fn an_interrupted_command_has_a_failed_span() {
    let program = cocoon_test_guests::HOSTILE_PROGRAM;
    spans_of_interrupted(&["exec", program, "--", "spin"]);
}

#[test]
fn an_interrupted_start_has_a_failed_span() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("spin.wasm");
    let text = "(module (func $spin (loop (br 0))) (start $spin)
        (memory (export \"memory\") 1) (func (export \"_start\")))";
    let wasm = wat::parse_str(text).expect("a module");
    std::fs::write(&program, wasm).expect("a file");
    spans_of_interrupted(&["exec", program.to_str().expect("a path in UTF-8")]);
}

/// Interrupts a command, and checks that its spans say so.
fn spans_of_interrupted(arguments: &[&str]) {
    let mut receiver = Receiver::start(Protocol::Http);
    let mut child = exporting_command(&receiver, arguments.iter().copied())
        .env("COCOON_LOG", "cocoon::pool=debug")
        .stderr(Stdio::piped())
        .spawn()
        .expect("a command that starts");
    let mut log = BufReader::new(child.stderr.take().expect("its standard error"));
    // The command runs once its wait for a place is over.
    let mut line = String::new();
    log.read_line(&mut line).expect("a line");
    assert!(line.contains("queue"), "{line}");
    kill(child.id(), Signal::INT);
    let outcome = child.wait().expect("its end");
    assert_eq!(outcome.code(), Some(130));
    let spans = receiver.wait(|spans| spans.iter().any(is_root));
    let root = whole_trace(spans);
    assert_eq!(root.text("cocoon.outcome").as_deref(), Some("interrupted"));
    assert_eq!(root.count("process.exit.code"), Some(130));
    for name in ["instance", "sandbox"] {
        let span = find_spans(spans, name)[0];
        assert_eq!(span.text("error.type").as_deref(), Some("cancelled"));
    }
}

#[test]
fn a_command_exports_a_thousand_instances_and_counts_the_rest() {
    let mut receiver = Receiver::start(Protocol::Http);
    let mut command = exporting_command(&receiver, ["exec", FACTOR, "-n", "1234", "--", "12"]);
    let outcome = run_command(&mut command);
    assert_eq!(outcome.code, Some(0), "{}", outcome.err);
    assert!(
        outcome.err.contains("1000") && outcome.err.contains("234"),
        "{}",
        outcome.err
    );
    let spans = receiver.wait(|spans| spans.iter().any(is_root));
    let root = whole_trace(spans);
    assert_eq!(root.count("cocoon.instances"), Some(1234));
    assert_eq!(root.count("cocoon.instances_left_out"), Some(234));
    assert_eq!(find_spans(spans, "instance").len(), 1000);
    assert_eq!(find_spans(spans, "sandbox").len(), 1000);
}

#[test]
fn the_environment_names_the_parent_of_a_command() {
    for (flags, exported) in [("01", true), ("00", false)] {
        let mut receiver = Receiver::start(Protocol::Http);
        let parent = format!("00-{TRACE}-{CALLER}-{flags}");
        let mut command = exporting_command(&receiver, ["run", "5"]);
        command.env("TRACEPARENT", parent).env("TRACESTATE", "a=1");
        assert_eq!(run_command(&mut command).code, Some(0));
        // A second command, whose spans arrive after all of the first.
        assert_eq!(
            run_command(&mut exporting_command(&receiver, ["info", "5"])).code,
            Some(0)
        );
        let is_info = |span: &Span| span.span.name == "cocoon info";
        let spans = receiver.wait(|spans| spans.iter().any(is_info));
        let roots: Vec<_> = spans.iter().filter(|span| is_root(span)).collect();
        if exported {
            let root = roots[0];
            let hex = |bytes: &[u8]| {
                bytes
                    .iter()
                    .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
            };
            assert_eq!(hex(&root.span.trace_id), TRACE);
            assert_eq!(hex(&root.span.parent_span_id), CALLER);
            assert_eq!(root.span.trace_state, "a=1");
            let trace = &root.span.trace_id;
            whole_trace(spans.iter().filter(|span| &span.span.trace_id == trace));
        } else {
            assert_eq!(roots.len(), 1, "{roots:#?}");
            whole_trace(spans);
        }
    }
}

#[test]
fn spans_of_parts_link_to_their_inputs() {
    let (spans, outcome) = trace_command(&["compute", "190000", "--fan-out", "2"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.err);
    whole_trace(&spans);
    let parts = find_spans(&spans, "part");
    let ids: Vec<_> = parts.iter().map(|part| &part.span.span_id).collect();
    assert_eq!(parts.len(), 2);
    // The two parts exchange their numbers.
    for part in &parts {
        assert!(!part.span.links.is_empty(), "{part:#?}");
        for link in &part.span.links {
            assert!(ids.contains(&&link.span_id) && link.span_id != part.span.span_id);
            assert_eq!(link.trace_id, part.span.trace_id);
        }
    }
}
