//! Output files and pipes: a file is whole or absent, and a closed pipe is not an error.

use std::fs;
use std::io::Read as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::{
    TIMEOUT, assert_fails, assert_one_line, cocoon, kill, names, run, run_command_into, stdout_of,
};

/// So large that no test finishes it.
const ENDLESS: &str = "30000000";

fn interrupt(child: &Child) {
    kill(child.id(), Signal::INT);
}

/// Waits until `so` is true.
fn until(what: &str, so: impl Fn() -> bool) {
    let started = Instant::now();
    while !so() {
        assert!(started.elapsed() < TIMEOUT, "{what} did not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn an_output_file_equals_standard_output() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("value");
    let text = stdout_of(["compute", "3000"]);
    for _ in 0..2 {
        // The second run replaces an existing file.
        assert_eq!(
            stdout_of(["compute", "3000", "-o", path.to_str().expect("text")]),
            ""
        );
        assert_eq!(fs::read_to_string(&path).expect("a file"), text);
    }
    assert_eq!(names(folder.path()), ["value"]);
}

#[test]
fn a_failed_run_leaves_only_the_old_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("value");
    let path = path.to_str().expect("text");
    fs::write(path, "old").expect("a file");
    let hostile = ["--component", cocoon_test_guests::HOSTILE_FACTORIAL];
    let trap = cocoon_test_guests::hostile::TRAP_MIDSTREAM.to_string();
    let flood = cocoon_test_guests::hostile::FLOOD.to_string();
    let taking = cocoon_test_guests::hostile::TAKE_MIDSTREAM.to_string();
    let spinning = cocoon_test_guests::hostile::SPIN_MIDSTREAM.to_string();
    let part = cocoon_test_guests::hostile::PART_TRAPS.to_string();
    for (arguments, words) in [
        (
            vec!["compute", ENDLESS, "--deadline", "100ms"],
            ["deadline", "--deadline"],
        ),
        (
            vec!["compute", ENDLESS, "--output", "1KiB"],
            ["output", "--output"],
        ),
        (
            vec!["compute", ENDLESS, "--sandbox-memory", "1MiB"],
            ["memory", "--sandbox-memory"],
        ),
        (
            [&["compute", &trap], &hostile[..]].concat(),
            ["trapped", "the component"],
        ),
        (
            [&["compute", &flood, "--output", "1MiB"], &hostile[..]].concat(),
            ["output", "1 MiB"],
        ),
        // Midway, when the temporary file has some of the digits.
        (
            [&["compute", &taking], &hostile[..]].concat(),
            ["memory of one sandbox", "4 MiB"],
        ),
        (
            [&["compute", &spinning, "--deadline", "300ms"], &hostile[..]].concat(),
            ["deadline", "--deadline"],
        ),
        (
            [&["compute", &part, "--fan-out", "3"], &hostile[..]].concat(),
            ["trapped", "the component"],
        ),
    ] {
        assert_fails(&run(arguments.iter().chain(&["-o", path])), 1, &words);
        assert_eq!(
            fs::read_to_string(path).expect("a file"),
            "old",
            "{arguments:?}"
        );
        assert_eq!(names(folder.path()), ["value"], "{arguments:?}");
    }
}

#[test]
fn ctrl_c_leaves_no_file_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("value");
    let mut command = cocoon(["compute", ENDLESS, "-o", path.to_str().expect("text")]);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a process");
    // The temporary file exists as soon as the computation runs.
    until("a file beside", || !names(folder.path()).is_empty());
    interrupt(&child);
    let output = child.wait_with_output().expect("its end");
    assert_eq!(output.status.code(), Some(130));
    assert_one_line(&String::from_utf8_lossy(&output.stderr), &["interrupted"]);
    assert_eq!(names(folder.path()), Vec::<String>::new());
}

#[test]
fn ctrl_c_during_a_fan_out_leaves_no_file_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("value");
    let n = cocoon_test_guests::hostile::PART_SPINS.to_string();
    let component = cocoon_test_guests::HOSTILE_FACTORIAL;
    let arguments = ["compute", &n, "--fan-out", "3", "--component", component];
    let child = cocoon(arguments)
        .arg("-o")
        .arg(&path)
        .stderr(Stdio::piped())
        .spawn()
        .expect("a process");
    // Some of it is already written.
    until("a part of the number", || {
        let names = names(folder.path());
        names.first().is_some_and(|name| {
            fs::metadata(folder.path().join(name)).is_ok_and(|file| file.len() > 0)
        })
    });
    interrupt(&child);
    let output = child.wait_with_output().expect("its end");
    assert_eq!(output.status.code(), Some(130));
    assert_one_line(&String::from_utf8_lossy(&output.stderr), &["interrupted"]);
    assert_eq!(names(folder.path()), Vec::<String>::new());
}

#[test]
fn ctrl_c_ends_a_program_that_spins() {
    let program = cocoon_test_guests::HOSTILE_PROGRAM;
    let mut command = cocoon(["exec", program, "--", "say-and-spin", "here"]);
    let spawned = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = spawned.expect("a process");
    let mut said = [0; 5];
    let mut stdout = child.stdout.take().expect("a pipe");
    stdout.read_exact(&mut said).expect("a line");
    assert_eq!(&said, b"here\n");
    interrupt(&child);
    let output = child.wait_with_output().expect("its end");
    assert_eq!(output.status.code(), Some(130));
    assert_one_line(&String::from_utf8_lossy(&output.stderr), &["interrupted"]);
}

#[test]
fn a_closed_pipe_ends_quietly() {
    for arguments in [
        &["compute", "100000"][..],
        &["run", "5000"],
        &["compute", "100000", "--json"],
        &["man"],
    ] {
        let mut child = cocoon(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a process");
        let mut first = [0; 10];
        child
            .stdout
            .take()
            .expect("a pipe")
            .read_exact(&mut first)
            .expect("ten bytes");
        let output = child.wait_with_output().expect("its end");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    }
}

#[test]
fn a_pipe_closed_before_the_start_ends_quietly() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let outcome = run_command_into(
        &mut cocoon(["exec", cocoon_test_guests::HOSTILE_PROGRAM, "--", "flood"]),
        writer,
    );
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""));
}

#[test]
fn an_unwritable_output_is_reported_in_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("no/such/folder");
    assert_fails(
        &run(["compute", "5", "-o", missing.to_str().expect("text")]),
        1,
        &["cannot write", "no/such"],
    );
    // A folder is not a file.
    let itself = folder.path().to_str().expect("text");
    assert_fails(
        &run(["compute", "5", "-o", itself]),
        1,
        &["cannot write", itself],
    );
    assert_eq!(names(folder.path()), Vec::<String>::new());
    // A full device fails on the first write.
    assert_fails(
        &run(["compute", "5", "-o", "/dev/full"]),
        1,
        &["cannot write", "/dev/full"],
    );
    let full = || {
        fs::File::options()
            .write(true)
            .open("/dev/full")
            .expect("a device")
    };
    for arguments in [
        &["compute", "5"][..],
        &["run"],
        &["info", "5"],
        &["man"],
        &["completions", "bash"],
    ] {
        assert_fails(
            &run_command_into(&mut cocoon(arguments), full()),
            1,
            &["cannot write"],
        );
    }
    let program = [
        "exec",
        cocoon_test_guests::HOSTILE_PROGRAM,
        "--",
        "say",
        "x",
    ];
    assert_fails(
        &run_command_into(&mut cocoon(program), full()),
        125,
        &["cannot write"],
    );
    // A file in place of a folder.
    let file = folder.path().join("file");
    fs::write(&file, "").expect("a file");
    let inside = [
        "exec",
        cocoon_test_guests::HOSTILE_PROGRAM,
        "--output-dir",
        file.to_str().expect("text"),
        "--",
        "say",
    ];
    assert_fails(&run(inside), 125, &["file"]);
}

#[test]
fn a_device_is_written_to_and_not_replaced() {
    assert_eq!(stdout_of(["compute", "5", "-o", "/dev/null"]), "");
    let meta = fs::metadata("/dev/null").expect("a device");
    assert!(!meta.is_file(), "it is still a device");
}
