//! Links the component with a small shadow stack and without an adapter.
//!
//! Each sandbox maps and touches its initial memory, of which the linker's default stack of
//! 1 MiB would be the largest part. A small stack suffices, since recursion is at most as
//! deep as the logarithm of its operand.

use std::env;

/// Bytes of the shadow stack.
const STACK_BYTES: u32 = 32 * 1024;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo:rustc-cdylib-link-arg=-zstack-size={STACK_BYTES}");
        // The adapter is for modules of WASI preview 1, and imports whole interfaces even
        // where this component uses only parts of them.
        println!("cargo:rustc-cdylib-link-arg=--wasi-adapter=none");
    }
}
