//! The compared programs, built or found.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context as _, anyhow, bail, ensure};
use cocoon::worlds::factorial::bundled_wasm;

use super::Mode;

const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The two programs that are denominators of ratios.
pub(crate) const MALACHITE: &str = "malachite";
pub(crate) const GMP: &str = "gmp";
pub(crate) const COCOON: &str = "cocoon";
pub(crate) const COCOON_ONE: &str = "cocoon-one";
pub(crate) const WASMTIME: &str = "wasmtime";

/// Each program's ID and its name in reports.
const NAMES: [(&str, &str); 7] = [
    (COCOON, "cocoon, fan-out"),
    (COCOON_ONE, "cocoon, one sandbox"),
    (WASMTIME, "wasmtime run"),
    (MALACHITE, "malachite"),
    (GMP, "GMP"),
    ("num-bigint", "num-bigint"),
    ("cpython", "CPython"),
];

pub(crate) fn name_of(id: &str) -> &str {
    let found = NAMES.iter().find(|(known, _)| *known == id);
    found.map_or(id, |(_, name)| name)
}

/// The position of a program in reports.
pub(crate) fn place_of(id: &str) -> usize {
    let found = NAMES.iter().position(|(known, _)| *known == id);
    found.unwrap_or(NAMES.len())
}

/// One program that computes n!.
pub(crate) struct Peer {
    pub(crate) id: &'static str,
    pub(crate) version: String,
    /// The arguments before N, and after it.
    before: Vec<OsString>,
    behind: Vec<OsString>,
    /// The program can omit the digits, selected by a last argument.
    has_modes: bool,
}

impl Peer {
    pub(crate) fn modes(&self) -> &'static [Mode] {
        if self.has_modes {
            &[Mode::Product, Mode::Digits]
        } else {
            &[Mode::Digits]
        }
    }

    pub(crate) fn command(&self, n: u64, mode: Mode) -> Vec<OsString> {
        let mut words = self.before.clone();
        words.push(n.to_string().into());
        words.extend_from_slice(&self.behind);
        if self.has_modes {
            words.push(mode.word().into());
        }
        words
    }
}

/// Programs available on this machine, and missing ones with the reason.
pub(crate) struct Programs {
    pub(crate) measured: PathBuf,
    pub(crate) peers: Vec<Peer>,
    pub(crate) missing: Vec<(&'static str, String)>,
}

impl Programs {
    pub(crate) fn prepare(cocoon: Option<PathBuf>) -> anyhow::Result<Self> {
        let folder = folder()?;
        let release = build_rust(&folder)?;
        let cocoon = match cocoon {
            Some(path) => path,
            None => build_cocoon("release")?,
        };
        let (mut peers, mut missing) = (cocoons(&cocoon)?, Vec::new());
        let mut add = |id, peer: anyhow::Result<Peer>| match peer {
            Ok(peer) => peers.push(peer),
            Err(error) => missing.push((id, format!("{error:#}"))),
        };
        add(WASMTIME, wasmtime(&folder));
        add(MALACHITE, rust(&release, MALACHITE));
        add(GMP, gmp(&folder));
        add("num-bigint", rust(&release, "num-bigint"));
        add("cpython", cpython());
        Ok(Self {
            measured: release.join("measured"),
            peers,
            missing,
        })
    }
}

/// The target folder of this program's build.
pub(crate) fn target() -> anyhow::Result<PathBuf> {
    let program = env::current_exe()?;
    let target = program.parent().and_then(Path::parent);
    Ok(target
        .context("this program lies in no target folder")?
        .to_owned())
}

fn folder() -> anyhow::Result<PathBuf> {
    let folder = target()?.join("peers");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// A nested cargo, without the settings of the outer one's build.
pub(crate) fn cargo(folder: &str, profile: &str) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(folder)
        .args(["build", "--profile", profile]);
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"] {
        cargo.env_remove(name);
    }
    cargo
}

fn build_rust(folder: &Path) -> anyhow::Result<PathBuf> {
    // Not `--locked`: the kernel's benchmark depends on the guest, and the lock file follows
    // the guest's dependencies.
    let built = cargo(PEERS, "release")
        .arg("--bins")
        .arg("--target-dir")
        .arg(folder)
        .status()?;
    ensure!(built.success(), "benches/peers does not build");
    Ok(folder.join("release"))
}

/// Builds the program with a profile of the workspace, and returns its path.
pub(crate) fn build_cocoon(profile: &str) -> anyhow::Result<PathBuf> {
    let target = target()?;
    let built = cargo(ROOT, profile)
        .args(["--locked", "--bin", "cocoon", "--target-dir"])
        .arg(&target)
        .status()?;
    ensure!(built.success(), "cocoon does not build");
    Ok(target.join(profile).join("cocoon"))
}

/// Compiles GMP's program here, because no crate contains GMP alone.
pub(crate) fn gmp_program() -> anyhow::Result<PathBuf> {
    compile_gmp(&folder()?)
}

fn compile_gmp(folder: &Path) -> anyhow::Result<PathBuf> {
    let program = folder.join("gmp");
    let output = Command::new("cc")
        .arg("-O2")
        .arg(Path::new(PEERS).join("gmp.c"))
        .arg("-o")
        .arg(&program)
        .arg("-lgmp")
        .output()
        .context("there is no C compiler; Debian's package gcc has one")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    if errors.contains("gmp.h") || errors.contains("-lgmp") {
        bail!("GMP is not installed; Debian's package libgmp-dev has it");
    }
    ensure!(output.status.success(), "gmp.c does not compile: {errors}");
    Ok(program)
}

fn gmp(folder: &Path) -> anyhow::Result<Peer> {
    let program = compile_gmp(folder)?;
    Ok(Peer {
        id: GMP,
        version: format!("GMP {}", first_line(Command::new(&program).arg("version"))?),
        before: vec![program.into()],
        behind: Vec::new(),
        has_modes: true,
    })
}

fn rust(release: &Path, id: &'static str) -> anyhow::Result<Peer> {
    let lock = fs::read_to_string(Path::new(PEERS).join("Cargo.lock"))?;
    let entry = format!("name = \"{id}\"\nversion = \"");
    let version = lock
        .split_once(&entry)
        .and_then(|(_, rest)| rest.split('"').next());
    Ok(Peer {
        id,
        version: format!(
            "{id} {}",
            version.context("benches/peers/Cargo.lock lacks it")?
        ),
        before: vec![release.join(format!("peer-{id}")).into()],
        behind: Vec::new(),
        has_modes: true,
    })
}

fn cpython() -> anyhow::Result<Peer> {
    // The program on PATH may be a shell script that looks for the real one.
    let asked = "import sys; print(sys.executable)";
    let program =
        first_line(Command::new("python3").args(["-c", asked])).context("there is no python3")?;
    let version = first_line(Command::new(&program).arg("--version"))?;
    Ok(Peer {
        id: "cpython",
        version: version.replace("Python", "CPython"),
        before: vec![
            program.into(),
            "-I".into(),
            Path::new(PEERS).join("cpython.py").into(),
        ],
        behind: Vec::new(),
        has_modes: true,
    })
}

/// Cocoon in one sandbox and in as many as it chooses.
fn cocoons(program: &Path) -> anyhow::Result<Vec<Peer>> {
    let version = first_line(Command::new(program).arg("--version"))
        .with_context(|| format!("{} is not cocoon", program.display()))?;
    let commit = ["describe", "--always", "--dirty"];
    let commit = first_line(Command::new("git").current_dir(ROOT).args(commit));
    let version = commit.map_or_else(
        |_| version.clone(),
        |commit| format!("{version} ({commit})"),
    );
    let help = Command::new(program).args(["compute", "--help"]).output()?;
    let fans_out = String::from_utf8_lossy(&help.stdout).contains("--fan-out");
    let peer = |id, behind: &[&str]| Peer {
        id,
        version: version.clone(),
        before: vec![program.into(), "compute".into()],
        behind: behind.iter().map(Into::into).collect(),
        has_modes: false,
    };
    Ok(if fans_out {
        vec![
            peer(COCOON_ONE, &["--fan-out", "1"]),
            peer(COCOON, &["--fan-out", "2"]),
        ]
    } else {
        vec![peer(COCOON_ONE, &[])]
    })
}

/// The bundled component on stock Wasmtime, compiled in advance.
fn wasmtime(folder: &Path) -> anyhow::Result<Peer> {
    // The folder where CI installs it, if the machine has none.
    let tools = target()?.join("tools/bin/wasmtime");
    let found = [PathBuf::from("wasmtime"), tools]
        .into_iter()
        .find_map(|program| {
            let version = first_line(Command::new(&program).arg("--version")).ok()?;
            Some((program, version))
        });
    let (program, version) = found.context("there is no wasmtime on PATH")?;
    let (component, code) = (
        folder.join("factorial.wasm"),
        folder.join("factorial.cwasm"),
    );
    fs::write(&component, bundled_wasm()?)?;
    let compiled = Command::new(&program)
        .arg("compile")
        .arg(&component)
        .arg("-o")
        .arg(&code)
        .output()?;
    ensure!(
        compiled.status.success(),
        "wasmtime compile: {}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    Ok(Peer {
        id: WASMTIME,
        version,
        before: vec![
            program.into(),
            "run".into(),
            "--allow-precompiled".into(),
            code.into(),
            "compute".into(),
        ],
        behind: Vec::new(),
        has_modes: false,
    })
}

pub(crate) fn first_line(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output()?;
    ensure!(output.status.success(), "it failed");
    let text = String::from_utf8(output.stdout)?;
    let line = text.lines().next().map(str::trim);
    line.map(ToOwned::to_owned)
        .ok_or_else(|| anyhow!("it said nothing"))
}
