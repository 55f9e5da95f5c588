//! Programs of WASI 0.3 run under the limits and grants of those of 0.2.

use std::fs;
use std::io::Write as _;

use crate::harness::{cocoon, run, run_command, stdout_of};

const PROGRAM: &str = cocoon_test_guests::P3_PROGRAM;

fn exec<'a>(flags: &[&'a str], arguments: &[&'a str]) -> Vec<&'a str> {
    [&["exec", PROGRAM], flags, &["--"], arguments].concat()
}

#[test]
fn a_program_of_0_3_runs() {
    assert_eq!(stdout_of(exec(&[], &[])), "hello\n");
    // Its standard library calls WASI 0.2.
    assert_eq!(stdout_of(exec(&[], &["old"])), "Some(\"old\")\n");
    assert_eq!(run(exec(&[], &["fail"])).code, Some(1));
    let many = run(exec(&["-n", "50", "--json"], &[]));
    assert_eq!(many.out.matches("hello").count(), 50, "{}", many.err);
}

#[test]
fn standard_input_and_output_are_streams() {
    let mut input = tempfile::NamedTempFile::new().expect("a file");
    // Several chunks, and no whole number of them.
    let text: Vec<u8> = (0..150_000_u32)
        .flat_map(|n| format!("{n}\n").into_bytes())
        .collect();
    input.write_all(&text).expect("a file");
    let path = input.path().to_str().expect("text");
    for action in ["echo", "copy"] {
        let small = &["--stdin", path][..];
        let copied = run_command(&mut cocoon(exec(small, &[action])));
        assert_eq!(copied.code, Some(0), "{}", copied.err);
        assert!(
            copied.out.as_bytes() == text,
            "{action}: {} bytes",
            copied.out.len()
        );
    }
}

#[test]
fn output_beyond_its_cap_stops_the_program() {
    for action in ["flood", "flood-blindly"] {
        let outcome = run(exec(&["--output", "1MiB"], &[action]));
        assert!(
            outcome.err.contains("output of a job (1 MiB)"),
            "{action}: {}",
            outcome.err
        );
        assert!(
            outcome.out.len() <= 1 << 20 && outcome.out.len() > 900 << 10,
            "{}",
            outcome.out.len()
        );
    }
}

#[test]
fn a_deadline_stops_a_program_that_computes_or_waits() {
    for action in ["spin", "wait"] {
        let outcome = run(exec(&["--deadline", "300ms"], &[action]));
        assert!(
            outcome.err.contains("deadline"),
            "{action}: {}",
            outcome.err
        );
        assert_ne!(outcome.code, Some(0));
    }
}

#[test]
fn files_need_a_grant() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("text");
    let writable = format!("{path}:/d:rw");
    assert_eq!(
        stdout_of(exec(&["--dir", &writable], &["write", "file"])),
        ""
    );
    let written = fs::read(folder.path().join("file")).expect("a file");
    assert_eq!(written.len(), 200_004);
    assert!(written.ends_with(b"aend\n"));
    let readable = format!("{path}:/d");
    let read = stdout_of(exec(&["--dir", &readable], &["read", "file"]));
    assert!(read.as_bytes() == written);
    for n in 0..300 {
        fs::write(folder.path().join(format!("{n:03}")), "").expect("a file");
    }
    let listed = stdout_of(exec(&["--dir", &readable], &["list", "."]));
    assert_eq!(listed.lines().count(), 301);
    let denied = run(exec(&["--dir", &readable], &["write", "other"]));
    assert_eq!(denied.code, Some(1), "{}", denied.err);
    assert!(!folder.path().join("other").exists());
    let ungranted = run(exec(&[], &["read", "file"]));
    assert_eq!(ungranted.code, Some(1), "{}", ungranted.out);
    // A FIFO without a writer would block its thread.
    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        folder.path().join("fifo"),
        rustix::fs::Mode::RWXU,
    )
    .expect("a FIFO");
    let blocked = run(exec(&["--dir", &readable], &["read", "fifo"]));
    assert!(blocked.out.contains("Unsupported"), "{}", blocked.out);
}

#[test]
fn a_denied_socket_names_its_flag() {
    let outcome = run(exec(&[], &["connect"]));
    assert!(outcome.out.contains("AccessDenied"), "{}", outcome.out);
    assert!(
        outcome.err.contains("wasi:sockets/types.tcp-socket.create")
            && outcome.err.contains("--network"),
        "{}",
        outcome.err
    );
    assert!(run(exec(&["--network"], &["connect"])).out.contains("Ok"));
}

#[test]
fn a_timer_that_is_over_is_ready_at_once() {
    assert_eq!(stdout_of(exec(&[], &["past"])), "(true, true)\n");
}
