//! `cocoon exec --ordered`: outputs in the order of the instances, in bounded memory.

use std::fs;

use crate::harness::{json_lines, run};

const PROGRAM: &str = cocoon_test_guests::HOSTILE_PROGRAM;

#[test]
fn outputs_come_in_order_though_they_exceed_the_buffers() {
    let all = ["exec", PROGRAM, "-n", "12", "-c", "5", "--ordered", "-q"];
    let outcome = run(all.iter().chain(&["--", "long-output", "{i}", "8000"]));
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""));
    let mut lines = outcome.out.lines();
    for instance in 1..=12 {
        for line in 0..8000 {
            let start = format!("[{instance}] {instance} {line} ");
            assert!(lines.next().is_some_and(|it| it.starts_with(&start)));
        }
    }
    assert_eq!(lines.next(), None);
}

/// The second instance waits 1.5 s for its turn, and then takes a second of its own.
#[test]
fn the_wait_for_a_turn_is_not_counted_against_the_deadline() {
    let outcome = run([
        "exec",
        PROGRAM,
        "-n",
        "3",
        "--ordered",
        "-q",
        "--deadline",
        "2200ms",
        "--",
        "early-or-long",
        "{i}",
    ]);
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""));
    assert_eq!(outcome.out.lines().count(), 1 + 2 * 20_001);
    assert!(outcome.out.starts_with("[1] 1 early\n[2] 2 0 "));
    assert!(outcome.out.ends_with("[3] 3 late\n"));
}

#[test]
fn records_and_failures_keep_the_order() {
    let all = ["exec", PROGRAM, "-n", "40", "--ordered", "--json", "-q"];
    let outcome = run(all.iter().chain(&["--", "exit-if-odd", "{i}"]));
    assert_eq!(outcome.code, Some(1));
    let ends: Vec<_> = json_lines(&outcome.out)
        .into_iter()
        .map(|it| (it["instance"].as_u64(), it["exit"].as_i64()))
        .collect();
    let expected: Vec<_> = (1_u64..=40)
        .map(|it| (Some(it), Some((it % 2).cast_signed())))
        .collect();
    assert_eq!(ends, expected);
    // With files, only the records have an order.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("text");
    let all = [
        "exec",
        PROGRAM,
        "-n",
        "9",
        "--ordered",
        "--json",
        "-q",
        "--output-dir",
        path,
    ];
    let outcome = run(all.iter().chain(&["--", "long-output", "{i}", "8000"]));
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""));
    let ends = json_lines(&outcome.out);
    let numbers: Vec<_> = ends
        .iter()
        .filter_map(|it| it["instance"].as_u64())
        .collect();
    assert_eq!(numbers, (1..=9).collect::<Vec<_>>());
    for end in ends {
        let file = folder.path().join(format!("{}.out", end["instance"]));
        let size = fs::metadata(file).expect("a file").len();
        assert_eq!(end["stdout_bytes"].as_u64(), Some(size));
    }
}
