//! `cocoon call`: exported functions with arguments and results in WAVE.

use std::fs;

use tempfile::NamedTempFile;

use crate::harness::{assert_fails, run, stdout_of};

/// A component with functions of several types, two of them of the same name.
fn functions() -> NamedTempFile {
    let text = r#"(component
        (core module $m
            (memory (export "memory") 1)
            (data (i32.const 64) "text")
            (global $next (mut i32) (i32.const 1024))
            (func (export "realloc") (param i32 i32 i32 i32) (result i32)
                (global.get $next)
                (global.set $next (i32.add (global.get $next) (local.get 3))))
            (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
            (func (export "same") (param i32 i32) (result i32)
                (i32.store (i32.const 8) (local.get 0))
                (i32.store (i32.const 12) (local.get 1))
                (i32.const 8))
            (func (export "trap") unreachable)
            (func (export "spin") (loop $again br $again))
            (func (export "grow") (result i32) (memory.grow (i32.const 60000))))
        (core instance $i (instantiate $m))
        (func $add (param "one" s32) (param "other" s32) (result s32) (canon lift (core func $i "add")))
        (func $same (param "text" string) (result string)
            (canon lift (core func $i "same") (memory $i "memory") (realloc (func $i "realloc"))))
        (func $trap (canon lift (core func $i "trap")))
        (func $spin (canon lift (core func $i "spin")))
        (func $grow (result s32) (canon lift (core func $i "grow")))
        (instance $of (export "add" (func $add)) (export "same" (func $same)))
        (export "test:a/one@1.2.0" (instance $of))
        (export "test:a/other@1.2.0" (instance $of))
        (export "plus" (func $add))
        (export "same" (func $same))
        (export "trap" (func $trap))
        (export "spin" (func $spin))
        (export "grow" (func $grow)))"#;
    let file = NamedTempFile::new().expect("a file");
    fs::write(file.path(), wat::parse_str(text).expect("a component")).expect("a file");
    file
}

#[test]
fn a_function_is_called_with_wave() {
    let file = functions();
    let path = file.path().to_str().expect("text");
    let call = |call: &str| stdout_of(["call", path, call]);
    assert_eq!(call("plus(2, -3)"), "-1\n");
    assert_eq!(call(r#"same("ü \n")"#), "\"ü \\n\"\n");
    assert_eq!(call("test:a/one.add@1.2.0(1, 2)"), "3\n");
    assert_eq!(call("test:a/other.add(1, 2)"), "3\n");
    assert_eq!(call("grow()"), "-1\n");
    let numbers = cocoon_test_guests::NUMBERS;
    assert_eq!(stdout_of(["call", numbers, "double(21)"]), "42\n");
    assert_eq!(
        stdout_of([
            "call",
            cocoon_test_guests::BUNDLED,
            "notation(factorial, 10)"
        ]),
        "ok(\"10!\")\n"
    );
}

#[test]
fn a_program_can_be_called() {
    let path = cocoon_test_guests::P3_PROGRAM;
    assert_eq!(stdout_of(["call", path, "run()"]), "hello\nok\n");
}

#[test]
fn a_call_that_exits_ends_with_the_code() {
    for code in [0, 3] {
        let text = format!(
            r#"(module
                (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                (memory (export "memory") 1)
                (func (export "_start") (call $exit (i32.const {code}))))"#
        );
        let file = NamedTempFile::new().expect("a file");
        fs::write(file.path(), wat::parse_str(text).expect("a module")).expect("a file");
        let exited = run(["call", file.path().to_str().expect("text"), "run()"]);
        let ended = (exited.code, exited.out.as_str(), exited.err.as_str());
        assert_eq!(ended, (Some(code), "", ""));
    }
}

#[test]
fn a_wrong_call_names_what_is_expected() {
    let file = functions();
    let path = file.path().to_str().expect("text");
    for (call, words) in [
        (
            "add(1, 2)",
            &[
                "one function",
                "test:a/one.add@1.2.0",
                "test:a/other.add@1.2.0",
            ][..],
        ),
        ("minus(1)", &["minus", "plus", "test:a/one.add@1.2.0"]),
        ("test:a/one.add@2.0.0(1, 2)", &["test:a/one.add@1.2.0"]),
        ("plus(1)", &["one: s32", "other: s32"]),
        ("plus(1, \"x\")", &["one: s32"]),
        ("plus(1, 2", &["expected a call"]),
        ("", &["expected a"]),
        ("plus", &["plus"]),
    ] {
        assert_fails(&run(["call", path, call]), 2, words);
    }
    // Streams have no notation.
    assert_fails(
        &run(["call", cocoon_test_guests::NUMBERS, "count(1, 2)"]),
        2,
        &["without", "streams"],
    );
}

#[test]
fn a_call_has_the_limits_of_a_program() {
    let file = functions();
    let path = file.path().to_str().expect("text");
    assert_fails(&run(["call", path, "trap()"]), 1, &["trapped"]);
    assert_fails(
        &run(["call", path, "spin()", "--deadline", "200ms"]),
        1,
        &["deadline", "200ms"],
    );
}
