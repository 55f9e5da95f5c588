//! The component alone, under stock Wasmtime and without any flag.

use std::process::Command;

use crate::harness::{Ended, clean, ended, printed};

const INSTALL: &str =
    "stock Wasmtime 48 is needed: `cargo install wasmtime-cli --version 48.0.8 --locked`";

fn wasmtime(arguments: &[&str]) -> Ended {
    let mut command = Command::new("wasmtime");
    clean(&mut command).args(arguments);
    assert!(command.output().is_ok(), "{INSTALL}");
    ended(&mut command)
}

/// What the component prints, which must succeed and complain of nothing.
fn alone(arguments: &[&str]) -> String {
    let Ended { out, err, code } =
        wasmtime(&[&["run", cocoon_test_guests::BUNDLED], arguments].concat());
    assert_eq!((code, err.as_str()), (Some(0), ""), "{arguments:?}");
    out
}

#[test]
fn wasmtime_48_is_there() {
    let version = wasmtime(&["--version"]).out;
    assert!(version.starts_with("wasmtime 48."), "{version}: {INSTALL}");
}

#[test]
fn it_prints_what_the_binary_prints() {
    assert_eq!(alone(&[]), printed(["run"]));
    for arguments in [
        &["run", "10"][..],
        &["run", "0"],
        &["kinds", "10"],
        &["compute", "1000"],
        &["compute", "20000"],
        &[
            "compute",
            "9",
            "--kind",
            "double",
            "--format",
            "scientific:2",
        ],
    ] {
        assert!(alone(arguments) == printed(arguments), "{arguments:?}");
    }
}

#[test]
fn info_says_the_same_whatever_its_layout() {
    let words = |text: String| {
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        words(alone(&["info", "1000"])),
        words(printed(["info", "1000"]))
    );
}

#[test]
fn bad_arguments_get_a_usage_line_and_a_failure() {
    for arguments in [
        &["compute"][..],
        &["compute", "ten"],
        &["compute", "-5"],
        &["compute", "5", "--kind", "multi:0"],
        &["compute", "5", "--format", "hex"],
        &["bogus"],
        &["run", "1", "2"],
    ] {
        let Ended { out, err, code } =
            wasmtime(&[&["run", cocoon_test_guests::BUNDLED], arguments].concat());
        assert!(code != Some(0) && out.is_empty(), "{arguments:?}: {out}");
        assert!(
            err.contains("usage: factorial") && !err.contains("trap"),
            "{arguments:?}: {err}"
        );
    }
}

#[test]
fn what_is_out_of_reach_fails_with_a_line() {
    let Ended { out, err, code } = wasmtime(&[
        "run",
        cocoon_test_guests::BUNDLED,
        "compute",
        "18446744073709551615",
    ]);
    assert!(code != Some(0) && out.is_empty(), "{out}");
    assert_eq!(err.lines().count(), 1, "{err}");
}
