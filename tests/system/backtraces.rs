//! Backtraces of traps.

use std::fs;

use serde_json::Value;

use crate::bad_components::program;
use crate::harness::{Outcome, run, run_command};
use crate::harness::{cocoon, json_lines};

/// A program whose `$inner` traps below `$outer`, at a depth of 50 calls.
fn deep() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let fields = r#"
        (func $inner (param i32) (result i32)
            local.get 0
            if
                local.get 0
                i32.const 1
                i32.sub
                call $inner
                drop
            end
            unreachable)
        (func $outer (export "run") (result i32) i32.const 50 call $inner)"#;
    fs::write(file.path(), program(fields)).expect("a file");
    file
}

#[test]
fn a_trap_names_its_functions() {
    let file = deep();
    let path = file.path().to_str().expect("text");
    let Outcome { out, err, code } = run(["exec", path]);
    assert_eq!((code, out.as_str()), (Some(134), ""), "{err}");
    let lines: Vec<_> = err.lines().collect();
    assert_eq!(lines.len(), 22, "{err}");
    assert_eq!(lines[0], "cocoon: backtrace of the trap:");
    for (number, line) in lines[1..21].iter().enumerate() {
        assert!(line.starts_with(&format!("{number:>4}: 0x")), "{err}");
        assert!(line.ends_with(" - module!inner"), "{err}");
    }
    assert!(
        lines[21].contains("wasm `unreachable` instruction executed"),
        "{err}"
    );
}

#[test]
fn instances_that_trap_alike_share_a_backtrace() {
    let file = deep();
    let path = file.path().to_str().expect("text");
    let err = run(["exec", path, "-n", "50"]).err;
    assert_eq!(err.matches("backtrace of the trap in instance ").count(), 1);
    assert!(err.lines().count() <= 23, "{err}");
}

#[test]
fn a_log_of_json_has_the_frames() {
    let file = deep();
    let mut command = cocoon(["exec", "--log-format", "json"]);
    let err = run_command(command.arg(file.path())).err;
    let records = json_lines(&err);
    let record = records.iter().find(|it| it["message"] == "backtrace");
    let record = record.expect("a backtrace");
    assert_eq!(record["frames"].as_array().map(Vec::len), Some(20));
    assert_eq!(record.get("instance"), None::<&Value>);
}
