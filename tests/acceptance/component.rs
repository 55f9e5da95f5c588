//! The component alone, under stock Wasmtime and without any flag.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::{SHA256_OF_20000, TEN};
use crate::harness::{Ended, clean, ended, printed, sha256};

/// The features of Wasmtime's own program that these tests need.
const FEATURES: &str = "run,compile,cranelift,component-model,component-model-async,parallel-compilation,pooling-allocator,cache,logging";

/// Wasmtime 48: the machine's own, or one that is installed below the target
/// folder, which takes some minutes once.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let tools = Path::new(cocoon_test_guests::BUNDLED)
            .ancestors()
            .nth(4)
            .expect("the component lies in a target folder")
            .join("tools");
        let own = tools.join("bin/wasmtime");
        for candidate in [Path::new("wasmtime"), &own] {
            if is_48(candidate) {
                return candidate.to_owned();
            }
        }
        let installed = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
            .args(["install", "wasmtime-cli", "--version", "48.0.8", "--locked"])
            .args(["--no-default-features", "--features", FEATURES, "--root"])
            .arg(&tools)
            .output()
            .expect("a cargo");
        let complaint = String::from_utf8_lossy(&installed.stderr);
        assert!(installed.status.success(), "stock Wasmtime 48: {complaint}");
        own
    })
}

fn is_48(program: &Path) -> bool {
    let version = Command::new(program).arg("--version").output();
    version.is_ok_and(|version| version.stdout.starts_with(b"wasmtime 48."))
}

fn wasmtime(arguments: &[&str]) -> Ended {
    let mut command = Command::new(program());
    clean(&mut command).args(arguments);
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
fn it_prints_what_the_binary_prints() {
    assert_eq!(alone(&[]), TEN);
    assert_eq!(sha256(&alone(&["compute", "20000"])), SHA256_OF_20000);
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
