//! Grants: a program reaches nothing unless a flag grants it.

use std::fs;
use std::net::TcpListener;

use crate::harness::{cocoon, run, run_command, stdout_of};

const PROGRAM: &str = cocoon_test_guests::HOSTILE_PROGRAM;

fn exec<'a>(grants: &[&'a str], arguments: &[&'a str]) -> Vec<&'a str> {
    [&["exec", PROGRAM], grants, &["--"], arguments].concat()
}

#[test]
fn clocks_and_randomness_need_no_grant() {
    assert!(stdout_of(exec(&[], &["clock"])).contains("SystemTime"));
    assert!(stdout_of(exec(&[], &["monotonic"])).contains("Instant"));
    let chances = || stdout_of(exec(&[], &["random"]));
    assert_ne!(chances(), chances());
}

#[test]
fn a_granted_network_works() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of our own");
    let address = listener.local_addr().expect("an address").to_string();
    let connected = stdout_of(exec(&["--network"], &["connect", &address]));
    assert!(connected.starts_with("Ok("), "{connected}");
    listener.accept().expect("it did connect");
}

#[test]
fn the_environment_contains_only_grants() {
    assert_eq!(stdout_of(exec(&[], &["environment"])), "");
    let granted = stdout_of(exec(
        &["--env", "A=b=c", "--env", "EMPTY="],
        &["environment"],
    ));
    assert_eq!(granted, "A=b=c\nEMPTY=\n");
    let inherited = run_command(
        cocoon(exec(&["--env", "TEST_OURS"], &["environment"])).env("TEST_OURS", "value"),
    );
    assert_eq!(inherited.out, "TEST_OURS=value\n");
}

#[test]
fn only_granted_folders_are_visible() {
    let folder = tempfile::tempdir().expect("a folder");
    let inside = folder.path().join("inside");
    fs::create_dir(&inside).expect("a folder");
    fs::write(inside.join("file"), "text\n").expect("a file");
    fs::write(folder.path().join("outside"), "secret\n").expect("a file");
    std::os::unix::fs::symlink("../outside", inside.join("link")).expect("a link");
    let inside = inside.to_str().expect("text");

    for path in ["/etc/passwd", "etc/passwd", "."] {
        let outcome = run(exec(&[], &["read", path]));
        assert_eq!(
            (outcome.code, outcome.out.as_str()),
            (Some(1), ""),
            "{path}"
        );
    }
    let mounted = format!("{inside}:/data");
    assert_eq!(
        stdout_of(exec(&["--dir", &mounted], &["read", "/data/file"])),
        "text\n"
    );
    let same = format!("{inside}/file");
    assert_eq!(
        stdout_of(exec(&["--dir", inside], &["read", &same])),
        "text\n"
    );
    for path in [
        "/data/../outside",
        "/data/link",
        "/outside",
        "/data/none",
        "/etc/passwd",
    ] {
        let outcome = run(exec(&["--dir", &mounted], &["read", path]));
        assert_eq!(
            (outcome.code, outcome.out.as_str()),
            (Some(1), ""),
            "{path}"
        );
    }
}

#[test]
fn a_folder_is_read_only_unless_granted_for_writing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("text");
    let target = folder.path().join("new");
    for grant in [format!("{path}:/data"), format!("{path}:/data:ro")] {
        let outcome = run(exec(&["--dir", &grant], &["write", "/data/new"]));
        assert_eq!(outcome.code, Some(1), "{}", outcome.err);
        assert!(!target.exists());
    }
    assert_eq!(
        stdout_of(exec(
            &["--dir", &format!("{path}:/data:rw")],
            &["write", "/data/new"]
        )),
        ""
    );
    assert_eq!(fs::read_to_string(&target).expect("a file"), "written\n");
    fs::remove_file(&target).expect("a file");
    let own = format!("{path}:rw");
    let inside = format!("{path}/new");
    assert_eq!(stdout_of(exec(&["--dir", &own], &["write", &inside])), "");
    assert!(target.exists());
}
