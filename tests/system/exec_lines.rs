//! `cocoon exec --lines`: each line of standard input is for an instance of its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use cocoon::machine::processors;

use crate::harness::{Outcome, assert_fails, cocoon, json_lines, run, run_command};

const PROGRAM: &str = cocoon_test_guests::HOSTILE_PROGRAM;

/// Runs an instance for each line of `input`.
fn lines(input: &[u8], arguments: &[&str]) -> Outcome {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(input).expect("written");
    std::io::Seek::rewind(&mut file).expect("a file");
    let mut command = cocoon(["exec", PROGRAM, "--lines"].iter().chain(arguments));
    run_command(command.stdin(file))
}

#[test]
fn each_line_is_the_input_of_an_instance() {
    let input = b"one\n\nthree\r\nfour \xff\nlast";
    let outcome = lines(input, &["--json", "--ordered", "--", "cat"]);
    assert_eq!(
        (outcome.code, outcome.err.as_str()),
        (Some(0), "cocoon: 5 of 5 instances succeeded\n")
    );
    let outputs: Vec<_> = json_lines(&outcome.out)
        .into_iter()
        .filter(|it| it["stream"].is_string())
        .map(|it| {
            let text = it["text"].as_str().or(it["base64"].as_str());
            let text = text.expect("text").to_owned();
            (
                it["instance"].as_u64().expect("a number"),
                text,
                it["partial"] == true,
            )
        })
        .collect();
    let line = |instance, text: &str, partial| (instance, text.to_owned(), partial);
    assert_eq!(
        outputs,
        [
            line(1, "one", false),
            line(2, "", false),
            line(3, "three\r", false),
            line(4, "Zm91ciD/", false),
            line(5, "last", true),
        ]
    );
}

#[test]
fn each_line_can_be_an_argument() {
    let outcome = lines(
        b"one\n\nthree {i}\r\nl\xc3\xa9st",
        &["--ordered", "-q", "--", "say", "{i}", "<{line}>"],
    );
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""));
    assert_eq!(
        outcome.out,
        "[1] 1 <one>\n[2] 2 <>\n[3] 3 <three {i}>\n[4] 4 <lést>\n"
    );
    // Then there is no standard input.
    let outcome = lines(b"one\n", &["-q", "--", "cat", "{line}"]);
    assert_eq!((outcome.code, outcome.out.as_str()), (Some(0), ""));
}

#[test]
fn a_line_that_is_no_argument_fails_its_instance_alone() {
    let outcome = lines(b"a\n\xff\nb\0\nc\n", &["--ordered", "--", "say", "{line}"]);
    assert_eq!(outcome.code, Some(1));
    assert_eq!(outcome.out, "[1] a\n[4] c\n");
    for words in [
        "2 of 4 instances succeeded",
        "(2): expected UTF-8",
        "(3): expected UTF-8",
    ] {
        assert!(outcome.err.contains(words), "{}", outcome.err);
    }
}

#[test]
fn a_line_beyond_the_limit_fails_its_instance_alone() {
    let long = "x".repeat(300_000);
    let input = format!("a\n{long}\nb\n");
    let outcome = lines(
        input.as_bytes(),
        &["--ordered", "--input", "100KiB", "--", "cat"],
    );
    assert_eq!(
        (outcome.code, outcome.out.as_str()),
        (Some(1), "[1] a\n[3] b\n")
    );
    for words in [
        "(2): input of a job",
        "100 KiB",
        "300001 B in the line",
        "--input",
    ] {
        assert!(outcome.err.contains(words), "{}", outcome.err);
    }
}

#[test]
fn a_long_instance_is_not_put_off_by_short_ones() {
    const LONG: &str = "100000000\n";
    const SHORT: &str = "600000\n";
    let count = 3000 * processors();
    let input = LONG.to_owned() + &SHORT.repeat(count);
    let outcome = lines(
        input.as_bytes(),
        &["--json", "-q", "--", "count-down", "{line}"],
    );
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""));
    let ends = json_lines(&outcome.out);
    let place = ends.iter().position(|end| end["instance"] == 1);
    // Without fair turns it is the last one.
    assert!(place.is_some_and(|it| it < count / 2), "{place:?}");
}

#[test]
fn no_lines_are_no_instances() {
    let outcome = lines(b"", &["--", "cat"]);
    assert_eq!(
        (outcome.code, outcome.out.as_str(), outcome.err.as_str()),
        (Some(0), "", "cocoon: 0 of 0 instances succeeded\n")
    );
    let both = run(["exec", PROGRAM, "--lines", "-n", "3", "--", "cat"]);
    assert_fails(&both, 2, &["--lines", "--instances"]);
}

#[test]
fn an_instance_starts_when_its_line_has_come() {
    let mut child = cocoon(["exec", PROGRAM, "--lines", "--ordered", "-q", "--json"])
        .args(["--", "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let mut stdin = child.stdin.take().expect("a pipe");
    // Standard output is buffered, so that a record is read only after many.
    for _ in 0..2000 {
        stdin.write_all(b"a line\n").expect("input");
    }
    let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut lines = stdout.lines();
    let first = lines.next().expect("a line").expect("text");
    assert!(first.contains("a line"), "{first}");
    drop(stdin);
    assert_eq!(lines.count(), 3999);
    assert_eq!(child.wait().expect("its end").code(), Some(0));
}

#[test]
fn lines_are_read_no_faster_than_instances_start() {
    let mut child = cocoon(["exec", PROGRAM, "--lines", "-c", "2", "--", "spin"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("a process");
    let stdin = child.stdin.take().expect("a pipe");
    let mut stdin = std::fs::File::from(std::os::fd::OwnedFd::from(stdin));
    rustix::fs::fcntl_setfl(&stdin, rustix::fs::OFlags::NONBLOCK).expect("a pipe");
    let mut bytes = 0;
    let mut refused = 0;
    while refused < 100 {
        if let Ok(count) = stdin.write(&[b'\n'; 4096]) {
            (bytes, refused) = (bytes + count, 0);
        } else {
            refused += 1;
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
    // A pipe and one chunk.
    assert!((64 << 10..=192 << 10).contains(&bytes), "{bytes}");
    child.kill().expect("killed");
    child.wait().expect("its end");
}

#[test]
fn many_lines_run_a_few_at_a_time() {
    let input = (0..5000).fold(String::new(), |input, line| format!("{input}line {line}\n"));
    let outcome = lines(
        input.as_bytes(),
        &["--ordered", "-c", "7", "-q", "--", "cat"],
    );
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""));
    let mut printed = outcome.out.lines();
    for line in 0..5000 {
        let expected = format!("[{}] line {line}", line + 1);
        assert_eq!(printed.next(), Some(expected.as_str()));
    }
    assert_eq!(printed.next(), None);
}
