//! `cocoon exec`: a foreign program and our own, in many instances at once.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use serde_json::json;

use crate::harness::{Outcome, assert_fails, assert_one_line, cocoon, json_lines, run, stdout_of};

const FACTOR: &str = cocoon_test_guests::FOREIGN_FACTOR;
const PROGRAM: &str = cocoon_test_guests::HOSTILE_PROGRAM;

/// The output of `factor` for n.
fn factor_output(mut n: u64) -> String {
    let mut line = format!("{n}:");
    let mut divisor = 2;
    while n > 1 {
        while n.is_multiple_of(divisor) {
            line.extend([" ", &divisor.to_string()]);
            n /= divisor;
        }
        divisor += 1;
    }
    line
}

/// Groups lines by instance, without their prefix.
fn by_instance(text: &str) -> BTreeMap<u64, Vec<&str>> {
    let mut lines = BTreeMap::<u64, Vec<&str>>::new();
    for line in text.lines() {
        let (instance, line) = line
            .strip_prefix('[')
            .and_then(|line| line.split_once("] "))
            .expect("a prefix");
        lines
            .entry(instance.parse().expect("a number"))
            .or_default()
            .push(line);
    }
    lines
}

#[test]
fn a_thousand_instances_of_a_foreign_program_succeed() {
    let Outcome { out, err, code } = run(["exec", FACTOR, "--instances", "1000", "--", "{i}"]);
    assert_eq!(
        (code, err.as_str()),
        (Some(0), "cocoon: 1000 of 1000 instances succeeded\n")
    );
    let lines = by_instance(&out);
    assert_eq!(lines.len(), 1000);
    for (instance, lines) in lines {
        assert_eq!(lines, [factor_output(instance)]);
    }
}

#[test]
fn each_instance_reads_the_whole_input() {
    let mut command = cocoon(["exec", FACTOR, "-n", "20", "-i"]);
    let spawned = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = spawned.expect("a process");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(b"12\n97\n1001\n")
        .expect("input");
    let output = child.wait_with_output().expect("its end");
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let out = String::from_utf8(output.stdout).expect("text");
    let lines = by_instance(&out);
    assert_eq!(lines.len(), 20);
    for lines in lines.values() {
        assert_eq!(
            lines[..],
            [factor_output(12), factor_output(97), factor_output(1001)]
        );
    }
}

#[test]
fn input_may_come_from_a_file_and_is_bounded() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let text = "line\n".repeat(100_000);
    fs::write(file.path(), &text).expect("a file");
    let path = file.path().to_str().expect("text");
    let given = ["exec", PROGRAM, "--stdin", path, "--", "cat"];
    assert!(stdout_of(given) == text, "it came back as it went in");
    let small = ["exec", PROGRAM, "-n", "2", "--stdin", path];
    let small = small.iter().chain(&["--input", "1KiB", "--", "cat"]);
    assert_fails(
        &run(small),
        125,
        &["input", "1 KiB", "--input", "COCOON_INPUT"],
    );
    let missing = ["exec", PROGRAM, "--stdin", "/no/such/file", "--", "cat"];
    assert_fails(&run(missing), 125, &["cannot read", "/no/such/file"]);
    // The standard input of this command is empty.
    assert_eq!(stdout_of(["exec", PROGRAM, "--", "cat"]), "");
}

#[test]
fn the_output_of_one_instance_has_no_prefix() {
    assert_eq!(
        stdout_of(["exec", PROGRAM, "--", "say-unfinished", "no newline"]),
        "no newline"
    );
    assert_eq!(
        stdout_of(["exec", PROGRAM, "--", "say", "{i}", "and", "{i}"]),
        "1 and 1\n"
    );
    let both = run(["exec", PROGRAM, "--", "both", "x"]);
    assert_eq!(
        (both.out.as_str(), both.err.as_str()),
        ("out x\n", "err x\n")
    );
}

#[test]
fn lines_of_many_instances_have_prefixes_on_both_streams() {
    let Outcome { out, err, code } = run(["exec", PROGRAM, "-n", "50", "--", "both", "{i}"]);
    assert_eq!(code, Some(0));
    let (output, summary) = err.rsplit_once("cocoon: ").expect("a summary");
    assert_eq!(summary, "50 of 50 instances succeeded\n");
    for (text, stream) in [(out.as_str(), "out"), (output, "err")] {
        let lines = by_instance(text);
        assert_eq!(lines.len(), 50);
        for (instance, lines) in lines {
            assert_eq!(lines, [format!("{stream} {instance}")]);
        }
    }
}

#[test]
fn json_has_records_for_lines_and_exits() {
    let Outcome { out, code, .. } =
        run(["exec", PROGRAM, "-n", "2", "--json", "--", "both", "{i}"]);
    assert_eq!(code, Some(0));
    let events = json_lines(&out);
    assert_eq!(events.len(), 6);
    for instance in [1, 2] {
        let of: Vec<_> = events
            .iter()
            .filter(|event| event["instance"] == json!(instance))
            .collect();
        assert!(
            of.iter().any(
                |it| it["stream"] == "stdout" && it["text"] == json!(format!("out {instance}"))
            )
        );
        assert!(
            of.iter().any(
                |it| it["stream"] == "stderr" && it["text"] == json!(format!("err {instance}"))
            )
        );
        let exit = of.last().expect("events");
        assert_eq!(exit["exit"], json!(0));
        assert!(exit["memory_bytes"].as_u64().is_some_and(|bytes| bytes > 0));
    }
    let stopped = run([
        "exec",
        PROGRAM,
        "--json",
        "--deadline",
        "200ms",
        "--",
        "spin",
    ]);
    assert_eq!(stopped.code, Some(124));
    let events = json_lines(&stopped.out);
    assert!(
        events[0]["error"]
            .as_str()
            .is_some_and(|error| error.contains("deadline")),
        "{events:?}"
    );
}

#[test]
fn each_instance_can_write_to_its_own_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("new");
    let path = dir.to_str().expect("text");
    let outcome = run([
        "exec",
        PROGRAM,
        "-n",
        "3",
        "--output-dir",
        path,
        "--",
        "both",
        "{i}",
    ]);
    assert_eq!(
        (outcome.code, outcome.out.as_str()),
        (Some(0), ""),
        "{}",
        outcome.err
    );
    assert_eq!(fs::read_dir(&dir).expect("a folder").count(), 6);
    for instance in 1..=3 {
        for stream in ["out", "err"] {
            let text =
                fs::read_to_string(dir.join(format!("{instance}.{stream}"))).expect("a file");
            assert_eq!(text, format!("{stream} {instance}\n"));
        }
    }
}

/// Makes the link `2.out` to a file outside of its folder, and prints `evil`.
const LINKING: &str = r#"(module
    (import "wasi_snapshot_preview1" "path_symlink"
        (func $link (param i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write"
        (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "../victim2.outevil\0a")
    (data (i32.const 32) "\0e\00\00\00\05\00\00\00")
    (func (export "_start")
        (drop (call $link (i32.const 0) (i32.const 9) (i32.const 3) (i32.const 9) (i32.const 5)))
        (drop (call $write (i32.const 1) (i32.const 32) (i32.const 1) (i32.const 48)))))"#;

#[test]
fn a_link_of_a_program_does_not_lead_an_output_outside() {
    let root = tempfile::tempdir().expect("a folder");
    let path = |name: &str| root.path().join(name);
    let text = |name: &str| path(name).to_str().expect("text").to_owned();
    fs::create_dir(path("out")).expect("a folder");
    fs::write(path("victim"), "precious\n").expect("a file");
    fs::write(path("a.wasm"), wat::parse_str(LINKING).expect("a module")).expect("a file");
    let (program, out) = (text("a.wasm"), text("out"));
    let grant = format!("{out}:/o:rw");
    let flags = ["-n", "2", "-c", "1", "--dir", &grant, "--output-dir", &out];
    let outcome = run([&["exec", &program][..], &flags].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.err);
    let read = |name: &str| fs::read_to_string(path(name)).expect("a file");
    assert_eq!(
        (read("victim"), read("out/2.out")),
        ("precious\n".into(), "evil\n".into())
    );
    let found = fs::symlink_metadata(path("out/2.out")).expect("metadata");
    assert!(found.is_file(), "it replaces the link");
}

#[test]
fn a_failed_instance_keeps_its_output_and_is_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("text");
    let outcome = run([
        "exec",
        PROGRAM,
        "--output-dir",
        path,
        "--",
        "trap-after",
        "half",
    ]);
    // The last lines before a failure explain it.
    assert_fails(&outcome, 134, &["trapped"]);
    assert_eq!(
        fs::read_to_string(folder.path().join("1.out")).expect("a file"),
        "half\n"
    );
    let err = fs::read_to_string(folder.path().join("1.err")).expect("a file");
    assert!(err.contains("after it"), "{err}");
}

#[test]
fn exit_codes_are_summarised() {
    let Outcome { out, err, code } = run(["exec", PROGRAM, "-n", "7", "--", "exit-if-odd", "{i}"]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    let lines: Vec<_> = err.lines().collect();
    assert_eq!(lines[0], "cocoon: 3 of 7 instances succeeded");
    assert!(
        lines[1].contains("4 instances (1, 3, 5, 7): exit code 1"),
        "{err}"
    );
    assert_eq!(lines.len(), 2);
}

#[test]
fn limits_stop_programs_and_are_named() {
    for (arguments, code, words) in [
        (
            &["--deadline", "300ms", "--", "spin"][..],
            124,
            &["deadline", "300ms", "--deadline", "COCOON_DEADLINE"][..],
        ),
        (
            &["--deadline", "300ms", "--", "sleep"],
            124,
            &["deadline", "300ms"],
        ),
        (
            &["--stack", "128KiB", "--", "recurse"],
            137,
            &["wasm stack", "128 KiB", "--stack"],
        ),
    ] {
        assert_fails(&run(["exec", PROGRAM].iter().chain(arguments)), code, words);
    }
    let memory = run(["exec", PROGRAM, "--sandbox-memory", "16MiB", "--", "take"]);
    assert_eq!(memory.code, Some(137));
    let last = memory.err.lines().last().expect("a line").to_owned() + "\n";
    assert_one_line(
        &last,
        &[
            "memory of one sandbox",
            "16 MiB",
            "--sandbox-memory",
            "COCOON_SANDBOX_MEMORY",
        ],
    );
    for flood in ["flood", "flood-both"] {
        let flooded = run(["exec", PROGRAM, "--output", "100KiB", "--", flood]);
        assert_eq!(flooded.code, Some(137));
        let bytes = flooded.out.len() + flooded.err.bytes().filter(|&byte| byte == b'7').count();
        assert!(bytes <= 100 << 10, "{bytes} bytes got through");
        let last = flooded.err.trim_start_matches('7');
        assert_one_line(
            last,
            &["output of a job", "100 KiB", "--output", "COCOON_OUTPUT"],
        );
    }
    // Just below its memory limit.
    assert_eq!(
        stdout_of([
            "exec",
            PROGRAM,
            "--sandbox-memory",
            "16MiB",
            "--",
            "take-much",
            "12"
        ]),
        "12\n"
    );
}

#[test]
fn concurrency_and_memory_limit_the_running_instances() {
    // Memory for two instances of 256 MiB each; the others wait, and all finish.
    let tight = [
        "exec",
        PROGRAM,
        "-n",
        "20",
        "--total-memory",
        "700MiB",
        "--sandboxes",
        "32",
        "--",
        "say",
        "{i}",
    ];
    let outcome = run(tight);
    assert_eq!(
        (outcome.code, outcome.out.lines().count()),
        (Some(0), 20),
        "{}",
        outcome.err
    );
    // More instances than places: those that stay empty reserve no memory.
    let little = ["--total-memory", "700MiB", "--", "say", "{i}"];
    let outcome = run([&["exec", PROGRAM, "-n", "300"], &little[..]].concat());
    assert_eq!(
        (outcome.code, outcome.out.lines().count()),
        (Some(0), 300),
        "{}",
        outcome.err
    );
    let one = run(["exec", PROGRAM, "-n", "5", "-c", "1", "--", "say", "{i}"]);
    let expected = "[1] 1\n[2] 2\n[3] 3\n[4] 4\n[5] 5\n";
    assert_eq!(
        one.out, expected,
        "one after the other they keep their order"
    );
}
