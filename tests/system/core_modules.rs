//! Core modules of WASI preview 1 run as they are; other core modules are named.

use std::fs;

use tempfile::NamedTempFile;

use crate::harness::{assert_fails, run, stdout_of};

/// Writes the module of `text` to a file.
fn module(text: &str) -> NamedTempFile {
    let file = NamedTempFile::new().expect("a file");
    let wasm = wat::parse_str(text).expect("a module");
    fs::write(file.path(), wasm).expect("a file");
    file
}

fn exec<'a>(file: &'a NamedTempFile, arguments: &[&'a str]) -> Vec<&'a str> {
    let path = file.path().to_str().expect("text");
    [&["exec", path][..], arguments].concat()
}

/// A command that prints "hi" and exits with `code`.
fn greeting(code: i32) -> NamedTempFile {
    module(&format!(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1)
            (data (i32.const 8) "hi\n")
            (func (export "_start")
                (i32.store (i32.const 0) (i32.const 8))
                (i32.store (i32.const 4) (i32.const 3))
                (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))
                (call $exit (i32.const {code}))))"#
    ))
}

#[test]
fn a_core_module_of_preview_1_runs() {
    assert_eq!(stdout_of(exec(&greeting(0), &[])), "hi\n");
    // Without any import.
    let silent = module(r#"(module (memory (export "memory") 1) (func (export "_start")))"#);
    assert_eq!(stdout_of(exec(&silent, &[])), "");
}

#[test]
fn a_core_module_keeps_its_exit_code() {
    for (code, expected) in [(0, 0), (7, 7), (255, 255), (256, 255), (-1, 255)] {
        let exited = run(exec(&greeting(code), &[]));
        assert_eq!(exited.out, "hi\n", "{code}: {}", exited.err);
        assert_eq!(exited.code, Some(expected), "{code}: {}", exited.err);
        assert_eq!(exited.err, "", "{code}");
    }
    let trapping = module(
        r#"(module
            (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
            (memory (export "memory") 1)
            (func (export "_start") unreachable))"#,
    );
    let trapped = run(exec(&trapping, &[]));
    assert_eq!(trapped.code, Some(134), "{}", trapped.err);
    assert!(trapped.err.contains("trapped"), "{}", trapped.err);
}

#[test]
fn a_core_module_has_the_limits_of_a_component() {
    let looping = module(
        r#"(module (memory (export "memory") 1) (func (export "_start") (loop $again br $again)))"#,
    );
    let stopped = run(exec(&looping, &["--deadline", "200ms"]));
    assert!(stopped.err.contains("deadline"), "{}", stopped.err);
    let large = module(r#"(module (memory (export "memory") 4800) (func (export "_start")))"#);
    let refused = run(exec(&large, &[]));
    assert!(
        refused.err.contains("memory of one sandbox"),
        "{}",
        refused.err
    );
    // The conversion counts as compiling. Code that another test left in the cache would not.
    let options = ["--compile-time", "1ms", "--code-cache", "off"];
    let late = run(exec(&greeting(0), &options));
    assert_fails(&late, 125, &["--compile-time"]);
}

#[test]
fn other_core_modules_are_named() {
    let import = |module: &str, name: &str| {
        format!(
            r#"(module (import "{module}" "{name}" (func)) (memory (export "memory") 1) (func (export "_start")))"#
        )
    };
    for (text, words) in [
        ("(module)".to_owned(), &["library", "_start"][..]),
        (
            r#"(module (func (export "add")))"#.to_owned(),
            &["library", "add", "_start"],
        ),
        (
            r#"(module (func (export "_initialize")))"#.to_owned(),
            &["reactor", "_initialize"],
        ),
        (
            r#"(module (func (export "_start")))"#.to_owned(),
            &["`memory`"],
        ),
        (
            import("env", "emscripten_resize_heap"),
            &["env.emscripten_resize_heap", "Emscripten"],
        ),
        (import("a", "a"), &["a.a", "Emscripten"]),
        (import("env", "helper"), &["env.helper", "undefined"]),
        (
            import("wasi_unstable", "proc_exit"),
            &["wasi_unstable.proc_exit", "preview 0"],
        ),
        (
            import("wasi", "thread-spawn"),
            &["wasi.thread-spawn", "threads"],
        ),
        (
            import("gojs", "runtime.wasmExit"),
            &["gojs.", "GOOS=wasip1"],
        ),
        (
            import("wasi_snapshot_preview1", "sock_open"),
            &["wasi_snapshot_preview1.sock_open"],
        ),
        // A function of preview 1 with another type.
        (
            import("wasi_snapshot_preview1", "proc_exit"),
            &["core module"],
        ),
    ] {
        let file = module(&text);
        let refused = run(exec(&file, &[]));
        for word in words {
            assert!(refused.err.contains(word), "{text}: {}", refused.err);
        }
        assert!(
            refused.code != Some(0) && refused.err.lines().count() == 1,
            "{}",
            refused.err
        );
    }
    let cut = NamedTempFile::new().expect("a file");
    let whole = fs::read(greeting(0).path()).expect("a file");
    fs::write(cut.path(), &whole[..whole.len() - 5]).expect("a file");
    assert!(
        run(exec(&cut, &[]))
            .err
            .contains("invalid component: core module")
    );
}

#[test]
fn a_core_module_is_no_factorial() {
    let file = greeting(0);
    let path = file.path().to_str().expect("text");
    assert_fails(
        &run(["run", "--component", path]),
        1,
        &["cocoon:factorial/factorial"],
    );
}
