//! The exit codes of `cocoon exec`.

use std::fs;
use std::process::Stdio;
use std::time::Instant;

use crate::harness::{TIMEOUT, assert_fails, cocoon, run, run_command, run_command_into};

const PROGRAM: &str = cocoon_test_guests::HOSTILE_PROGRAM;

/// Builds a program that calls `exit-with-code`.
fn exits_with(code: u8) -> Vec<u8> {
    let text = format!(
        r#"(component
            (import "wasi:cli/exit@0.2.12" (instance $exit
                (export "exit-with-code" (func (param "status-code" u8)))))
            (core module $module
                (import "" "exit" (func $exit (param i32)))
                (func (export "run") (result i32)
                    (call $exit (i32.const {code})) i32.const 0))
            (core func $lowered (canon lower (func $exit "exit-with-code")))
            (core instance $core (instantiate $module
                (with "" (instance (export "exit" (func $lowered))))))
            (func $run (result (result)) (canon lift (core func $core "run")))
            (instance $exports (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $exports)))"#
    );
    wat::parse_str(text).expect("a component")
}

#[test]
fn one_instance_exits_with_the_code_of_its_program() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().to_str().expect("text");
    for code in [0, 1, 2, 7, 124, 125, 130, 255] {
        fs::write(file.path(), exits_with(code)).expect("a file");
        let outcome = run(["exec", path]);
        assert_eq!(
            (outcome.code, outcome.out.as_str(), outcome.err.as_str()),
            (Some(code.into()), "", "")
        );
        let several = run(["exec", path, "-n", "2", "-q"]);
        assert_eq!(several.code, Some(i32::from(code != 0)), "{}", several.err);
    }
    // `exit(err)`, and a failure that `run` returns.
    let outcome = run(["exec", PROGRAM, "--", "exit", "1"]);
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(1), ""));
}

#[test]
fn a_stopped_instance_has_a_code_for_its_reason() {
    for (arguments, code, word) in [
        (&["--", "panic"][..], 134, "trapped"),
        (&["--deadline", "300ms", "--", "spin"], 124, "--deadline"),
        (
            &["--sandbox-memory", "16MiB", "--", "take"],
            137,
            "--sandbox-memory",
        ),
        (&["--output", "10KiB", "--", "flood"], 137, "--output"),
        (&["--stack", "128KiB", "--", "recurse"], 137, "--stack"),
    ] {
        let outcome = run(["exec", PROGRAM].iter().chain(arguments));
        assert_eq!(outcome.code, Some(code), "{arguments:?}: {}", outcome.err);
        assert!(outcome.err.contains(word), "{}", outcome.err);
        let several = run(["exec", PROGRAM, "-n", "2"].iter().chain(arguments));
        assert_eq!(several.code, Some(1), "{arguments:?}: {}", several.err);
    }
}

#[test]
fn failures_of_cocoon_itself_have_a_code_of_their_own() {
    assert_fails(&run(["exec", "/no/such/file"]), 125, &["/no/such/file"]);
    assert_fails(&run(["exec", "/no/such/file", "-n", "9"]), 125, &["file"]);
    let nothing = ["exec", PROGRAM, "--stdin", "/no/such/file", "--", "cat"];
    assert_fails(&run(nothing), 125, &["/no/such/file"]);
    let large = ["exec", PROGRAM, "--sandbox-memory", "4GiB"];
    let large = large.iter().chain(&["--total-memory", "64MiB"]);
    assert_eq!(
        run(large).code,
        Some(2),
        "limits that contradict each other"
    );
    let full = fs::File::options().write(true).open("/dev/full");
    let mut command = cocoon(["exec", PROGRAM, "--", "say", "x"]);
    let outcome = run_command_into(&mut command, full.expect("a device"));
    assert_fails(&outcome, 125, &["cannot write"]);
    assert_eq!(run(["exec", PROGRAM, "-n", "0"]).code, Some(2));
}

#[test]
fn the_help_lists_the_codes() {
    let help = run(["exec", "--help"]).out;
    for code in ["124", "125", "130", "134", "137", "255"] {
        assert!(help.contains(code), "{help}");
    }
}

/// The deadline ends a program in a read that never returns, and so does the process.
#[test]
fn a_blocked_read_ends_at_the_deadline() {
    for action in ["cat", "poll-input"] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let mut command = cocoon(["exec", PROGRAM, "--deadline", "300ms", "--", action]);
        let started = Instant::now();
        let outcome = run_command(command.stdin(reader));
        assert_fails(&outcome, 124, &["deadline", "300ms"]);
        assert!(started.elapsed() < TIMEOUT / 4, "{:?}", started.elapsed());
        drop(writer);
    }
}

#[test]
fn a_flood_into_a_closed_reader_ends() {
    for action in ["flood", "flood-regardless"] {
        for instances in ["1", "4"] {
            let mut child = cocoon(["exec", PROGRAM, "-n", instances, "--", action])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("a process");
            drop(child.stdout.take());
            let output = child.wait_with_output().expect("its end");
            let err = String::from_utf8_lossy(&output.stderr);
            assert_eq!((output.status.code(), &*err), (Some(0), ""), "{action}");
        }
    }
}
