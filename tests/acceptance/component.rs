//! The component alone, under stock Wasmtime and without any flag.

use super::{SHA256_OF_20000, TEN};
use crate::harness::{Outcome, sha256, stdout_of};
use crate::tools::WASMTIME;

/// Runs stock Wasmtime 48 to its end.
fn wasmtime(arguments: &[&str]) -> Outcome {
    let version = WASMTIME.run(&["--version"]).out;
    assert!(
        version.starts_with("wasmtime 48."),
        "expected Wasmtime 48, got {version}; run `.ci/tools`"
    );
    WASMTIME.run(arguments)
}

/// Returns the output of the component. Asserts that it succeeds with an empty standard error.
fn stdout_of_component(arguments: &[&str]) -> String {
    let Outcome { out, err, code } =
        wasmtime(&[&["run", cocoon_test_guests::BUNDLED], arguments].concat());
    assert_eq!((code, err.as_str()), (Some(0), ""), "{arguments:?}");
    out
}

#[test]
#[ignore = "needs Wasmtime 48"]
fn component_and_binary_have_the_same_output() {
    assert_eq!(stdout_of_component(&[]), TEN);
    assert_eq!(
        sha256(&stdout_of_component(&["compute", "20000"])),
        SHA256_OF_20000
    );
    for arguments in [
        &["run", "10"][..],
        &["run", "0"],
        &["kinds", "10"],
        &["compute", "1000"],
        &[
            "compute",
            "9",
            "--kind",
            "double",
            "--format",
            "scientific:2",
        ],
    ] {
        assert!(
            stdout_of_component(arguments) == stdout_of(arguments),
            "{arguments:?}"
        );
    }
}

#[test]
#[ignore = "needs Wasmtime 48"]
fn info_of_component_and_binary_are_equal() {
    let words = |text: String| {
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        words(stdout_of_component(&["info", "1000"])),
        words(stdout_of(["info", "1000"]))
    );
}

#[test]
#[ignore = "needs Wasmtime 48"]
fn invalid_arguments_print_the_usage_and_fail() {
    for arguments in [
        &["compute"][..],
        &["compute", "ten"],
        &["compute", "-5"],
        &["compute", "5", "--kind", "multi:0"],
        &["compute", "5", "--format", "hex"],
        &["bogus"],
        &["run", "1", "2"],
    ] {
        let Outcome { out, err, code } =
            wasmtime(&[&["run", cocoon_test_guests::BUNDLED], arguments].concat());
        assert!(code != Some(0) && out.is_empty(), "{arguments:?}: {out}");
        assert!(
            err.contains("usage: factorial") && !err.contains("trap"),
            "{arguments:?}: {err}"
        );
    }
}

#[test]
#[ignore = "needs Wasmtime 48"]
fn a_number_out_of_reach_fails_with_one_line() {
    let Outcome { out, err, code } = wasmtime(&[
        "run",
        cocoon_test_guests::BUNDLED,
        "compute",
        "18446744073709551615",
    ]);
    assert!(code != Some(0) && out.is_empty(), "{out}");
    assert_eq!(err.lines().count(), 1, "{err}");
}
