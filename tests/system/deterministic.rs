//! `--deterministic`: two runs compute the same bytes, and clocks advance only by sleeps.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use cocoon::limits::Limit;
use cocoon_test_guests::{HOSTILE_PROGRAM, P3_PROGRAM};

use crate::harness::{assert_one_line, run, stdout_of};

fn exec<'a>(flags: &[&'a str], arguments: &[&'a str]) -> Vec<&'a str> {
    [&["exec", HOSTILE_PROGRAM], flags, &["--"], arguments].concat()
}

/// The lines of each instance, by their prefix, sorted: instances end in any order.
fn by_instance(output: &str) -> Vec<String> {
    let mut instances: Vec<Vec<&str>> = vec![Vec::new(); 9];
    for line in output.lines() {
        let (number, text) = line.split_once("] ").expect("a prefix");
        let number: usize = number[1..].parse().expect("a number");
        instances[number].push(text);
    }
    instances
        .into_iter()
        .map(|lines| lines.join("\n"))
        .collect()
}

#[test]
fn two_runs_of_several_instances_print_the_same_bytes() {
    let print = |flag: &str| {
        let outcome = run(exec(&["-n", "8", "-c", "4", flag], &["chances"]));
        assert_eq!(outcome.code, Some(0), "{}", outcome.err);
        by_instance(&outcome.out)
    };
    let first = print("--deterministic=7");
    assert_eq!(first, print("--deterministic=7"));
    let different: BTreeSet<_> = first.iter().skip(1).collect();
    assert_eq!(different.len(), 8, "each instance has its own numbers");
    for (other, one) in print("--deterministic=8").iter().zip(&first).skip(1) {
        assert_ne!(other, one);
    }
    assert_eq!(print("--deterministic"), print("--deterministic=0"));
}

#[test]
fn nan_has_one_pattern_of_bits() {
    let output = stdout_of(exec(&["--deterministic"], &["chances"]));
    for bits in ["7ff8000000000000", "7fc00000"] {
        assert!(
            output.lines().any(|line| line == bits),
            "{bits} in {output}"
        );
    }
    assert!(
        !output.contains("1234\n") && !output.contains("5678\n"),
        "{output}"
    );
}

#[test]
fn without_the_flag_runs_differ() {
    let print = || stdout_of(exec(&["--deterministic"], &["chances"]));
    assert_eq!(print(), print());
    let random = || stdout_of(exec(&[], &["random"]));
    assert_ne!(random(), random());
}

#[test]
fn sleeping_takes_no_time_and_advances_the_clocks() {
    let start = Instant::now();
    let slept = stdout_of(exec(&["--deterministic"], &["sleep-an-hour"]));
    assert_eq!(slept, "60 60\ntrue\n");
    assert!(start.elapsed() < Duration::from_mins(1));
    let clock = stdout_of(exec(&["--deterministic"], &["clock"]));
    assert!(clock.contains("946684800"), "{clock}");
}

#[test]
fn timers_end_in_order() {
    let timers = stdout_of(exec(&["--deterministic"], &["timers"]));
    assert_eq!(timers, "10 10\n10 10\n20 20\n30 30\n");
}

#[test]
fn a_loop_of_sleeps_is_stopped_by_the_deadline() {
    let flags = ["--deterministic", "--deadline", "300ms"];
    let stopped = run(exec(&flags, &["sleep-forever"]));
    assert_ne!(stopped.code, Some(0));
    assert_one_line(&stopped.err, &["300ms", Limit::Deadline.spec().flag]);
}

#[test]
fn a_program_of_0_3_prints_the_same_bytes() {
    let print = |seed| stdout_of(["exec", P3_PROGRAM, seed, "--", "chances"]);
    let first = print("--deterministic=7");
    assert!(first.starts_with("7200 "), "{first}");
    assert_eq!(first, print("--deterministic=7"));
    assert_ne!(first, print("--deterministic=8"));
}

#[test]
fn seeds_are_checked() {
    let refused = run(exec(&["--deterministic=seven"], &["say"]));
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    assert!(refused.err.contains("--deterministic"), "{}", refused.err);
}
