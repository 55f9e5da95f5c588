//! The results of `cocoon exec` that programs read: records and files.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{TIMEOUT, cocoon, json_lines, run};

const PROGRAM: &str = cocoon_test_guests::HOSTILE_PROGRAM;

/// Runs one instance and returns the record of its end.
fn end(arguments: &[&str]) -> Value {
    let outcome = run(["exec", PROGRAM, "--json"].iter().chain(arguments));
    let records = json_lines(&outcome.out);
    let end = records.last().expect("a record").clone();
    assert_eq!(end["instance"], json!(1), "{end}");
    assert!(end["elapsed_us"].as_u64().is_some_and(|it| it > 0), "{end}");
    let streams = records.iter().filter(|it| it["stream"].is_string());
    assert_eq!(
        streams.count(),
        records.len() - 1,
        "one end, and it is the last"
    );
    end
}

#[test]
fn the_record_of_an_end_has_what_the_instance_used() {
    let done = end(&["--", "both", "x"]);
    assert_eq!(done["exit"], json!(0), "{done}");
    assert_eq!(done["stdout_bytes"], json!("out x\n".len()), "{done}");
    assert_eq!(done["stderr_bytes"], json!("err x\n".len()), "{done}");
    assert!(
        done["memory_bytes"].as_u64().is_some_and(|it| it > 0),
        "{done}"
    );
    for absent in ["failure", "error", "limit", "limit_value", "attempts"] {
        assert!(done[absent].is_null(), "{done}");
    }
    let late = end(&["--deadline", "200ms", "--", "spin"]);
    assert_eq!(late["failure"], json!("stopped"), "{late}");
    assert_eq!(late["limit"], json!("deadline"), "{late}");
    assert_eq!(
        (&late["limit_value"], &late["limit_unit"]),
        (&json!(200), &json!("ms"))
    );
    assert!(
        late["elapsed_us"].as_u64().is_some_and(|it| it >= 200_000),
        "{late}"
    );
    assert!(late["exit"].is_null(), "{late}");
    let large = end(&["--sandbox-memory", "16MiB", "--", "take"]);
    assert_eq!(large["limit"], json!("sandbox-memory"), "{large}");
    assert_eq!(
        (&large["limit_value"], &large["limit_unit"]),
        (&json!(16 << 20), &json!("bytes"))
    );
    let used = large["memory_bytes"].as_u64().expect("a peak");
    assert!((12 << 20..=16 << 20).contains(&used), "{large}");
    let trapped = end(&["--", "panic"]);
    assert_eq!(trapped["failure"], json!("trapped"), "{trapped}");
    assert!(
        trapped["error"].is_string() && trapped["limit"].is_null(),
        "{trapped}"
    );
    let flooded = end(&["--output", "10KiB", "--", "flood"]);
    assert_eq!(flooded["limit"], json!("output"), "{flooded}");
    assert!(
        flooded["stdout_bytes"]
            .as_u64()
            .is_some_and(|it| it <= 10 << 10),
        "{flooded}"
    );
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<_> = entries
        .map(|it| {
            it.expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

#[test]
fn files_are_of_this_run_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("text");
    for kept in ["01.out", "notes.err", "5.txt"] {
        fs::write(folder.path().join(kept), "mine").expect("a file");
    }
    let outputs = |instances: &str| {
        let flags = [
            "exec",
            PROGRAM,
            "-q",
            "--json",
            "--output-dir",
            path,
            "-n",
            instances,
        ];
        let outcome = run(flags.iter().chain(&["--", "both", "{i}"]));
        assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""));
        // Records of ends, and no output.
        let records = json_lines(&outcome.out);
        assert!(records.iter().all(|it| it["exit"] == 0), "{records:?}");
        assert_eq!(records.len().to_string(), instances);
    };
    outputs("3");
    outputs("2");
    assert_eq!(
        names(folder.path()),
        [
            "01.out",
            "1.err",
            "1.out",
            "2.err",
            "2.out",
            "5.txt",
            "notes.err"
        ]
    );
}

/// Only instances that ended have files with their names.
#[test]
fn a_killed_run_leaves_no_file_that_looks_complete() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("1.out"), "of an earlier run").expect("a file");
    let path = folder.path().to_str().expect("text");
    let mut child = cocoon([
        "exec",
        PROGRAM,
        "--output-dir",
        path,
        "--",
        "say-and-spin",
        "x",
    ])
    .stderr(Stdio::null())
    .spawn()
    .expect("a process");
    let started = Instant::now();
    // Both files of the instance are there.
    while names(folder.path())
        .iter()
        .filter(|it| it.starts_with(".cocoon-"))
        .count()
        < 2
    {
        assert!(started.elapsed() < TIMEOUT, "{:?}", names(folder.path()));
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().expect("killed");
    child.wait().expect("its end");
    let names = names(folder.path());
    assert!(
        names.iter().all(|it| it.starts_with(".cocoon-")),
        "{names:?}"
    );
}
