//! Precompiles the bundled component, so that `cocoon` starts in milliseconds.
//!
//! The package `cocoon-bundle` builds the component. The Wasmtime that the host links
//! compiles it, with the settings of `engine/config.rs`.
//!
//! A build without the feature `compiler` takes both from the folder `COCOON_BUNDLED`: the
//! `OUT_DIR` of a build with it.

use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

#[cfg(feature = "compiler")]
#[allow(dead_code, reason = "the host uses the rest of the file")]
#[path = "src/engine/config.rs"]
mod config;

/// The folder with the component and its code, where they are there already.
const BUNDLED: &str = "COCOON_BUNDLED";

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error={error}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/engine/config.rs");
    println!("cargo::rerun-if-env-changed={BUNDLED}");
    let level = match env::var("CARGO_CFG_TARGET_ARCH")?.as_str() {
        "x86_64" => "x86_64-v3".to_owned(),
        baseline => baseline.to_owned(),
    };
    println!("cargo::rustc-env=COCOON_CODE_FOR={level}");
    if let Some(folder) = env::var_os(BUNDLED) {
        for name in ["factorial.wasm", "factorial.code", "reply.code"] {
            let file = Path::new(&folder).join(name);
            println!("cargo::rerun-if-changed={}", file.display());
            fs::copy(&file, out.join(name))
                .map_err(|error| format!("{}: {error}", file.display()))?;
        }
        return bundle(&out);
    }
    compiler::precompile_all(&out)?;
    bundle(&out)
}

/// Writes the files that the program includes: the code for every start uncompressed, all other
/// files compressed. The component's own bytes serve processors that the code does not support.
fn bundle(out: &Path) -> Result<(), Box<dyn Error>> {
    let wasm = fs::read(out.join("factorial.wasm"))?;
    let digest = Sha256::digest(&wasm);
    let digits = digest.iter().fold(String::new(), |digits, byte| {
        digits + &format!("{byte:02x}")
    });
    println!("cargo::rustc-env=COCOON_DIGEST={digits}");
    for (name, bytes) in [
        ("factorial.wasm.gz", wasm),
        ("reply.code.gz", fs::read(out.join("reply.code"))?),
    ] {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&bytes)?;
        fs::write(out.join(name), gzip.finish()?)?;
    }
    Ok(())
}

#[cfg(feature = "compiler")]
mod compiler {
    use std::error::Error;
    use std::path::Path;
    use std::{env, fs};

    use super::config::{self, Calls, Layout};

    /// Features of x86-64-v3 beyond the baseline: processors since about 2015.
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

    /// Writes the bundled component and the code of both worlds, for the processors that
    /// `COCOON_CODE_FOR` names.
    pub(crate) fn precompile_all(out: &Path) -> Result<(), Box<dyn Error>> {
        let code = compile(cocoon_bundle::FACTORIAL, Calls::Concurrent)?;
        fs::write(out.join("factorial.code"), code)?;
        // This world has no streams.
        let code = compile(cocoon_bundle::REPLY, Calls::Sync)?;
        fs::write(out.join("reply.code"), code)?;
        fs::write(out.join("factorial.wasm"), cocoon_bundle::FACTORIAL)?;
        Ok(())
    }

    fn compile(wasm: &[u8], calls: Calls) -> Result<Vec<u8>, Box<dyn Error>> {
        // The stack's limit is checked at run time and is no part of the code.
        let mut config = config::config(Layout::OnDemand, calls, 512 << 10);
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
}

#[cfg(not(feature = "compiler"))]
mod compiler {
    use std::error::Error;
    use std::path::Path;

    pub(crate) fn precompile_all(_out: &Path) -> Result<(), Box<dyn Error>> {
        let bundled = super::BUNDLED;
        Err(format!("without the feature `compiler`, {bundled} must name a folder with factorial.wasm, factorial.code and reply.code").into())
    }
}
