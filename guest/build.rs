//! Links the component: the size of its shadow stack, and without an adapter.
//!
//! Each sandbox maps and touches its initial memory, of which the linker's
//! default of 1 MiB for the stack would be the largest part. No recursion of
//! this crate is deeper than the logarithm of its operand, so that little is
//! enough.

use std::env;

/// Bytes of linear memory that the stack of one sandbox takes.
const STACK_BYTES: u32 = 32 * 1024;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo:rustc-cdylib-link-arg=-zstack-size={STACK_BYTES}");
        // The adapter is for modules of WASI's first preview. This is none, and
        // its world asks for all of each interface, not only for what is used.
        println!("cargo:rustc-cdylib-link-arg=--wasi-adapter=none");
    }
}
