//! The binary under a shell's limits.

use std::process::Command;

use crate::harness::{Outcome, assert_fails, clean, run_command};

/// Runs a shell command in which `$0` is the binary.
fn shell(line: &str) -> Outcome {
    run_command(clean(Command::new("sh").args([
        "-c",
        line,
        env!("CARGO_BIN_EXE_cocoon"),
    ])))
}

#[test]
fn little_address_space_is_enough() {
    for kib in ["4000000", "1500000"] {
        let Outcome { out, err, code } = shell(&format!("ulimit -v {kib}; exec \"$0\" run 3"));
        assert_eq!(
            (code, out.as_str(), err.as_str()),
            (Some(0), "1! = 1\n2! = 2\n3! = 6\n", ""),
            "{kib} KiB"
        );
    }
    let Outcome { out, err, code } = shell("ulimit -v 4000000; \"$0\" compute 20000 | tail -c 4");
    assert_eq!((code, out.as_str(), err.as_str()), (Some(0), "000\n", ""));
}

#[test]
fn too_little_address_space_is_reported_in_one_line() {
    let outcome = shell("ulimit -v 450000; exec \"$0\" run 3");
    assert_fails(&outcome, 1, &["address space", "586 MiB"]);
}

/// A command whose standard error is unwritable keeps its exit code.
#[test]
fn errors_keep_their_exit_code_without_a_reader() {
    for (line, code) in [
        ("exec \"$0\" compute x 2>/dev/full", 2),
        ("exec \"$0\" compute 5 >/dev/full 2>/dev/full", 1),
        (
            "COCOON_LOG=cocoon=debug exec \"$0\" compute 5 2>/dev/full",
            0,
        ),
    ] {
        let outcome = shell(line);
        assert_eq!(outcome.code, Some(code), "{line}: {}", outcome.err);
    }
    // Wrong digits give exit code 1 even if the verdict cannot be written.
    let line = "echo 3628801 | (sleep 0.2; \"$0\" verify 10 -; echo $? >&2) | true";
    assert_eq!(shell(line).err, "1\n");
}

#[test]
fn few_file_descriptors_are_enough() {
    for descriptors in [20, 32, 64, 65, 128] {
        let Outcome { out, err, code } =
            shell(&format!("ulimit -n {descriptors}; exec \"$0\" run 300"));
        assert_eq!(
            (code, out.lines().count(), err.as_str()),
            (Some(0), 300, ""),
            "{descriptors}"
        );
    }
}

#[test]
fn too_few_file_descriptors_are_reported() {
    for command in ["run 1", "exec nothing.wasm", "inspect"] {
        let outcome = shell(&format!("ulimit -n 8; exec \"$0\" {command}"));
        let code = if command.starts_with("exec") { 125 } else { 1 };
        assert_fails(&outcome, code, &["20 open files", "got 8", "ulimit -n"]);
    }
}

#[test]
fn a_memory_image_that_the_system_refuses_is_no_trap() {
    let program = cocoon_test_guests::HOSTILE_PROGRAM;
    let line = format!(
        "trap '' XFSZ; ulimit -f 10; exec \"$0\" exec '{program}' --code-cache off -- arguments"
    );
    assert_fails(&shell(&line), 125, &["File too large"]);
}

#[test]
fn a_file_size_limit_is_reported_and_leaves_no_partial_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("value");
    let path = path.to_str().expect("text");
    // 400 blocks of 512 or 1,024 bytes, for a number of 456,574 digits, and larger than the
    // memory image.
    let line = format!("ulimit -f 400; exec \"$0\" compute 100000 -o '{path}'");
    let limited = shell(&line);
    assert_fails(&limited, 1, &["cannot write", path]);
    let left = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(left, 0, "nothing is left behind");
    let redirected = shell(&format!(
        "ulimit -f 400; exec \"$0\" compute 100000 > '{path}'"
    ));
    assert_fails(&redirected, 1, &["cannot write standard output"]);
}

#[test]
fn a_small_stack_is_enough() {
    let Outcome { out, err, code } = shell("ulimit -s 1024; exec \"$0\" run 3");
    assert_eq!(
        (code, out.as_str(), err.as_str()),
        (Some(0), "1! = 1\n2! = 2\n3! = 6\n", "")
    );
}

#[test]
fn a_pipe_to_head_ends_quietly() {
    let Outcome { out, err, code } = shell("\"$0\" compute 100000 | head -c 10");
    assert_eq!(
        (code, out.as_str(), err.as_str()),
        (Some(0), "2824229407", "")
    );
}

#[test]
fn closed_standard_streams_are_harmless() {
    let Outcome { code, err, .. } = shell("exec \"$0\" run 3 2>&-");
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let Outcome { err, .. } = shell("exec \"$0\" run 3 >&-");
    assert!(!err.contains("panicked"), "{err}");
}
