//! `cocoon inspect` describes files without compiling them.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{run, stdout_of};

fn inspect(path: &str) -> Value {
    let text = stdout_of(["inspect", "--json", path]);
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn kinds_and_worlds_are_named() {
    for (path, role, world) in [
        (
            cocoon_test_guests::HOSTILE_PROGRAM,
            "command",
            "wasi:cli/command@0.2.",
        ),
        (
            cocoon_test_guests::P3_PROGRAM,
            "command",
            "wasi:cli/command@0.3.0",
        ),
        (cocoon_test_guests::NUMBERS, "library", ""),
    ] {
        let it = inspect(path);
        assert_eq!(
            (&it["format"], &it["role"]),
            (&json!("component"), &json!(role)),
            "{path}"
        );
        assert!(
            it["world"].as_str().unwrap_or_default().starts_with(world),
            "{it}"
        );
        assert_eq!(it["fault"], json!(null));
    }
    let flags = inspect(cocoon_test_guests::HOSTILE_PROGRAM)["flags"].to_string();
    assert!(
        flags.contains("--dir") && flags.contains("--network"),
        "{flags}"
    );
}

#[test]
fn a_core_module_is_described() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().to_str().expect("text");
    let reactor = r#"(module (memory (export "memory") 3) (func (export "_initialize")) (func (export "f")))"#;
    fs::write(file.path(), wat::parse_str(reactor).expect("a module")).expect("a file");
    let it = inspect(path);
    assert_eq!(
        (&it["format"], &it["role"]),
        (&json!("core module"), &json!("reactor"))
    );
    assert_eq!(
        (&it["memory_image_bytes"], &it["memories"]),
        (&json!(3 << 16), &json!(1))
    );
    assert!(
        it["fault"]
            .as_str()
            .is_some_and(|fault| fault.contains("_start")),
        "{it}"
    );
    let text = stdout_of(["inspect", path]);
    assert!(
        text.contains("kind:         reactor, core module\n"),
        "{text}"
    );
    assert!(text.contains("fault:"), "{text}");
}

#[test]
fn nothing_is_compiled() {
    // Compiling this component takes longer, in one process at the least.
    let outcome = run([
        "inspect",
        cocoon_test_guests::FOREIGN_FACTOR,
        "--compile-time",
        "100ms",
    ]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.err);
    // Functions are not even validated.
    let invalid = r#"(component (core module (func (result i32))) (func $f (import "f")))"#;
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), wat::parse_str(invalid).expect("a component")).expect("a file");
    let path = file.path().to_str().expect("text");
    assert!(stdout_of(["inspect", path]).contains("  f\n"));
}

#[test]
fn names_cannot_write_to_the_terminal() {
    let escaping = r#"(module (import "\1b]0;title\07" "a\nfake: line" (func))
        (func (export "b\nfake: line")))"#;
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), wat::parse_str(escaping).expect("a module")).expect("a file");
    let text = stdout_of(["inspect", file.path().to_str().expect("text")]);
    assert!(
        !text.contains('\u{1b}') && !text.contains("\nfake"),
        "{text}"
    );
    assert!(text.contains("b fake: line"), "{text}");
}

#[test]
fn many_imports_take_a_moment() {
    let imports = (0..200_000).map(|number| format!("(import \"m{number}\" \"f\" (func))"));
    let imports = imports.collect::<Vec<_>>().concat();
    let module = wat::parse_str(format!("(module {imports})")).expect("a module");
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), module).expect("a file");
    let path = file.path().to_str().expect("text");
    // A search among all of them for each took over a minute.
    let text = stdout_of(["inspect", path, "--compile-time", "10s"]);
    assert!(text.contains("  m199999: f\n"));
}
