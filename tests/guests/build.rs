//! Builds the components of the tests, and installs the foreign program that
//! `cocoon exec` is shown with.
//!
//! Each nested cargo has a target folder of its own, since the first one holds
//! the lock of ours.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

const TARGET: &str = "wasm32-wasip2";

/// A component's name as a constant, and its file.
const COMPONENTS: [(&str, &str); 3] = [
    ("HOSTILE_FACTORIAL", "hostile_factorial.wasm"),
    ("HOSTILE_PROGRAM", "hostile-program.wasm"),
    ("NUMBERS", "numbers.wasm"),
];

/// A program from crates.io: `factor`, which prints the prime factors of its
/// arguments. Nothing in it was written with Cocoon in mind.
const FOREIGN: [&str; 3] = ["uu_factor", "--version", "0.12.0"];

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
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    for input in [
        "build.rs",
        "components",
        "src/hostile.rs",
        "src/file_system.rs",
        "../../wit",
        "../../.cargo/config.toml",
    ] {
        println!("cargo::rerun-if-changed={}", here.join(input).display());
    }
    let target = target_folder()?;
    build_components(&here.join("components"), &target.join("test-guests"))?;
    for (name, file) in COMPONENTS {
        let path = target
            .join("test-guests")
            .join(TARGET)
            .join("release")
            .join(file);
        export(name, &path)?;
    }
    let factor = target.join("foreign/bin/factor.wasm");
    println!("cargo::rerun-if-changed={}", factor.display());
    if !factor.exists() {
        install_foreign(&target)?;
    }
    export("FOREIGN_FACTOR", &factor)?;
    // Not ours to build: the host's build script does.
    let bundled = target.join("guest/wasm32-wasip2/component/factorial.wasm");
    println!("cargo::rustc-env=COCOON_TEST_BUNDLED={}", bundled.display());
    Ok(())
}

/// `OUT_DIR` is `<target>/<profile>/build/<package>/out`, with a folder for the
/// target triple in it when one is given.
fn target_folder() -> Result<PathBuf, Box<dyn Error>> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let target = out
        .ancestors()
        .find(|folder| folder.file_name().is_some_and(|name| name == "build"))
        .and_then(|build| build.parent()?.parent())
        .ok_or("OUT_DIR does not lie in a target folder")?;
    Ok(match target.file_name() {
        Some(name) if name == env::var("TARGET")?.as_str() => {
            target.parent().unwrap_or(target).to_owned()
        }
        _ => target.to_owned(),
    })
}

fn build_components(workspace: &Path, target: &Path) -> Result<(), Box<dyn Error>> {
    let mut cargo = cargo(workspace);
    cargo
        .args([
            "build",
            "--locked",
            "--release",
            "--target",
            TARGET,
            "--target-dir",
        ])
        .arg(target);
    run(cargo, "the components of the tests do not build")
}

fn install_foreign(target: &Path) -> Result<(), Box<dyn Error>> {
    let mut cargo = cargo(target);
    cargo
        .arg("install")
        .args(FOREIGN)
        .args(["--locked", "--target", TARGET, "--root"]);
    cargo
        .arg(target.join("foreign"))
        .arg("--target-dir")
        .arg(target.join("foreign-build"));
    run(cargo, "the foreign program does not build")
}

/// A cargo that has nothing of what was set for the host's build.
fn cargo(folder: &Path) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(folder);
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        let for_host = [
            "RUSTFLAGS",
            "RUSTDOCFLAGS",
            "RUSTC",
            "RUSTDOC",
            "CLIPPY_ARGS",
        ]
        .contains(&&*name)
            || name.starts_with("RUSTC_")
            || (name.starts_with("CARGO_")
                && !["CARGO_HOME", "CARGO_MAKEFLAGS", "CARGO_NET_OFFLINE"].contains(&&*name));
        if for_host {
            cargo.env_remove(&*name);
        }
    }
    cargo
}

fn run(mut cargo: Command, failed: &str) -> Result<(), Box<dyn Error>> {
    let output = cargo
        .output()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    if text.contains("target may not be installed") || text.contains("can't find crate for `core`")
    {
        return Err(format!(
            "the target {TARGET} is missing; `rustup target add {TARGET}` adds it"
        )
        .into());
    }
    Err(format!("{failed}:\n{text}").into())
}

fn export(name: &str, path: &Path) -> Result<(), Box<dyn Error>> {
    fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("cargo::rustc-env=COCOON_TEST_{name}={}", path.display());
    Ok(())
}
