//! Components that stock `wasmtime run` accepts without flags also run here, whatever the sizes
//! of the engine's slots.

use std::fs;

use crate::bad_components::{CONTENT, program};
use crate::harness::{Outcome, assert_fails, run};

/// Runs `bytes` as a program with `flags`.
fn exec(bytes: &[u8], flags: &[&str]) -> Outcome {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), bytes).expect("a file");
    let path = file.path().to_str().expect("text");
    run(["exec", path].iter().chain(flags))
}

/// Runs a core module with `fields`, whose `run` returns 0 on success.
fn runs(fields: &str) {
    let outcome = exec(&program(fields), &[]);
    assert_eq!(
        (outcome.code, outcome.err.as_str()),
        (Some(0), ""),
        "{fields}"
    );
}

/// Builds a component with `count` instances of a module with `fields` in addition to its
/// program.
fn with_instances(fields: &str, count: usize) -> Vec<u8> {
    let instances = "(core instance (instantiate $m))".repeat(count);
    let text = format!(
        r#"(component
            (core module $m {fields})
            (core module $module {CONTENT})
            {instances}
            (core instance $core (instantiate $module))
            (func $run (result (result)) (canon lift (core func $core "run")))
            (instance $exports (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $exports)))"#
    );
    wat::parse_str(text).expect("a component")
}

#[test]
fn large_tables_start_and_grow() {
    runs(&format!("(table 20001 funcref) {CONTENT}"));
    runs(&format!("(table 2000000 funcref) {CONTENT}"));
    runs(
        r#"(table $t 10 funcref) (func (export "run") (result i32)
            (i32.ne (table.grow $t (ref.null func) (i32.const 500000)) (i32.const 10)))"#,
    );
}

#[test]
fn several_tables_and_memories_in_one_module_run() {
    runs(&("(table 1 funcref)".repeat(40) + CONTENT));
    runs(&("(memory 1)".repeat(40) + CONTENT));
    runs(
        r#"(memory $a 1) (memory $b 1) (func (export "run") (result i32)
            (i32.store $b (i32.const 8) (i32.const 7))
            (i32.sub (i32.load $b (i32.const 8)) (i32.const 7)))"#,
    );
}

#[test]
fn many_instances_memories_and_tables_run() {
    for fields in ["", "(memory 1)", "(table 1 funcref)"] {
        let outcome = exec(&with_instances(fields, 200), &[]);
        assert_eq!(
            (outcome.code, outcome.err.as_str()),
            (Some(0), ""),
            "{fields}"
        );
    }
}

#[test]
fn more_memories_than_slots_are_allocated_on_demand() {
    let outcome = exec(&with_instances("(memory 1)", 300), &["--sandboxes", "2"]);
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""));
    let outcome = exec(
        &with_instances("(memory 1)", 20),
        &["--sandboxes", "64", "-n", "100"],
    );
    assert_eq!(outcome.code, Some(0), "{}", outcome.err);
}

#[test]
fn large_instance_data_runs_and_counts_as_memory() {
    // The engine needs more than a MiB for 80,000 globals.
    let globals = "(global i32 (i32.const 1))".repeat(80_000);
    runs(&format!("{globals} {CONTENT}"));
    let small = ["--sandbox-memory", "1MiB"];
    let outcome = exec(&program(&format!("{globals} {CONTENT}")), &small);
    assert_fails(&outcome, 137, &["memory of one sandbox", "1 MiB"]);
    let outcome = exec(&with_instances(&globals, 100), &[]);
    assert_fails(&outcome, 137, &["memory of one sandbox", "256 MiB"]);
}

#[test]
fn exceptions_collected_objects_and_references_run() {
    runs(
        r#"(tag $e (param i32)) (func (export "run") (result i32)
            (block $caught (result i32)
                (try_table (result i32) (catch $e $caught) (throw $e (i32.const 0)))))"#,
    );
    runs(
        r#"(type $pair (struct (field i32) (field i32)))
            (func (export "run") (result i32) (local $p (ref null $pair))
                (local.set $p (struct.new $pair (i32.const 4) (i32.const 3)))
                (i32.sub (i32.sub (struct.get $pair 0 (local.get $p))
                    (struct.get $pair 1 (local.get $p))) (i32.const 1)))"#,
    );
    runs(
        r#"(table $t 4 externref) (func (export "run") (result i32)
            (i32.sub (table.size $t) (i32.const 4)))"#,
    );
    runs(
        r#"(type $f (func (result i32))) (func $zero (type $f) i32.const 0)
            (elem declare func $zero)
            (func (export "run") (result i32) (call_ref $f (ref.func $zero)))"#,
    );
    runs(
        r#"(func $zero (result i32) i32.const 0)
            (func (export "run") (result i32) (return_call $zero))"#,
    );
    runs(
        r#"(memory 1) (func (export "run") (result i32)
            (i32.atomic.rmw.add (i32.const 0) (i32.const 5)))"#,
    );
    runs(
        r#"(memory i64 1) (func (export "run") (result i32)
            (i32.load (i64.const 8)))"#,
    );
}

#[test]
fn collected_objects_count_as_memory() {
    let takes = program(
        r#"(type $bytes (array (mut i64)))
            (type $list (struct (field (ref null $list)) (field (ref $bytes))))
            (func (export "run") (result i32) (local $all (ref null $list))
                (loop $again
                    (local.set $all (struct.new $list (local.get $all)
                        (array.new $bytes (i64.const 1) (i32.const 100000))))
                    (br $again))
                i32.const 0)"#,
    );
    let outcome = exec(&takes, &["--sandbox-memory", "64MiB"]);
    assert_fails(&outcome, 137, &["memory of one sandbox", "64 MiB"]);
}

#[test]
fn a_table_that_grows_beyond_its_slot_names_the_limit() {
    let grows = program(
        r#"(table $t 10 funcref) (func (export "run") (result i32)
            (if (i32.eq (table.grow $t (ref.null func) (i32.const 2000)) (i32.const -1))
                (then unreachable))
            i32.const 0)"#,
    );
    assert_eq!(exec(&grows, &[]).code, Some(0));
    let outcome = exec(&grows, &["--table-elements", "1500"]);
    assert_fails(
        &outcome,
        137,
        &["elements of one table", "1500", "--table-elements"],
    );
}
