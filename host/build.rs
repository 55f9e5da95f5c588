//! Builds the bundled component and precompiles it, so that `cocoon` starts in
//! milliseconds.
//!
//! Cargo runs this again only when the guest, the contract or what they are
//! built with changed. The code is compiled by the very Wasmtime that the host
//! links, with the settings of `engine/config.rs`.
//!
//! A build without the feature `compiler` is handed both: `COCOON_BUNDLED` names the
//! folder in which a build with it has left them, its `OUT_DIR`.

use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

#[cfg(feature = "compiler")]
#[allow(dead_code, reason = "the host uses the rest of the file")]
#[path = "src/engine/config.rs"]
mod config;

const TARGET: &str = "wasm32-wasip2";
/// Cargo's profile for components, in the workspace's `Cargo.toml`.
const PROFILE: &str = "component";
/// Where cargo puts the component, below the target folder.
const COMPONENT: &str = "guest/wasm32-wasip2/component/factorial.wasm";

/// The folder with the component and its code, where they are there already.
const BUNDLED: &str = "COCOON_BUNDLED";

/// Cargo's arguments for the component of the world `reply`, and of all.
const REPLY: &[&str] = &["--features", "reply"];
const WHOLE: &[&str] = &[];

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
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("..");
    for input in [
        "guest/src",
        "guest/Cargo.toml",
        "guest/build.rs",
        "wit",
        "Cargo.toml",
        "Cargo.lock",
        ".cargo/config.toml",
    ] {
        println!("cargo::rerun-if-changed={}", root.join(input).display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/engine/config.rs");
    println!("cargo::rerun-if-changed=src/limits.rs");
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

    // OUT_DIR is <target>/<profile>/build/<package>/out, with a folder for the
    // target triple in it when one is given.
    let target = out
        .ancestors()
        .find(|folder| folder.file_name().is_some_and(|name| name == "build"))
        .and_then(|build| build.parent()?.parent())
        .ok_or("OUT_DIR does not lie in a target folder")?;
    let target = match target.file_name() {
        Some(name) if name == env::var("TARGET")?.as_str() => target.parent().unwrap_or(target),
        _ => target,
    };
    // The whole one last: it keeps the name that both are given.
    build_guest(&root, &target.join("guest"), REPLY)?;
    let reply = fs::read(target.join(COMPONENT))?;
    fs::write(out.join("reply.code"), compiler::precompile_plain(&reply)?)?;
    build_guest(&root, &target.join("guest"), WHOLE)?;
    let wasm = fs::read(target.join(COMPONENT))?;
    fs::write(out.join("factorial.code"), compiler::precompile(&wasm)?)?;
    fs::write(out.join("factorial.wasm"), wasm)?;
    bundle(&out)
}

/// What the program has of that: the code that every start needs as it is, and all else
/// compressed. The component's own bytes are for processors that the code is not for.
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

/// Builds the guest, after adding its target to the toolchain if need be.
fn build_guest(root: &Path, target: &Path, features: &[&str]) -> Result<(), Box<dyn Error>> {
    let text = match cargo(root, target, features)? {
        Ok(()) => return Ok(()),
        Err(text) => text,
    };
    let missing = text.contains("target may not be installed")
        || text.contains("can't find crate for `core`");
    if !missing {
        return Err(format!("the guest does not build:\n{text}").into());
    }
    let added = Command::new("rustup")
        .args(["target", "add", TARGET])
        .current_dir(root)
        .output();
    if added.is_ok_and(|added| added.status.success()) && cargo(root, target, features)?.is_ok() {
        return Ok(());
    }
    Err(format!("the target {TARGET} is missing; `rustup target add {TARGET}` adds it").into())
}

/// Runs a second cargo in a target folder of its own, since the first one holds
/// the lock of ours. The inner error is what it printed.
fn cargo(
    root: &Path,
    target: &Path,
    features: &[&str],
) -> Result<Result<(), String>, Box<dyn Error>> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What was set for the host's build must not reach the guest's.
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        let tool = [
            "RUSTFLAGS",
            "RUSTDOCFLAGS",
            "RUSTC",
            "RUSTDOC",
            "CLIPPY_ARGS",
        ]
        .contains(&&*name);
        let cargos = name.starts_with("CARGO_")
            && !["CARGO_HOME", "CARGO_MAKEFLAGS", "CARGO_NET_OFFLINE"].contains(&&*name);
        if tool || cargos || name.starts_with("RUSTC_") {
            cargo.env_remove(&*name);
        }
    }
    // Panics name files of other crates, and would name the folder of whoever builds.
    let folders = registry_folders().into_iter();
    let remapped =
        folders.map(|folder| format!("'--remap-path-prefix={}=crates'", folder.display()));
    let flags = remapped.collect::<Vec<_>>().join(", ");
    cargo.args([
        "--config",
        &format!("target.{TARGET}.rustflags = [{flags}]"),
    ]);
    // As an rlib for the native tests too, the guest would be left out of
    // link-time optimisation.
    cargo
        // Features are named in the package's own folder only.
        .current_dir(root.join("guest"))
        .args(["rustc", "--locked", "--lib"])
        .args(features)
        .args([
            "--crate-type",
            "cdylib",
            "--target",
            TARGET,
            "--profile",
            PROFILE,
        ])
        .arg("--target-dir")
        .arg(target);
    let output = cargo
        .output()
        .map_err(|error| format!("cannot run cargo for the guest: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok(if output.status.success() {
        Ok(())
    } else {
        Err(text)
    })
}

/// Where cargo unpacks crates: a folder for each registry.
fn registry_folders() -> Vec<PathBuf> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(env::home_dir()?.join(".cargo")));
    let folders = home.and_then(|home| fs::read_dir(home.join("registry/src")).ok());
    let mut folders: Vec<_> = folders
        .into_iter()
        .flatten()
        .filter_map(|folder| Some(folder.ok()?.path()))
        .collect();
    folders.sort();
    folders
}

#[cfg(feature = "compiler")]
mod compiler {
    use std::env;
    use std::error::Error;

    use super::config::{self, Calls, Layout};

    /// What x86-64-v3 has beyond the baseline: processors since about 2015.
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

    /// Compiles the component for the processors that `COCOON_CODE_FOR` names.
    pub(crate) fn precompile(wasm: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
        compile(wasm, Calls::Concurrent)
    }

    /// The same for a component without streams.
    pub(crate) fn precompile_plain(wasm: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
        compile(wasm, Calls::Plain)
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

    pub(crate) fn precompile(_wasm: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
        let bundled = super::BUNDLED;
        Err(format!("without the feature `compiler`, {bundled} must name a folder with factorial.wasm, factorial.code and reply.code").into())
    }

    pub(crate) fn precompile_plain(wasm: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
        precompile(wasm)
    }
}
