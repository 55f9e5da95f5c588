//! What is typed wrong: one line that says what was wrong and what would be
//! right, exit code 2, and nothing else.

use crate::harness::{assert_fails, cocoon, ended, run};

const PROGRAM: &str = cocoon_test_guests::HOSTILE_PROGRAM;

#[test]
fn what_is_typed_wrong_is_named_with_what_would_be_right() {
    for (arguments, words) in [
        (&["compute"][..], &["<N>"][..]),
        (&["compute", "ten"], &["ten", "0 to 18446744073709551615"]),
        (&["compute", "-3"], &["-3", "0 to 18446744073709551615"]),
        (&["run", "-1"], &["-1", "0 to 18446744073709551615"]),
        (&["kinds", "1e3"], &["1e3"]),
        (&["info", "1.5"], &["1.5"]),
        (&["compute", ""], &["<N>"]),
        (
            &["compute", "18446744073709551616"],
            &["18446744073709551615"],
        ),
        (&["compute", "5", "6"], &["6"]),
        (&["compute", "5", "--kind", "multi:0"], &["multi", "from 1"]),
        (&["compute", "5", "--kind", "multi:x"], &["multi", "from 1"]),
        (
            &["compute", "5", "--kind", "tripel"],
            &["tripel", "superfactorial"],
        ),
        (&["compute", "5", "--format", "hex"], &["hex", "scientific"]),
        (
            &["compute", "5", "--format", "scientific:0"],
            &["1 to 1000"],
        ),
        (
            &["compute", "5", "--format", "scientific:1001"],
            &["1 to 1000"],
        ),
        (&["comptue", "5"], &["comptue", "compute"]),
        (&["compute", "5", "--jason"], &["--jason", "--json"]),
        (&["compute", "5", "-o"], &["--out"]),
        (&["run", "--deadline", "soon"], &["soon", "30s"]),
        (&["run", "--deadline", "0s"], &["out of range"]),
        (&["run", "--sandbox-memory", "much"], &["much", "256MiB"]),
        (&["run", "--sandbox-memory", "5GiB"], &["4 GiB"]),
        (&["run", "--sandbox-memory", "1"], &["64 KiB"]),
        (&["run", "--total-memory", "0%"], &["70%"]),
        (&["run", "--total-memory", "101%"], &["70%"]),
        (&["run", "--total-memory", "10KiB"], &["1 MiB"]),
        (&["run", "--sandboxes", "0"], &["from 1"]),
        (&["run", "--sandboxes", "-1"], &["1000"]),
        (&["run", "--output", "0B"], &["out of range"]),
        (
            &["run", "--deadline", "1s", "--deadline", "2s"],
            &["deadline"],
        ),
        (&["exec"], &["<FILE>"]),
        (&["exec", PROGRAM, "-n", "0"], &["0", "--instances"]),
        (&["exec", PROGRAM, "-c", "0"], &["0", "--concurrency"]),
        (
            &["exec", PROGRAM, "--dir", "/no/such/folder"],
            &["/no/such/folder"],
        ),
        (&["exec", PROGRAM, "--dir", PROGRAM], &["not a folder"]),
        (&["exec", PROGRAM, "--dir", ":"], &["HOST:GUEST"]),
        (
            &["exec", PROGRAM, "--env", "COCOON_NO_SUCH"],
            &["COCOON_NO_SUCH=VALUE"],
        ),
        (&["exec", PROGRAM, "--env", "=x"], &["NAME=VALUE"]),
        (&["completions", "tcsh"], &["tcsh", "zsh"]),
    ] {
        let ended = run(arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.err);
        assert_fails(&ended, 2, words);
    }
}

#[test]
fn what_contradicts_itself_is_refused() {
    for (arguments, words) in [
        (
            &["run", "--sandbox-memory", "2GiB", "--total-memory", "1GiB"][..],
            ["--sandbox-memory", "--total-memory"],
        ),
        (
            &[
                "exec",
                PROGRAM,
                "--sandbox-memory",
                "64MiB",
                "--total-memory",
                "32MiB",
            ],
            ["64 MiB", "32 MiB"],
        ),
        (
            &["exec", PROGRAM, "--json", "--output-dir", "/tmp"],
            ["--json", "--output-dir"],
        ),
        (
            &["exec", PROGRAM, "-i", "--stdin", "/dev/null"],
            ["--interactive", "--stdin"],
        ),
    ] {
        assert_fails(&run(arguments), 2, &words);
    }
}

#[test]
fn variables_are_checked_as_flags_are() {
    let wrong = ended(cocoon(["run"]).env("COCOON_DEADLINE", "soon"));
    assert_fails(&wrong, 2, &["soon", "30s"]);
    let contradiction =
        ended(cocoon(["run", "--sandbox-memory", "2GiB"]).env("COCOON_TOTAL_MEMORY", "1GiB"));
    assert_fails(&contradiction, 2, &["--total-memory"]);
}

#[test]
fn what_a_limit_forbids_is_known_before_computing() {
    for (arguments, words) in [
        (
            &["compute", "1000000", "--output", "1MiB"][..],
            &[
                "5565709 digits",
                "5565709 B",
                "--output",
                "COCOON_OUTPUT",
                "1 MiB",
            ][..],
        ),
        (
            &["compute", "1000000", "--sandbox-memory", "2MiB"],
            &["5565709 digits", "--sandbox-memory", "2 MiB"],
        ),
        (
            &["compute", "1000000", "--total-memory", "4MiB"],
            &["--total-memory"],
        ),
        (
            &["compute", "1000000000", "--output", "64GiB"],
            &["8565705523 digits", "4 GiB"],
        ),
        (&["compute", "18446744073709551615"], &["digits"]),
        (&["run", "18446744073709551615"], &["digits"]),
        (&["kinds", "18446744073709551615"], &["digits"]),
        (&["run", "1000000000"], &["8565705523", "--output"]),
        (&["kinds", "1000000"], &["--output"]),
        (
            &["run", "--total-memory", "1MiB"],
            &["1 MiB", "--total-memory"],
        ),
    ] {
        let started = std::time::Instant::now();
        assert_fails(&run(arguments), 1, words);
        assert!(
            started.elapsed() < std::time::Duration::from_secs(20),
            "{arguments:?}"
        );
    }
}
