//! Files that are not components, or not runnable ones: one line names the fault. Also
//! components that misbehave while they are instantiated.

use std::fs;

use crate::harness::{assert_fails, run, stdout_of};

/// Builds a component whose core module has `fields`, and which exports `wasi:cli/run` by its
/// function `run`.
pub(crate) fn program(fields: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
            (core module $module {fields})
            (core instance $core (instantiate $module))
            (func $run (result (result)) (canon lift (core func $core "run")))
            (instance $exports (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $exports)))"#
    );
    wat::parse_str(text).expect("a component")
}

/// The content of a program that does nothing.
pub(crate) const CONTENT: &str = r#"(func (export "run") (result i32) i32.const 0)"#;

/// The exit code of `command` for a component that it cannot load.
fn refused(command: &[&str]) -> i32 {
    if command[0] == "exec" { 125 } else { 1 }
}

/// Asserts that `command` cannot load a file with `bytes`, with all of `words` in its message.
fn refusal(command: &[&str], bytes: &[u8], words: &[&str]) {
    failure(command, bytes, refused(command), words);
}

/// Asserts that `command` fails on a file with `bytes`, with this exit code and all of `words` in
/// its message.
fn failure(command: &[&str], bytes: &[u8], code: i32, words: &[&str]) {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), bytes).expect("a file");
    let path = file.path().to_str().expect("text");
    assert_fails(&run(command.iter().copied().chain([path])), code, words);
}

const COMMANDS: [&[&str]; 4] = [
    &["exec"],
    &["inspect"],
    &["run", "--component"],
    &["compute", "5", "--component"],
];

#[test]
fn files_that_are_not_components_are_named() {
    let component = fs::read(cocoon_test_guests::BUNDLED).expect("a component");
    let mut random = fastrand::Rng::with_seed(7);
    let noise: Vec<u8> = (0..10_000).map(|_| random.u8(..)).collect();
    let mut damaged = component.clone();
    for byte in damaged.iter_mut().skip(1000).step_by(97) {
        *byte ^= 0x55;
    }
    for command in COMMANDS {
        refusal(command, b"", &["empty"]);
        refusal(
            command,
            b"fn main() {}\n",
            &["expected a component", "start with"],
        );
        refusal(command, &noise, &["expected a component", "start with"]);
        refusal(command, b"\x7fELF\x02\x01\x01", &["native"]);
        refusal(command, b"\0asm", &["component"]);
        refusal(command, &component[..8 + 100], &["invalid component"]);
        refusal(
            command,
            &component[..component.len() / 2],
            &["invalid component"],
        );
        refusal(
            command,
            &component[..component.len() - 1],
            &["invalid component"],
        );
        refusal(command, &damaged, &["invalid component"]);
    }
}

#[test]
fn unreadable_files_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let itself = folder.path().to_str().expect("text");
    for command in COMMANDS {
        let with = |path| run(command.iter().copied().chain([path]));
        assert_fails(
            &with("/no/such/file.wasm"),
            refused(command),
            &["cannot read", "/no/such/file.wasm"],
        );
        assert_fails(&with(itself), refused(command), &["cannot read", itself]);

        let limited = run(command.iter().copied().chain([
            cocoon_test_guests::BUNDLED,
            "--component-size",
            "1KiB",
        ]));
        assert_fails(&limited, refused(command), &["1 KiB", "--component-size"]);
    }
}

#[test]
fn compilation_has_a_time_limit() {
    let slow = [
        "exec",
        cocoon_test_guests::FOREIGN_FACTOR,
        "--compile-time",
        "1ms",
        "--code-cache",
        "off",
    ];
    assert_fails(&run(slow), 125, &["--compile-time", "1ms"]);
}

#[test]
fn a_missing_export_is_named() {
    let numbers = cocoon_test_guests::NUMBERS;
    assert_fails(
        &run(["run", "--component", numbers]),
        1,
        &["cocoon:factorial/factorial"],
    );
    let program = run(["exec", numbers]);
    assert_fails(&program, 125, &["wasi:cli/run", "cocoon call"]);
    let program = cocoon_test_guests::HOSTILE_PROGRAM;
    assert_fails(
        &run(["compute", "5", "--component", program]),
        1,
        &["cocoon:factorial/factorial"],
    );
}

#[test]
fn a_handler_is_named() {
    let handler = wat::parse_str(
        r#"(component
            (core module $m (func (export "f")))
            (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i "f")))
            (instance $e (export "handle" (func $f)))
            (export "wasi:http/incoming-handler@0.2.3" (instance $e)))"#,
    );
    refusal(
        &["exec"],
        &handler.expect("a component"),
        &[
            "a handler of HTTP requests",
            "wasi:http/incoming-handler@0.2.3",
            "cocoon serve",
        ],
    );
}

#[test]
fn an_unknown_import_is_named() {
    let custom = wat::parse_str(
        r#"(component (import "acme:vault/keys@1.2.3" (instance (export "open" (func)))))"#,
    );
    refusal(
        &["exec"],
        &custom.expect("a component"),
        &["acme:vault/keys@1.2.3"],
    );
    let http = wat::parse_str(
        r#"(component (import "wasi:http/incoming-handler@0.2.0" (instance (export "f" (func)))))"#,
    );
    refusal(
        &["exec"],
        &http.expect("a component"),
        &["wasi:http/incoming-handler@0.2.0"],
    );
    // An import from WASI of a function that WASI lacks.
    let unknown = wat::parse_str(
        r#"(component (import "wasi:cli/environment@0.2.0" (instance (export "get-secrets" (func)))))"#,
    );
    refusal(&["exec"], &unknown.expect("a component"), &["get-secrets"]);
}

#[test]
fn initial_memories_and_tables_are_limited() {
    // 300 MiB of initial memory, where a sandbox has 256 MiB.
    failure(
        &["exec"],
        &program(&format!("(memory 4800) {CONTENT}")),
        137,
        &["memory of one sandbox", "256 MiB"],
    );
    // Of eight bytes each.
    failure(
        &["exec"],
        &program(&format!("(table 100000000 funcref) {CONTENT}")),
        137,
        &["memory of one sandbox", "256 MiB"],
    );
    // Each memory is below the cap, and their sum is above it.
    failure(
        &["exec"],
        &program(&format!("{} {CONTENT}", "(memory 1000)".repeat(5))),
        137,
        &["memory of one sandbox", "256 MiB"],
    );
}

#[test]
fn memories_that_grow_share_one_cap() {
    // Three times 100 MiB, where a sandbox has 256 MiB.
    let grow = |memory: u32, refused: &str| {
        format!(
            "(if (i32.eq (memory.grow {memory} (i32.const 1600)) (i32.const -1)) (then {refused}))"
        )
    };
    let grows = |refused: &str| {
        let grows: String = (0..3).map(|memory| grow(memory, refused)).collect();
        let run = format!(r#"(func (export "run") (result i32) {grows} i32.const 0)"#);
        program(&format!("{} {run}", "(memory 1)".repeat(3)))
    };
    failure(
        &["exec"],
        &grows("unreachable"),
        137,
        &["memory of one sandbox", "256 MiB"],
    );
    // A program that handles the refused growth runs to its end.
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), grows("nop")).expect("a file");
    assert_eq!(stdout_of(["exec", file.path().to_str().expect("text")]), "");
}

#[test]
fn harmful_start_functions_are_stopped() {
    let start = |body: &str| program(&format!("(func $start {body}) (start $start) {CONTENT}"));
    failure(&["exec"], &start("unreachable"), 134, &["trapped"]);
    failure(
        &["exec", "--deadline", "200ms"],
        &start("(loop $again br $again)"),
        124,
        &["deadline", "200ms"],
    );
    failure(
        &["exec"],
        &start("call $start"),
        137,
        &["wasm stack", "512 KiB"],
    );
}

#[test]
fn the_smallest_program_runs() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), program(CONTENT)).expect("a file");
    assert_eq!(stdout_of(["exec", file.path().to_str().expect("text")]), "");
    // A refused growth is no fault in a program that handles it.
    let modest = program(
        r#"(memory 1) (func (export "run") (result i32)
            (i32.ne (memory.grow (i32.const 60000)) (i32.const -1)))"#,
    );
    fs::write(file.path(), modest).expect("a file");
    assert_eq!(stdout_of(["exec", file.path().to_str().expect("text")]), "");
}
