//! How many instances of `cocoon exec` run at once, and when their output appears.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::harness::{cocoon, run};

const PROGRAM: &str = cocoon_test_guests::HOSTILE_PROGRAM;

#[test]
fn programs_that_wait_run_all_at_once() {
    for program in ["sleep", "spin"] {
        let started = Instant::now();
        let outcome = run([
            "exec",
            PROGRAM,
            "-n",
            "200",
            "--deadline",
            "1s",
            "--",
            program,
        ]);
        assert_eq!(outcome.code, Some(1), "{}", outcome.err);
        let none = "0 of 200 instances succeeded";
        assert!(outcome.err.contains(none), "{}", outcome.err);
        // One after the other on two processors would take 100 s.
        let elapsed = started.elapsed();
        assert!(elapsed < Duration::from_secs(30), "{program}: {elapsed:?}");
    }
}

#[test]
fn output_appears_while_the_instances_run() {
    for flags in [&[][..], &["--json"]] {
        let mut child = cocoon(["exec", PROGRAM, "-n", "3"])
            .args(flags)
            .args(["--", "say-and-spin", "hello"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        for _ in 0..3 {
            let line = lines.next().expect("a line").expect("text");
            assert!(line.contains("hello"), "{line}");
        }
        child.kill().expect("a process");
        child.wait().expect("its end");
    }
}
