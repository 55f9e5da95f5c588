//! Files that are no component, or not one that can be run: one line names what
//! is wrong. And components that misbehave before they were asked anything.

use std::fs;

use crate::harness::{assert_fails, printed, run};

/// A component whose core module has `fields`, and which exports
/// `wasi:cli/run` by its function `run`.
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

/// A program that does nothing.
pub(crate) const CONTENT: &str = r#"(func (export "run") (result i32) i32.const 0)"#;

/// What `command` says of a file with `bytes` in it, which must fail.
fn refusal(command: &[&str], bytes: &[u8], words: &[&str]) {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), bytes).expect("a file");
    let path = file.path().to_str().expect("text");
    assert_fails(&run(command.iter().copied().chain([path])), 1, words);
}

const COMMANDS: [&[&str]; 4] = [
    &["exec"],
    &["inspect"],
    &["run", "--component"],
    &["compute", "5", "--component"],
];

#[test]
fn what_is_no_component_is_named() {
    let component = fs::read(cocoon_test_guests::BUNDLED).expect("a component");
    let core = wat::parse_str("(module)").expect("a module");
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
        refusal(command, &core, &["core module", "wasm32-wasip2"]);
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
fn what_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let itself = folder.path().to_str().expect("text");
    for command in COMMANDS {
        let with = |path| run(command.iter().copied().chain([path]));
        assert_fails(
            &with("/no/such/file.wasm"),
            1,
            &["cannot read", "/no/such/file.wasm"],
        );
        assert_fails(&with(itself), 1, &["cannot read", itself]);

        let limited = run(command.iter().copied().chain([
            cocoon_test_guests::BUNDLED,
            "--component-size",
            "1KiB",
        ]));
        assert_fails(&limited, 1, &["1 KiB", "--component-size"]);
    }
}

#[test]
fn compilation_has_its_time() {
    let slow = [
        "exec",
        cocoon_test_guests::FOREIGN_FACTOR,
        "--compile-time",
        "1ms",
    ];
    assert_fails(&run(slow), 1, &["--compile-time", "1ms"]);
}

#[test]
fn a_missing_export_is_named() {
    let numbers = cocoon_test_guests::NUMBERS;
    assert_fails(
        &run(["run", "--component", numbers]),
        1,
        &["cocoon:factorial/factorial"],
    );
    assert_fails(&run(["exec", numbers]), 1, &["wasi:cli/run"]);
    let program = cocoon_test_guests::HOSTILE_PROGRAM;
    assert_fails(
        &run(["compute", "5", "--component", program]),
        1,
        &["cocoon:factorial/factorial"],
    );
}

#[test]
fn an_import_that_nobody_gives_is_named() {
    let custom = wat::parse_str(
        r#"(component (import "acme:vault/keys@1.2.3" (instance (export "open" (func)))))"#,
    );
    refusal(
        &["exec"],
        &custom.expect("a component"),
        &["acme:vault/keys@1.2.3"],
    );
    let http = wat::parse_str(
        r#"(component (import "wasi:http/types@0.2.0" (instance (export "f" (func)))))"#,
    );
    refusal(
        &["exec"],
        &http.expect("a component"),
        &["wasi:http/types@0.2.0"],
    );
    // WASI, but a function that it does not have.
    let unknown = wat::parse_str(
        r#"(component (import "wasi:cli/environment@0.2.0" (instance (export "get-secrets" (func)))))"#,
    );
    refusal(&["exec"], &unknown.expect("a component"), &["get-secrets"]);
}

#[test]
fn what_a_component_needs_is_bounded() {
    // 300 MiB from the start, where a sandbox has 256 MiB.
    refusal(
        &["exec"],
        &program(&format!("(memory 4800) {CONTENT}")),
        &["memory of one sandbox", "256 MiB"],
    );
    // Of eight bytes each.
    refusal(
        &["exec"],
        &program(&format!("(table 100000000 funcref) {CONTENT}")),
        &["memory of one sandbox", "256 MiB"],
    );
    // Each below the cap, and together above it.
    refusal(
        &["exec"],
        &program(&format!("{} {CONTENT}", "(memory 1000)".repeat(5))),
        &["memory of one sandbox", "256 MiB"],
    );
}

#[test]
fn harm_at_the_start_is_stopped_as_well() {
    let start = |body: &str| program(&format!("(func $start {body}) (start $start) {CONTENT}"));
    refusal(&["exec"], &start("unreachable"), &["trapped"]);
    refusal(
        &["exec", "--deadline", "200ms"],
        &start("(loop $again br $again)"),
        &["deadline", "200ms"],
    );
    refusal(&["exec"], &start("call $start"), &["wasm stack", "512 KiB"]);
}

#[test]
fn the_smallest_program_runs() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), program(CONTENT)).expect("a file");
    assert_eq!(printed(["exec", file.path().to_str().expect("text")]), "");
    // Growth that is refused is no harm to who can live without.
    let modest = program(
        r#"(memory 1) (func (export "run") (result i32)
            (i32.ne (memory.grow (i32.const 60000)) (i32.const -1)))"#,
    );
    fs::write(file.path(), modest).expect("a file");
    assert_eq!(printed(["exec", file.path().to_str().expect("text")]), "");
}
