//! `{i}` in `--env` and `--dir`: each instance has its own variables and folders.

use std::fs;
use std::os::unix::fs::symlink;

use cocoon_test_guests::HOSTILE_PROGRAM;

use crate::harness::{run, stdout_of};

fn exec<'a>(flags: &[&'a str], arguments: &[&'a str]) -> Vec<&'a str> {
    [&["exec", HOSTILE_PROGRAM], flags, &["--"], arguments].concat()
}

/// The lines of an output, sorted.
fn sorted(output: &str) -> Vec<&str> {
    let mut lines: Vec<_> = output.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn variables_have_the_number() {
    let outcome = run(exec(
        &["-n", "3", "--env", "ME={i} of 3 {i}", "--env", "ALL=x"],
        &["environment"],
    ));
    assert_eq!(
        sorted(&outcome.out),
        [
            "[1] ALL=x",
            "[1] ME=1 of 3 1",
            "[2] ALL=x",
            "[2] ME=2 of 3 2",
            "[3] ALL=x",
            "[3] ME=3 of 3 3"
        ]
    );
}

#[test]
fn each_instance_has_its_own_folder_and_all_share_another() {
    let root = tempfile::tempdir().expect("a folder");
    for number in 1..=3 {
        fs::create_dir(root.path().join(format!("in-{number}"))).expect("a folder");
        let file = root.path().join(format!("in-{number}/file"));
        fs::write(file, format!("file {number}\n")).expect("a file");
    }
    fs::write(root.path().join("file"), "shared\n").expect("a file");
    let path = root.path().to_str().expect("text");
    let (own, shared) = (
        format!("{path}/in-{{i}}:/own:rw"),
        format!("{path}:/shared"),
    );
    let flags = ["-n", "3", "--dir", &own, "--dir", &shared];
    let read = run(exec(&flags, &["read", "/own/file"]));
    assert_eq!(
        sorted(&read.out),
        ["[1] file 1", "[2] file 2", "[3] file 3"]
    );
    let read = run(exec(&flags, &["read", "/shared/file"]));
    assert_eq!(
        sorted(&read.out),
        ["[1] shared", "[2] shared", "[3] shared"]
    );
    assert_eq!(run(exec(&flags, &["write", "/own/new"])).code, Some(0));
    for number in 1..=3 {
        assert!(root.path().join(format!("in-{number}/new")).exists());
    }
    let guest = format!("{path}:/at-{{i}}");
    let read = run(exec(
        &["-n", "2", "--dir", &guest],
        &["read", "/at-{i}/file"],
    ));
    assert_eq!(sorted(&read.out), ["[1] shared", "[2] shared"]);
}

/// An instance may write where the folders of others are, and must not choose them.
#[test]
fn a_link_in_place_of_a_folder_is_not_followed() {
    let root = tempfile::tempdir().expect("a folder");
    let secret = root.path().join("secret");
    fs::create_dir(&secret).expect("a folder");
    fs::write(secret.join("file"), "secret\n").expect("a file");
    fs::create_dir_all(root.path().join("work/deep")).expect("a folder");
    symlink(&secret, root.path().join("work/1")).expect("a link");
    symlink(&secret, root.path().join("work/deep/1")).expect("a link");
    // The user's own link, before the number.
    symlink("work", root.path().join("link")).expect("a link");
    let path = root.path().to_str().expect("text");
    for host in ["work/{i}", "work/deep/{i}", "link/{i}", "work/{i}/../1"] {
        let own = format!("{path}/{host}:/own");
        let read = run(exec(&["-n", "2", "--dir", &own], &["read", "/own/file"]));
        assert!(!read.out.contains("secret"), "{host}: {}", read.out);
        assert!(
            read.err.contains("expected a folder and no link"),
            "{host}: {}",
            read.err
        );
    }
    fs::create_dir(root.path().join("work/2")).expect("a folder");
    fs::write(root.path().join("work/2/file"), "own\n").expect("a file");
    let own = format!("{path}/link/{{i}}:/own");
    let read = run(exec(&["-n", "2", "--dir", &own], &["read", "/own/file"]));
    assert_eq!(read.out, "[2] own\n");
}

#[test]
fn a_missing_folder_fails_its_instance_alone() {
    let root = tempfile::tempdir().expect("a folder");
    fs::create_dir(root.path().join("1")).expect("a folder");
    fs::write(root.path().join("2"), "").expect("a file");
    let own = format!("{}/{{i}}:/own", root.path().display());
    let outcome = run(exec(&["-n", "3", "--dir", &own], &["say", "well"]));
    assert_eq!(outcome.code, Some(1), "{}", outcome.err);
    assert_eq!(sorted(&outcome.out), ["[1] well"]);
    for number in [2, 3] {
        let path = root.path().join(number.to_string());
        let words = format!("cannot grant {}", path.display());
        assert!(outcome.err.contains(&words), "{}", outcome.err);
    }
}

#[test]
fn folders_of_many_instances_leave_no_descriptor() {
    let root = tempfile::tempdir().expect("a folder");
    for number in 1..=200 {
        fs::create_dir(root.path().join(number.to_string())).expect("a folder");
    }
    let own = format!("{}/{{i}}:/own", root.path().display());
    let own_too = format!("{}/{{i}}:/own-too", root.path().display());
    let flags = [
        "-n",
        "200",
        "--sandbox-memory",
        "16MiB",
        "--dir",
        &own,
        "--dir",
        &own_too,
    ];
    // Descriptors for 200 instances at once are not there.
    let mut command = std::process::Command::new("sh");
    command
        .arg("-c")
        .arg("ulimit -n 160; exec \"$0\" \"$@\"")
        .arg(env!("CARGO_BIN_EXE_cocoon"))
        .args(exec(&flags, &["say", "well"]));
    let outcome = crate::harness::run_command(crate::harness::clean(&mut command));
    assert_eq!(outcome.code, Some(0), "{}", outcome.err);
    assert_eq!(outcome.out.lines().count(), 200);
}

#[test]
fn two_folders_at_one_path_are_refused() {
    let root = tempfile::tempdir().expect("a folder");
    let path = root.path().to_str().expect("text");
    let (one, other) = (format!("{path}:/at-{{i}}"), format!("{path}:/at-2"));
    let flags = ["-n", "2", "--dir", &one, "--dir", &other];
    let outcome = run(exec(&flags, &["say", "well"]));
    assert_eq!(sorted(&outcome.out), ["[1] well"]);
    assert!(outcome.err.contains("/at-2"), "{}", outcome.err);
    let alone = stdout_of(exec(&["--dir", &one, "--dir", &other], &["say", "well"]));
    assert_eq!(alone, "well\n");
}
