//! Builds the guest for the worlds `program` and `reply`.
//!
//! Cargo runs this again only when the guest, the contract or what they are built with
//! changed.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

use nested_cargo::TARGET;

mod nested_cargo;

/// Cargo's profile for components, in the workspace's `Cargo.toml`.
const PROFILE: &str = "component";

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    // Without a compiler, the host's build is given the component and its code.
    if env::var_os("CARGO_FEATURE_COMPILER").is_none() {
        return ExitCode::SUCCESS;
    }
    nested_cargo::report(build())
}

fn build() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../..");
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
    println!("cargo::rerun-if-changed=nested_cargo.rs");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let guest = root.join("guest");
    let target = nested_cargo::target_folder()?.join("guest");
    let built = target.join(TARGET).join(PROFILE);
    let component = built.join("factorial.wasm");
    // The world `program` last: both have the same name, and the README runs this one.
    for (features, name) in [(&["--features", "reply"][..], "reply"), (&[], "factorial")] {
        // Cargo would take the component of the other world, which has the same name there, for
        // the one that it has built earlier.
        remove(&built.join("deps/factorial.wasm"))?;
        build_guest(&guest, &target, features)?;
        fs::copy(&component, out.join(name).with_extension("wasm"))?;
    }
    Ok(())
}

/// Removes `file` if it exists.
fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn build_guest(guest: &Path, target: &Path, features: &[&str]) -> Result<(), Box<dyn Error>> {
    // Features are named in the package's own folder only.
    let mut cargo = nested_cargo::cargo(guest);
    // Panics name files of other crates, and would contain paths of the building machine.
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
        .args(["rustc", "--locked", "--lib"])
        .args(features)
        .args(["--crate-type", "cdylib"])
        .args(["--target", TARGET, "--profile", PROFILE, "--target-dir"])
        .arg(target);
    nested_cargo::run(&mut cargo)
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
