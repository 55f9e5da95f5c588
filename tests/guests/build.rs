//! Builds the components of the tests.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use nested_cargo::TARGET;

#[path = "../../host/bundle/nested_cargo.rs"]
mod nested_cargo;

/// The name of each component's constant, and its file.
const COMPONENTS: [(&str, &str); 7] = [
    ("FOREIGN_FACTOR", "factor.wasm"),
    ("HANDLER", "handler.wasm"),
    ("HOSTILE_FACTORIAL", "hostile_factorial.wasm"),
    ("HOSTILE_PROGRAM", "hostile-program.wasm"),
    ("NUMBERS", "numbers.wasm"),
    ("P3_HANDLER", "p3_handler.wasm"),
    ("P3_PROGRAM", "p3_program.wasm"),
];

fn main() -> ExitCode {
    nested_cargo::report(build())
}

fn build() -> Result<(), Box<dyn Error>> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    for input in [
        "build.rs",
        "components",
        "src/hostile.rs",
        "src/file_system.rs",
        "../../host/bundle/nested_cargo.rs",
        "../../wit",
        "../../.cargo/config.toml",
    ] {
        println!("cargo::rerun-if-changed={}", here.join(input).display());
    }
    let target = nested_cargo::target_folder()?;
    let components = target.join("test-guests");
    let mut cargo = nested_cargo::cargo(&here.join("components"));
    cargo
        .args(["build", "--locked", "--release", "--target", TARGET])
        .arg("--target-dir")
        .arg(&components);
    nested_cargo::run(&mut cargo)?;
    for (name, file) in COMPONENTS {
        export(name, &components.join(TARGET).join("release").join(file))?;
    }
    // The build script of `cocoon-bundle` builds this one.
    let bundled = target.join("guest/wasm32-wasip2/component/factorial.wasm");
    println!("cargo::rustc-env=COCOON_TEST_BUNDLED={}", bundled.display());
    Ok(())
}

fn export(name: &str, path: &Path) -> Result<(), Box<dyn Error>> {
    fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("cargo::rustc-env=COCOON_TEST_{name}={}", path.display());
    Ok(())
}
