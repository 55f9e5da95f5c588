//! Native code of the bundled component, with the settings of the host's engine.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use crate::config::{self, Calls, Compiler, Layout, Reset, Settings};

/// The component of the world `program`.
const FACTORIAL: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/factorial.wasm"));
/// The component of the world `reply`.
const REPLY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/reply.wasm"));

/// The features of x86-64-v3 beyond the baseline: processors since about 2015.
const X86_64_V3: [&str; 11] = [
    "has_sse3",
    "has_ssse3",
    "has_sse41",
    "has_sse42",
    "has_popcnt",
    "has_avx",
    "has_avx2",
    "has_bmi1",
    "has_bmi2",
    "has_fma",
    "has_lzcnt",
];

/// Writes the component and the code of both worlds to `out`. A build script calls this: its
/// environment names the target.
///
/// # Errors
///
/// Where a variable is missing, a file cannot be written or Wasmtime cannot compile for the
/// target.
pub fn precompile(out: &Path) -> Result<(), Box<dyn Error>> {
    fs::write(out.join("factorial.wasm"), FACTORIAL)?;
    let code = compile(FACTORIAL, Calls::Concurrent)?;
    fs::write(out.join("factorial.code"), code)?;
    // This world has no streams.
    let code = compile(REPLY, Calls::Sync)?;
    fs::write(out.join("reply.code"), code)?;
    Ok(())
}

fn compile(wasm: &[u8], calls: Calls) -> Result<Vec<u8>, Box<dyn Error>> {
    // The stack's limit is checked at run time and is no part of the code.
    let mut config = config::config(Settings {
        layout: Layout::OnDemand,
        calls,
        reset: Reset::Whole,
        stack_bytes: 512 << 10,
        backtrace_frames: 0,
        compiler: Compiler::Optimizing,
        is_deterministic: false,
    });
    config.target(&env::var("TARGET")?)?;
    if env::var("CARGO_CFG_TARGET_ARCH")? == "x86_64" {
        for feature in X86_64_V3 {
            enable(&mut config, feature);
        }
    }
    let code = wasmtime::Engine::new(&config)?.precompile_component(wasm)?;
    Ok(code)
}

#[expect(
    unsafe_code,
    reason = "a wrong flag makes code for a processor that this is not"
)]
fn enable(config: &mut wasmtime::Config, feature: &str) {
    // SAFETY: nothing is run in this engine, and the one that loads the code
    // refuses it on a processor that lacks the feature.
    unsafe { config.cranelift_flag_enable(feature) };
}
