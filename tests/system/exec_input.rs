//! The standard input of programs that `cocoon exec` runs.

use std::fs;
use std::io::{ErrorKind, PipeWriter, Read as _, Write as _, pipe};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_setfl};

use crate::harness::{Outcome, assert_fails, clean, cocoon, run, run_command, stdout_of};

const PROGRAM: &str = cocoon_test_guests::HOSTILE_PROGRAM;
/// The size of a pipe on Linux.
const PIPE_BYTES: usize = 64 << 10;

/// Starts the program with a pipe for each standard stream.
fn spawn(arguments: &[&str]) -> Child {
    cocoon(["exec", PROGRAM].iter().chain(arguments))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a process")
}

/// Runs a shell command in which `$0` is the binary and `$1` the program.
fn shell(line: &str) -> Outcome {
    let mut command = Command::new("sh");
    command.args(["-c", line, env!("CARGO_BIN_EXE_cocoon"), PROGRAM]);
    run_command(clean(&mut command))
}

/// Writes until the pipe has been full for a second. Returns the number of bytes.
fn fill(pipe: &mut PipeWriter) -> usize {
    fcntl_setfl(&*pipe, OFlags::NONBLOCK).expect("a pipe");
    let mut bytes = 0;
    let mut last = Instant::now();
    while last.elapsed() < Duration::from_secs(1) {
        match pipe.write(&[b'7'; 4096]) {
            Ok(count) => {
                bytes += count;
                last = Instant::now();
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(error) => panic!("{error}"),
        }
    }
    bytes
}

#[test]
fn a_single_instance_reads_input_as_it_comes() {
    for flags in [&[][..], &["-i"], &["--stdin", "/dev/stdin"]] {
        let mut child = spawn(&[flags, &["--", "copy"]].concat());
        let mut stdin = child.stdin.take().expect("a pipe");
        let mut stdout = child.stdout.take().expect("a pipe");
        for line in ["one\n", "two\n"] {
            stdin.write_all(line.as_bytes()).expect("input");
            let mut read = [0; 4];
            stdout.read_exact(&mut read).expect("output");
            assert_eq!(read, line.as_bytes(), "{flags:?}");
        }
        drop(stdin);
        let output = child.wait_with_output().expect("its end");
        assert_eq!(output.status.code(), Some(0), "{flags:?}");
        assert_eq!(output.stderr, b"", "{flags:?}");
    }
}

#[test]
fn the_input_of_a_single_instance_has_any_length() {
    let mut random = fastrand::Rng::with_seed(1);
    let bytes: Vec<u8> = (0..5_000_000).map(|_| random.u8(..)).collect();
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), &bytes).expect("a file");
    let path = file.path().to_str().expect("text");
    let from_file = cocoon([
        "exec", PROGRAM, "--input", "1KiB", "--stdin", path, "--", "copy",
    ])
    .output()
    .expect("a process");
    assert!(from_file.stdout == bytes, "{}", from_file.stdout.len());
    let mut child = spawn(&["--input", "1KiB", "--", "copy"]);
    let mut stdin = child.stdin.take().expect("a pipe");
    let sent = bytes.clone();
    let sending = std::thread::spawn(move || stdin.write_all(&sent));
    let output = child.wait_with_output().expect("its end");
    sending
        .join()
        .expect("no panic")
        .expect("all of it is read");
    assert!(output.stdout == bytes, "{}", output.stdout.len());
    // As much as a program may keep.
    let large = [
        "exec", PROGRAM, "-n", "2", "--stdin", path, "--input", "1MiB", "--", "cat",
    ];
    assert_fails(&run(large), 125, &["input", "1 MiB", "--input"]);
}

#[test]
fn a_program_that_reads_nothing_leaves_its_input() {
    let (reader, mut writer) = pipe().expect("a pipe");
    let mut command = cocoon(["exec", PROGRAM, "--", "say-and-spin", "here"]);
    let spawned = command.stdin(reader).stdout(Stdio::piped()).spawn();
    drop(command);
    let mut child = spawned.expect("a process");
    let mut said = [0; 5];
    let stdout = child.stdout.as_mut().expect("a pipe");
    stdout.read_exact(&mut said).expect("a line");
    assert_eq!(fill(&mut writer), PIPE_BYTES);
    child.kill().expect("killed");
    child.wait().expect("its end");
    // A program that ends is not waited for, though its input stays open.
    let (reader, _writer) = pipe().expect("a pipe");
    let mut command = cocoon(["exec", PROGRAM, "--", "say", "x"]);
    assert_eq!(run_command(command.stdin(reader)).out, "x\n");
}

#[test]
fn input_waits_while_the_output_is_unread() {
    let (reader, mut writer) = pipe().expect("a pipe");
    let mut command = cocoon(["exec", PROGRAM, "--", "copy"]);
    let spawned = command.stdin(reader).stdout(Stdio::piped()).spawn();
    drop(command);
    let mut child = spawned.expect("a process");
    let bytes = fill(&mut writer);
    // Two pipes, two channels, and the chunks between them.
    assert!((2 * PIPE_BYTES..3 << 20).contains(&bytes), "{bytes}");
    child.kill().expect("killed");
    child.wait().expect("its end");
}

#[test]
fn what_a_program_leaves_is_there_for_the_next_one() {
    let bytes = shell("printf 'abcdef' | (\"$0\" exec \"$1\" -- take-bytes 2; cat)");
    assert_eq!((bytes.out.as_str(), bytes.err.as_str()), ("ab\ncdef", ""));
    // A program that waits for input reads nothing.
    let ready = shell("printf 'abc' | (\"$0\" exec \"$1\" -- poll-input; cat)");
    assert_eq!((ready.out.as_str(), ready.err.as_str()), ("ready\nabc", ""));
}

#[test]
fn several_instances_read_all_of_a_file_or_pipe_or_nothing() {
    let outcome = shell("printf abc | \"$0\" exec \"$1\" -n 3 -q --stdin /dev/stdin -- cat | sort");
    assert_eq!(outcome.out, "[1] abc\n[2] abc\n[3] abc\n");
    let outcome = shell("printf abc | \"$0\" exec \"$1\" -n 3 -q -i -- cat | sort");
    assert_eq!(outcome.out, "[1] abc\n[2] abc\n[3] abc\n");
    let outcome = shell("printf abc | (\"$0\" exec \"$1\" -n 3 -q -- cat; cat)");
    assert_eq!(outcome.out, "abc");
}

#[test]
fn a_closed_or_unreadable_input_is_no_hang() {
    let closed = shell("\"$0\" exec \"$1\" -- cat <&-");
    assert_eq!((closed.code, closed.out.as_str()), (Some(0), ""));
    assert_eq!(stdout_of(["exec", PROGRAM, "--", "cat"]), "");
    // The program sees the error of a read.
    let folder = shell("\"$0\" exec \"$1\" -- cat < /");
    assert_eq!(folder.code, Some(134), "{}", folder.err);
}
