//! `cocoon exec --shard`: several runs that divide a batch.

use std::fs;

use crate::harness::{assert_fails, cocoon, run, run_command};

const PROGRAM: &str = cocoon_test_guests::HOSTILE_PROGRAM;

#[test]
fn shares_fill_one_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("text");
    fs::write(folder.path().join("12.out"), "an earlier run").expect("a file");
    for shard in ["1/3", "2/3", "3/3"] {
        let flags = ["-n", "10", "--shard", shard, "--output-dir", path];
        let outcome = run(["exec", PROGRAM]
            .iter()
            .chain(&flags)
            .chain(&["--", "say", "{i}"]));
        let size = if shard == "1/3" { 4 } else { 3 };
        let summary = format!("cocoon: {size} of {size} instances succeeded\n");
        assert_eq!((outcome.code, outcome.err), (Some(0), summary));
    }
    for instance in 1..=10 {
        let output = fs::read_to_string(folder.path().join(format!("{instance}.out")));
        assert_eq!(output.expect("an output"), format!("{instance}\n"));
    }
    assert!(!folder.path().join("12.out").exists());
}

#[test]
fn a_pod_runs_the_share_of_its_index() {
    let mut command = cocoon(["exec", PROGRAM, "--lines", "--ordered", "--quiet"]);
    let input = tempfile::NamedTempFile::new().expect("a file");
    fs::write(input.path(), "a\nb\nc\nd\ne\n").expect("written");
    command
        .arg("--stdin")
        .arg(input.path())
        .args(["--shard", "auto/2", "--", "say", "{line}"])
        .env("JOB_COMPLETION_INDEX", "1");
    let outcome = run_command(&mut command);
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""));
    assert_eq!(outcome.out, "[2] b\n[4] d\n");
}

#[test]
fn a_share_may_be_empty() {
    let outcome = run(["exec", PROGRAM, "--shard", "2/2", "--", "say", "hello"]);
    assert_eq!((outcome.code, outcome.out.as_str()), (Some(0), ""));
    let outcome = run(["exec", PROGRAM, "--shard", "1/2", "--", "say", "hello"]);
    assert_eq!(
        (outcome.code, outcome.out.as_str()),
        (Some(0), "[1] hello\n")
    );
}

#[test]
fn shares_that_are_not_there_are_refused() {
    for (shard, words) in [
        ("3/2", &["--shard", "from 1 to 2"][..]),
        ("2", &["I/N"]),
        ("auto/2", &["JOB_COMPLETION_INDEX"]),
    ] {
        let mut command = cocoon(["exec", PROGRAM, "--shard", shard, "--", "say", "x"]);
        let outcome = run_command(command.env_remove("JOB_COMPLETION_INDEX"));
        assert_fails(&outcome, 2, words);
    }
}
