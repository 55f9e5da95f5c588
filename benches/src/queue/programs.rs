//! The programs of a run: a Redis, workers of its queue, and commands.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, fs};

use anyhow::Context as _;
use tempfile::TempDir;

/// A process that is killed at the end.
pub(super) struct Killed(pub(super) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Programs, and a queue.
pub(super) struct Programs {
    cocoon: PathBuf,
    program: PathBuf,
    folder: TempDir,
    pub(super) redis: Killed,
}

impl Programs {
    pub(super) fn start(cocoon: PathBuf, program: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let redis = Command::new("redis-server")
            .args(["--port", "0", "--unixsocket", "s", "--appendonly", "yes"])
            .args(["--appendfsync", "everysec", "--save", ""])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .context("cannot run redis-server")?;
        Ok(Self {
            cocoon,
            program: fs::canonicalize(program)?,
            folder,
            redis: Killed(redis),
        })
    }

    /// A command of Cocoon without this environment's settings.
    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(&self.cocoon);
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("COCOON_") {
                command.env_remove(name);
            }
        }
        command.env("COCOON_CODE_CACHE", self.folder.path().join("code"));
        command.arg(name);
        command
    }

    fn url(&self) -> String {
        format!("redis+unix://{}/s", self.folder.path().display())
    }

    /// Starts a worker, and waits until it works.
    pub(super) fn worker(&self, arguments: &[&str]) -> anyhow::Result<Killed> {
        let mut command = self.command("worker");
        command.args(arguments).args(["--queue", &self.url()]);
        let mut worker = Killed(command.stdout(Stdio::piped()).spawn()?);
        let stdout = worker.0.stdout.as_mut().context("no standard output")?;
        BufReader::new(stdout).read_line(&mut String::new())?;
        Ok(worker)
    }

    /// `exec` here or in the queue.
    pub(super) fn exec(&self, options: &[&str], arguments: &[&str], is_queue: bool) -> Command {
        let mut command = self.command("exec");
        command.args(options).arg("--quiet");
        if is_queue {
            command.args(["--queue", &self.url()]);
        }
        command.arg(&self.program).args(arguments);
        command.stdout(Stdio::null());
        command
    }
}
