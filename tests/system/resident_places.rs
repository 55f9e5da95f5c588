//! Programs that write to pages everywhere: their places stay resident, and each sandbox is as fresh
//! as any.

use std::fmt::Write as _;
use std::fs;

use crate::harness::{Outcome, cocoon, run_command};

/// Wasm pages of the memory image.
const IMAGE: u32 = 16;
/// Wasm pages that the program allocates.
const HEAP: u32 = 48;

const IMAGE_BYTES: u32 = IMAGE * 65536;
const HEAP_BYTES: u32 = HEAP * 65536;

/// A program that traps if its memory is not fresh, and then writes to each page of the machine. Its
/// native code is longer than 4 MiB: shorter code is copied for each thread.
fn writer() -> Vec<u8> {
    let mut text = format!(
        r#"(module (memory (export "memory") {IMAGE})
            (func $sum (param $at i32) (param $end i32) (result i32) (local $sum i32)
                (loop $next
                    (local.set $sum (i32.add (local.get $sum) (i32.load offset=512 (local.get $at))))
                    (local.set $at (i32.add (local.get $at) (i32.const 4096)))
                    (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
                (local.get $sum))
            (func $fill (param $at i32) (param $end i32)
                (loop $next
                    (i32.store offset=512 (local.get $at) (i32.const 7))
                    (local.set $at (i32.add (local.get $at) (i32.const 4096)))
                    (br_if $next (i32.lt_u (local.get $at) (local.get $end)))))
            (func (export "_start") (local $bytes i32) (local $heap i32) (local $end i32)
                (local.set $bytes (i32.const {IMAGE_BYTES}))
                (local.set $heap (i32.mul (memory.grow (i32.const {HEAP})) (i32.const 65536)))
                (local.set $end (i32.add (local.get $heap) (i32.const {HEAP_BYTES})))
                (if (i32.ne (call $sum (i32.const 0) (local.get $bytes)) (i32.const {IMAGE}))
                    (then unreachable))
                (if (call $sum (local.get $heap) (local.get $end)) (then unreachable))
                (call $fill (i32.const 0) (local.get $bytes))
                (call $fill (local.get $heap) (local.get $end)))"#
    );
    for page in 0..IMAGE {
        write!(text, r#"(data (i32.const {}) "\01")"#, page * 65536 + 512).expect("a string");
    }
    let step = "(local.set 0 (i64.xor (i64.const 0x123456789abcdef)
        (i64.mul (local.get 0) (i64.const 0x23456789abcdef1))))";
    let function = format!(
        "(func (param i64) (result i64) {} (local.get 0))",
        step.repeat(400)
    );
    text.push_str(&function.repeat(500));
    text.push(')');
    wat::parse_str(text).expect("a module")
}

#[test]
fn each_sandbox_in_a_resident_place_is_fresh() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, cache) = (
        folder.path().join("writer.wasm"),
        folder.path().join("cache"),
    );
    fs::write(&file, writer()).expect("a file");
    let run = |cache: &str, memory: &str| {
        let mut command = cocoon(["exec", "-n", "300", "--sandbox-memory", "8MiB"]);
        command.args(["--code-cache", cache, "--total-memory", memory]);
        command
            .arg(&file)
            .env("COCOON_LOG", "cocoon::component=debug");
        let Outcome { err, code, .. } = run_command(&mut command);
        assert_eq!(code, Some(0), "{err}");
        assert!(err.contains("300 of 300 instances succeeded"), "{err}");
        assert!(err.contains("system time measured"), "{err}");
        err
    };
    let cache = cache.to_str().expect("text");
    // A quarter of the memory is for places that are idle, and this component gets half of that.
    let err = run(cache, "256MiB");
    assert!(err.contains("places stay resident places=16"), "{err}");
    let err = run(cache, "48MiB");
    assert!(err.contains("places stay resident places=3"), "{err}");
    let err = run("off", "48MiB");
    assert!(
        err.contains("no places stay resident reason=\"expected its code in the cache, got none\""),
        "{err}"
    );
}
