//! Runs of `cocoon exec` that end early or repeat instances.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use rustix::process::Signal;
use serde_json::json;

use crate::harness::{Outcome, TIMEOUT, cocoon, json_lines, kill, run};

const PROGRAM: &str = cocoon_test_guests::HOSTILE_PROGRAM;

#[test]
fn fail_fast_starts_no_more_and_ends_the_running_ones() {
    let started = Instant::now();
    let outcome = run([
        "exec",
        PROGRAM,
        "-n",
        "100",
        "-c",
        "4",
        "--fail-fast",
        "--json",
        "--",
        "exit-or-spin",
        "{i}",
        "3",
    ]);
    assert!(started.elapsed() < TIMEOUT / 2);
    assert_eq!(outcome.code, Some(1));
    let records = json_lines(&outcome.out);
    let ends: Vec<_> = records.iter().filter(|it| it["stream"].is_null()).collect();
    let ended = ends.iter().filter(|it| it["failure"] == "interrupted");
    let ended = ended.count();
    // The fourth may not have started yet.
    assert!(ended == 2 || ended == 3, "{records:?}");
    assert_eq!(ends.len(), ended + 1, "{records:?}");
    let mut lines = outcome.err.lines();
    let first = format!(
        "cocoon: 0 of 100 instances succeeded, 1 failed, {ended} ended early, {} not started",
        99 - ended
    );
    assert_eq!(lines.next(), Some(first.as_str()));
    assert_eq!(lines.next(), Some("cocoon: 1 instance (3): exit code 1"));
}

/// Runs a program that fails twice before it succeeds.
fn flaky(folder: &Path, how: &str, flags: &[&str]) -> Outcome {
    let path = folder.to_str().expect("text");
    let grant = format!("{path}:/d:rw");
    let _ = fs::remove_file(folder.join("attempts"));
    let all = ["exec", PROGRAM, "--dir", &grant];
    let action = ["--", "fail-first", "/d/attempts", "2", how];
    run(all.iter().chain(flags).chain(&action))
}

#[test]
fn a_failed_instance_is_repeated_and_only_its_last_output_is_printed() {
    let folder = tempfile::tempdir().expect("a folder");
    for (how, code) in [("1", 1), ("trap", 134), ("spin", 124)] {
        let deadline = ["--deadline", "3s"];
        let outcome = flaky(
            folder.path(),
            how,
            &[&["--retries", "2"], &deadline[..]].concat(),
        );
        assert_eq!(
            (outcome.code, outcome.out.as_str(), outcome.err.as_str()),
            (Some(0), "attempt 2\n", ""),
            "{how}"
        );
        let outcome = flaky(
            folder.path(),
            how,
            &[&["--retries", "1"], &deadline[..]].concat(),
        );
        assert_eq!(
            (outcome.code, outcome.out.as_str()),
            (Some(code), "attempt 1\n"),
            "{how}"
        );
        assert!(!outcome.err.contains("attempt 0"), "{}", outcome.err);
    }
    let json = flaky(folder.path(), "1", &["--retries", "5", "--json"]);
    let records = json_lines(&json.out);
    assert_eq!(records.len(), 2, "{records:?}");
    assert_eq!(records[0]["text"], json!("attempt 2"));
    assert_eq!(
        (&records[1]["attempts"], &records[1]["exit"]),
        (&json!(3), &json!(0))
    );
    let outputs = folder.path().join("outputs");
    let path = outputs.to_str().expect("text");
    let files = flaky(
        folder.path(),
        "1",
        &["--retries", "2", "--output-dir", path],
    );
    assert_eq!(
        (files.code, files.out.as_str()),
        (Some(0), ""),
        "{}",
        files.err
    );
    assert_eq!(
        fs::read_to_string(outputs.join("1.out")).expect("a file"),
        "attempt 2\n"
    );
    assert_eq!(fs::read_dir(&outputs).expect("a folder").count(), 2);
}

#[test]
fn limits_and_spent_input_are_not_retried() {
    let memory = [
        "exec",
        PROGRAM,
        "--retries",
        "3",
        "--sandbox-memory",
        "16MiB",
        "--json",
    ];
    let outcome = run(memory.iter().chain(&["--", "take"]));
    let end = json_lines(&outcome.out).pop().expect("a record");
    assert!(end["attempts"].is_null(), "{end}");
    // Another attempt would read the rest of the input.
    let mut child = cocoon([
        "exec",
        PROGRAM,
        "--retries",
        "3",
        "--json",
        "--",
        "take-bytes",
        "5",
    ])
    .stdin(Stdio::piped())
    .stdout(Stdio::piped())
    .stderr(Stdio::null())
    .spawn()
    .expect("a process");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(b"abc").expect("input");
    drop(input);
    let output = child.wait_with_output().expect("its end");
    let records = json_lines(&String::from_utf8_lossy(&output.stdout));
    let end = records.last().expect("a record");
    assert!(
        end["attempts"].is_null() && end["failure"] == "trapped",
        "{end}"
    );
}

#[test]
fn ctrl_c_ends_with_the_summary_so_far() {
    let mut child = cocoon(["exec", PROGRAM, "-n", "9", "-c", "3", "--json"])
        .args(["--", "exit-or-spin", "{i}", "2"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a process");
    // The record of the failed instance is flushed with the others, at the end: wait until the
    // instances spin.
    let started = Instant::now();
    while child_threads(child.id()) < 2 && started.elapsed() < TIMEOUT {}
    std::thread::sleep(std::time::Duration::from_secs(2));
    kill(child.id(), Signal::INT);
    let mut out = String::new();
    child
        .stdout
        .take()
        .expect("a pipe")
        .read_to_string(&mut out)
        .expect("text");
    let output = child.wait_with_output().expect("its end");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{err}");
    let expected = "cocoon: 0 of 9 instances succeeded, 1 failed, 3 ended early, 5 not started\n\
        cocoon: interrupted; 1 instance (2): exit code 1\n";
    assert_eq!(err, expected);
    let ends = json_lines(&out)
        .into_iter()
        .filter(|it| it["stream"].is_null());
    assert_eq!(ends.count(), 4, "{out}");
}

fn child_threads(id: u32) -> usize {
    fs::read_dir(format!("/proc/{id}/task")).map_or(0, Iterator::count)
}

#[test]
fn quiet_prints_errors_alone() {
    let done = run(["exec", PROGRAM, "-n", "3", "--quiet", "--", "say", "x"]);
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
    let failed = run([
        "exec",
        PROGRAM,
        "-n",
        "3",
        "--quiet",
        "--",
        "exit-if-odd",
        "{i}",
    ]);
    assert_eq!(failed.code, Some(1));
    assert_eq!(failed.err, "cocoon: 2 instances (1, 3): exit code 1\n");
}

/// A file that is always ready must not keep signals from being seen.
#[test]
fn a_line_without_an_end_is_interrupted() {
    let mut command = cocoon(["exec", PROGRAM, "--lines", "--", "cat"]);
    let zeros = fs::File::open("/dev/zero").expect("a device");
    let mut child = command
        .stdin(zeros)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("cocoon");
    std::thread::sleep(std::time::Duration::from_millis(500));
    kill(child.id(), Signal::INT);
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a status") {
            break status;
        }
        if started.elapsed() > TIMEOUT / 2 {
            let _ = child.kill();
            panic!("it ignores the signal");
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    };
    assert_eq!(status.code(), Some(130));
}

/// All instances have ended, and their output waits for its reader.
#[test]
fn a_signal_ends_the_wait_for_a_reader() {
    let mut child = cocoon(["exec", PROGRAM, "--", "long-output", "a", "2500"])
        .env("COCOON_LOG", "debug")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("cocoon");
    let mut log = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let is_over = |line: io::Result<String>| line.expect("text").contains("sandbox dropped");
    assert!(log.any(is_over));
    // The rest of the output is on its way.
    std::thread::sleep(std::time::Duration::from_millis(300));
    kill(child.id(), Signal::TERM);
    let started = Instant::now();
    while child.try_wait().expect("a status").is_none() {
        assert!(started.elapsed() < TIMEOUT, "a command that ends");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(child.wait().expect("a status").code(), Some(130));
}
