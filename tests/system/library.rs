//! The library as a dependency: what it brings along, and what runs without its drivers.

use std::collections::BTreeSet;
use std::process::Command;

use crate::harness::wait_for;
use crate::program;

/// The crates that the library has with `features` alone, for this platform.
fn crates(features: &str) -> BTreeSet<String> {
    let tree = Command::new(env!("CARGO"))
        // Features are named in the package's own folder.
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["tree", "--locked", "--offline", "--edges", "normal"])
        .args(["--prefix", "none", "--format", "{lib}"])
        .args(["--no-default-features", "--features", features])
        .output()
        .expect("cargo");
    let errors = String::from_utf8_lossy(&tree.stderr);
    assert!(tree.status.success(), "{errors}");
    let names = String::from_utf8_lossy(&tree.stdout);
    // A repeated crate has a mark after its name.
    let names = names.lines().filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

#[test]
fn each_feature_brings_its_own_crates_alone() {
    let drivers = [
        "axum",
        "clap",
        "flate2",
        "hyper",
        "indicatif",
        "opentelemetry",
        "prometheus_client",
        "quick_cache",
        "reqwest",
        "rustls",
        "tracing_subscriber",
        "utoipa",
        "wasmtime_internal_cranelift",
    ];
    for (features, expected) in [
        ("", &[][..]),
        ("compiler", &["wasmtime_internal_cranelift"]),
        ("bundled", &["flate2", "quick_cache"]),
        ("registry", &["hyper", "reqwest", "rustls"]),
    ] {
        let crates = crates(features);
        assert!(crates.contains("wasmtime"), "{features}: {crates:?}");
        let found: Vec<_> = drivers
            .into_iter()
            .filter(|name| crates.contains(*name))
            .collect();
        assert_eq!(found, expected, "with the features `{features}`");
    }
}

#[tokio::test]
async fn the_library_alone_runs_a_program() {
    let arguments = [cocoon_test_guests::HOSTILE_PROGRAM, "exit", "7"];
    let arguments = arguments.map(str::to_owned).to_vec();
    let exit = wait_for("the program", program::run(arguments)).await;
    // WASI 0.2 distinguishes success and failure only.
    assert_eq!(exit.expect("an exit").code, 1);
}
