//! The measured servers, each as a separate process.

use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, fs};

use anyhow::{Context as _, ensure};

use crate::peers::programs::{build_cocoon, cargo, first_line, target};

/// A server, which is killed on drop.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn cocoon(program: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        Self::start(command, false).context("cocoon serve")
    }

    /// Serves a handler, with `flags` such as its grants.
    pub(super) fn cocoon_handler(
        program: &Path,
        component: &Path,
        flags: &[&str],
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        command.arg(component).args(flags);
        Self::start(command, false).context("cocoon serve FILE")
    }

    /// Serves the routes of a configuration file.
    pub(super) fn cocoon_routes(program: &Path, configuration: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command.arg("--config").arg(configuration);
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        Self::start(command, false).context("cocoon serve with routes")
    }

    pub(crate) fn native() -> anyhow::Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.arg("native-handler");
        Self::start(command, false).context("the native handler")
    }

    pub(crate) fn wasmtime(program: &Path, component: &Path) -> anyhow::Result<Self> {
        Self::wasmtime_with(program, component, &[])
    }

    /// `wasmtime serve` with further flags.
    pub(super) fn wasmtime_with(
        program: &Path,
        component: &Path,
        flags: &[&str],
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command
            .args(["serve", "--addr", "127.0.0.1:0", "-Scli"])
            .args(WASMTIME_TUNING)
            .args(flags)
            .arg(component);
        Self::start(command, true).context("wasmtime serve")
    }

    /// Starts a server. Its first line of output with an address names its own.
    fn start(mut command: Command, by_stderr: bool) -> anyhow::Result<Self> {
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("COCOON_") {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null());
        if by_stderr {
            command.stdout(Stdio::null()).stderr(Stdio::piped());
        } else {
            command.stdout(Stdio::piped());
        }
        let mut child = command.spawn()?;
        let pipe: Option<Box<dyn Read + Send>> = if by_stderr {
            child.stderr.take().map(|pipe| Box::new(pipe) as _)
        } else {
            child.stdout.take().map(|pipe| Box::new(pipe) as _)
        };
        let mut lines = BufReader::new(pipe.context("no pipe")?).lines();
        let mut address = None;
        let mut output = String::new();
        while address.is_none() {
            let Some(line) = lines.next().transpose()? else {
                let _ = child.wait();
                anyhow::bail!("it did not start: {output}");
            };
            address = line
                .split_once("http://")
                .and_then(|(_, rest)| rest.split([' ', '/']).next()?.parse().ok());
            output.push_str(&line);
        }
        // Further output is discarded, so that the pipe never fills.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self {
            child,
            address: address.context("no address")?,
        })
    }

    /// The resident memory of the process now.
    pub(crate) fn resident_bytes(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        Ok(kib.context("no VmRSS in its status")? << 10)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Slots that stay resident, for memories, tables and stacks: the options with the best result
/// on this machine.
pub(crate) const WASMTIME_TUNING: [&str; 8] = [
    "-O",
    "pooling-allocator",
    "-O",
    "pooling-memory-keep-resident=2097152",
    "-O",
    "pooling-table-keep-resident=65536",
    "-O",
    "pooling-async-stack-keep-resident=65536",
];

/// Slots are cleared by what the kernel says was written, which suits larger memories.
pub(crate) const WASMTIME_HANDLER_TUNING: [&str; 2] = ["-O", "pooling-pagemap-scan=y"];

/// The programs, built or found.
pub(crate) struct Programs {
    pub(crate) cocoon: PathBuf,
    pub(crate) version: String,
    /// Wasmtime, its version and the component, or the reason why there is no comparison.
    pub(crate) wasmtime: Result<(PathBuf, String, PathBuf), String>,
    /// The component of `proxy/`, or the reason why it is missing.
    pub(super) handler: Result<PathBuf, String>,
}

impl Programs {
    pub(crate) fn prepare(
        cocoon: Option<PathBuf>,
        wasmtime: Option<PathBuf>,
    ) -> anyhow::Result<Self> {
        // The profile of the image, which is the one in service.
        let (cocoon, built) = match cocoon {
            Some(given) => (given, "given by --cocoon"),
            None => (build_cocoon("image")?, "built as in the image"),
        };
        let version = first_line(Command::new(&cocoon).arg("--version"))
            .with_context(|| format!("{} is not cocoon", cocoon.display()))?;
        let version = format!("{version}, {built}");
        let handler = build_handler().map_err(|error| format!("{error:#}"));
        let wasmtime = handler.clone().and_then(|component| {
            prepare_wasmtime(wasmtime, component).map_err(|error| format!("{error:#}"))
        });
        Ok(Self {
            cocoon,
            version,
            wasmtime,
            handler,
        })
    }
}

fn prepare_wasmtime(
    given: Option<PathBuf>,
    component: PathBuf,
) -> anyhow::Result<(PathBuf, String, PathBuf)> {
    let program = given.unwrap_or_else(|| "wasmtime".into());
    let version = first_line(Command::new(&program).arg("--version"))
        .context("there is no wasmtime on PATH, and none was given")?;
    // A stock Wasmtime may lack `serve`.
    drop(Server::wasmtime(&program, &component)?);
    Ok((program, version, component))
}

fn build_handler() -> anyhow::Result<PathBuf> {
    let target = target()?.join("bench-proxy");
    let built = cargo(concat!(env!("CARGO_MANIFEST_DIR"), "/proxy"), "release")
        .args(["--locked", "--target", "wasm32-wasip2", "--target-dir"])
        .arg(&target)
        .status()?;
    ensure!(built.success(), "benches/proxy does not build");
    Ok(target.join("wasm32-wasip2/release/cocoon_bench_proxy.wasm"))
}
