//! Memory of the host that a program can occupy: every kind is bounded in bytes.

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::time::{Duration, Instant};

use cocoon_test_guests::HOSTILE_PROGRAM;

use crate::harness::{TIMEOUT, assert_fails, cocoon, run, stdout_of};

fn exec<'a>(grants: &[&'a str], arguments: &[&'a str]) -> Vec<&'a str> {
    [&["exec", HOSTILE_PROGRAM], grants, &["--"], arguments].concat()
}

#[test]
fn a_write_beyond_its_permit_traps_without_allocating() {
    assert!(stdout_of(exec(&[], &["write-beyond", "65536"])).ends_with("Ok(())\n"));
    for bytes in ["65537", "400000"] {
        let beyond = run(exec(&[], &["write-beyond", bytes]));
        assert_fails(&beyond, 134, &["at most 65536 bytes", bytes]);
    }
    let call = run(exec(&[], &["write-beyond", "16777216"]));
    assert_fails(
        &call,
        137,
        &["data of one host call", "512 KiB", "--host-call"],
    );
}

#[test]
fn writes_of_zeros_respect_the_permit() {
    assert!(stdout_of(exec(&[], &["zeroes", "65536"])).ends_with("Ok(())\n"));
    let folder = tempfile::tempdir().expect("a folder");
    let grant = format!("{}:/:rw", folder.path().display());
    let grant = ["--dir", grant.as_str()];
    for (grant, arguments) in [
        (&[][..], &["zeroes", "1099511627776"][..]),
        (&grant, &["zeroes-to-file", "file", "1099511627776"]),
    ] {
        let beyond = run(exec(grant, arguments));
        assert_fails(&beyond, 134, &["at most 65536 bytes", "1099511627776"]);
    }
}

#[test]
fn reads_paths_and_random_bytes_are_bounded() {
    let mut input = tempfile::NamedTempFile::new().expect("a file");
    input.write_all(&vec![7; 1 << 20]).expect("input");
    let input = input.path().to_str().expect("text");
    let read = stdout_of(exec(&["--stdin", input], &["read-at-once"]));
    assert_eq!(read, "65536\n");

    let random = stdout_of(exec(&[], &["random-bytes", "524288"]));
    assert_eq!(random, "524288\n");
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().to_str().expect("text");
    for (grant, arguments) in [
        (&[][..], &["random-bytes", "524289"][..]),
        (&["--dir", folder], &["long-path", "100000000"]),
    ] {
        let beyond = run(exec(grant, arguments));
        assert_fails(&beyond, 137, &["data of one host call", "--host-call"]);
    }
    let raised = exec(&["--host-call", "1MiB"], &["random-bytes", "1048576"]);
    assert_eq!(stdout_of(raised), "1048576\n");
}

#[test]
fn resource_handles_are_a_named_limit() {
    let many = run(exec(&[], &["subscribe-many"]));
    assert_fails(&many, 137, &["host resources", "4096", "--resources"]);
    let few = run(exec(&["--resources", "100"], &["subscribe-many"]));
    assert_fails(&few, 137, &["host resources", "100"]);
}

#[test]
fn too_many_open_files_are_an_error_in_the_program() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("file"), "text").expect("a file");
    let folder = folder.path().to_str().expect("text");
    for (limit, count) in [(&[][..], "1024 "), (&["--files", "7"], "7 ")] {
        let grants = [&["--dir", folder], limit].concat();
        let opened = stdout_of(exec(&grants, &["open-many", "file"]));
        assert!(opened.starts_with(count), "{opened}");
        assert!(opened.contains("insufficient-memory"), "{opened}");
        assert!(opened.ends_with("true\n"), "{opened}");
    }
}

#[test]
fn folders_are_listed_lazily() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in 0..3000 {
        fs::write(folder.path().join(format!("{name:04}")), "").expect("a file");
    }
    let grant = folder.path().to_str().expect("text");
    let listed = stdout_of(exec(&["--dir", &format!("{grant}:/")], &["list", "/"]));
    assert_eq!(listed, "3000 Some(\"0000\")..Some(\"2999\")\n");
    let many = stdout_of(exec(&["--dir", grant], &["list-many"]));
    assert!(many.starts_with("32 "), "{many}");
    assert!(many.contains("insufficient-memory"), "{many}");
}

#[test]
fn read_ahead_shares_a_budget_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("file"), vec![b'7'; 100_000]).expect("a file");
    let folder = folder.path().to_str().expect("text");
    for count in ["1", "10", "600"] {
        let grants = ["--dir", folder, "--files", "10"];
        let read = stdout_of(exec(&grants, &["read-ahead", "file", count]));
        let bytes = 100_000 * count.parse::<u64>().expect("a count");
        assert_eq!(read, format!("{bytes}\n"));
    }
}

/// The peak resident memory of the process, in bytes.
fn peak_bytes(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse::<u64>().ok());
    peak.unwrap_or(0) << 10
}

/// Runs a program under 128 MiB of sandboxes and leaves its output unread until its memory
/// stops growing. Returns the peak memory of the process.
fn peak_of_unread(arguments: &[&str], grants: &[&str]) -> u64 {
    let limits = [
        "--sandbox-memory",
        "24MiB",
        "--total-memory",
        "128MiB",
        "-n",
        "4",
    ];
    let mut command = cocoon(exec(&[grants, &limits].concat(), arguments));
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary");
    let (mut peak, mut since, started) = (0, Instant::now(), Instant::now());
    while since.elapsed() < Duration::from_secs(2) && started.elapsed() < TIMEOUT {
        let seen = peak_bytes(child.id());
        if seen > peak {
            (peak, since) = (seen, Instant::now());
        }
        if child.try_wait().expect("the child").is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    child.wait().expect("the child");
    peak
}

#[test]
fn unread_output_is_not_buffered() {
    // The memory of the process itself, with four sandboxes that are almost idle.
    let own = peak_of_unread(&["say", "well"], &[]);
    assert!(own > 0);
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("file"), vec![b'7'; 1 << 20]).expect("a file");
    let folder = folder.path().to_str().expect("text");
    for (arguments, grants) in [
        (&["flood-both"][..], &[][..]),
        (&["write-beyond", "16777216"], &[]),
        (&["zeroes", "16777216"], &[]),
        (&["read-ahead", "file", "1000"], &["--dir", folder]),
    ] {
        let peak = peak_of_unread(arguments, grants);
        // The permits of four sandboxes: their memory caps and their buffers.
        let permitted = 4 * ((24 << 20) + (2 << 20));
        assert!(
            peak < own + permitted,
            "{arguments:?}: {own} and then {peak} bytes"
        );
    }
}

#[test]
fn a_slow_reader_gets_every_byte() {
    let mut command = cocoon(exec(&["--output", "8MiB"], &["flood"]));
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary");
    let mut read = Vec::new();
    let mut output = child.stdout.take().expect("its output");
    let mut piece = vec![0; 100_000];
    while read.len() < 1 << 20 {
        let count = output.read(&mut piece).expect("output");
        read.extend_from_slice(&piece[..count]);
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(output);
    child.wait().expect("the child");
    assert!(
        read.chunks_exact(100)
            .all(|line| line == &[b"7".repeat(99), b"\n".to_vec()].concat()[..])
    );
}
