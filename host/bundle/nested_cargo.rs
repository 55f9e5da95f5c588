//! A second cargo, which builds for WebAssembly inside a build script.
//!
//! It needs a target folder of its own, since the first one holds the lock of ours.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The target of all components.
pub(crate) const TARGET: &str = "wasm32-wasip2";

/// Runs a build script, and reports its error to cargo.
pub(crate) fn report(result: Result<(), Box<dyn Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error={error}");
            ExitCode::FAILURE
        }
    }
}

/// A cargo in `folder` without the settings of the host's build.
pub(crate) fn cargo(folder: &Path) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(folder);
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
    cargo
}

/// Runs a cargo, after adding the target to the toolchain if it is missing.
///
/// # Errors
///
/// The output of a failed cargo.
pub(crate) fn run(cargo: &mut Command) -> Result<(), Box<dyn Error>> {
    let Err(text) = run_once(cargo)? else {
        return Ok(());
    };
    let missing = text.contains("target may not be installed")
        || text.contains("can't find crate for `core`");
    if !missing {
        let folder = cargo.get_current_dir().unwrap_or(Path::new("."));
        return Err(format!("cannot build {}:\n{text}", folder.display()).into());
    }
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET]);
    if let Some(folder) = cargo.get_current_dir() {
        rustup.current_dir(folder);
    }
    let added = rustup.output().is_ok_and(|output| output.status.success());
    if added && run_once(cargo)?.is_ok() {
        return Ok(());
    }
    Err(format!("expected the target {TARGET}, got none; run `rustup target add {TARGET}`").into())
}

/// The inner error is what cargo printed.
fn run_once(cargo: &mut Command) -> Result<Result<(), String>, Box<dyn Error>> {
    let output = cargo
        .output()
        .map_err(|error| format!("cannot run {}: {error}", cargo.get_program().display()))?;
    if output.status.success() {
        return Ok(Ok(()));
    }
    Ok(Err(String::from_utf8_lossy(&output.stderr).into_owned()))
}

/// The target folder in which `OUT_DIR` lies: `OUT_DIR` is
/// `<target>/<profile>/build/<package>/out`, with a folder for the target triple before the
/// profile when one is given.
///
/// # Errors
///
/// When `OUT_DIR` lies elsewhere.
pub(crate) fn target_folder() -> Result<PathBuf, Box<dyn Error>> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let target = out
        .ancestors()
        .find(|folder| folder.file_name().is_some_and(|name| name == "build"))
        .and_then(|build| build.parent()?.parent())
        .ok_or("OUT_DIR does not lie in a target folder")?;
    let triple = env::var("TARGET")?;
    Ok(match target.parent() {
        Some(parent) if target.ends_with(&triple) => parent.to_owned(),
        _ => target.to_owned(),
    })
}
