//! A Redis of a test's own, and workers of its queue.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::harness::{Outcome, TIMEOUT, cocoon, json_lines, kill, run_command};

/// A Redis that keeps what it was told, in a folder of its own, at a socket in it.
pub(crate) struct Redis {
    folder: TempDir,
    child: Child,
    arguments: Vec<String>,
}

impl Redis {
    /// Starts one and waits until it answers.
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// As [`Redis::start`], with further `arguments`.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let arguments: Vec<_> = arguments.iter().map(|&it| it.to_owned()).collect();
        let child = Self::spawn(folder.path(), &arguments);
        let redis = Self {
            folder,
            child,
            arguments,
        };
        redis.wait();
        redis
    }

    fn spawn(folder: &Path, arguments: &[String]) -> Child {
        Command::new("redis-server")
            .args(["--port", "0", "--unixsocket", "s", "--appendonly", "yes"])
            .args([
                "--appendfsync",
                "always",
                "--save",
                "",
                "--loglevel",
                "warning",
            ])
            .args(arguments)
            .current_dir(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server, which .ci/tools installs")
    }

    fn wait(&self) {
        let began = Instant::now();
        while self.cli(&["PING"]) != "PONG" {
            assert!(began.elapsed() < TIMEOUT, "a Redis that answers");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills it.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a process");
        self.child.wait().expect("its end");
    }

    /// Starts it again with what it kept.
    pub(crate) fn restart(&mut self) {
        self.child = Self::spawn(self.folder.path(), &self.arguments);
        self.wait();
    }

    /// The address of its queue.
    pub(crate) fn url(&self) -> String {
        format!("redis+unix://{}/s", self.folder.path().display())
    }

    /// The path of its socket.
    pub(crate) fn socket(&self) -> String {
        format!("{}/s", self.folder.path().display())
    }

    /// The answer to a command of Redis, without the last newline.
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .arg("-s")
            .arg(self.socket())
            .args(arguments)
            .output();
        let output = output.expect("redis-cli");
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned()
    }

    /// The binary with `arguments` and this queue.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = cocoon(arguments);
        command.env("COCOON_QUEUE_URL", self.url());
        command
    }

    /// Runs the binary with `arguments` and this queue to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        run_command(&mut self.command(arguments))
    }

    /// Submits a batch of this name.
    pub(crate) fn submit(&self, name: &str, arguments: &[&str]) {
        let run = self.run(&[&["exec", "--detach", "--quiet", "--name", name], arguments].concat());
        assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    }

    /// A number of the batch.
    pub(crate) fn count(&self, name: &str, field: &str) -> u64 {
        let shown = json_lines(&self.run(&["queue", "show", name, "--json"]).out);
        shown[0][field].as_u64().expect("a number")
    }

    /// The results of a batch, each line without the prefix of its instance.
    pub(crate) fn results(&self, name: &str) -> Vec<String> {
        let results = self.run(&["queue", "results", name, "--quiet"]);
        assert_eq!(results.code, Some(0), "{}", results.err);
        let lines = results.out.lines();
        lines
            .map(|line| line.split_once("] ").expect("a prefix").1.to_owned())
            .collect()
    }

    /// The number of leased ranges of the batch `x`.
    pub(crate) fn leased(&self) -> u64 {
        let count = self.cli(&["HLEN", "cocoon:{cocoon}:b:x:state"]);
        count.parse().expect("a number")
    }

    /// The number of the lease of the only range of the batch `x`, or of its next one after a
    /// hand-back.
    pub(crate) fn lease(&self) -> Option<u32> {
        let state = self.cli(&["HVALS", "cocoon:{cocoon}:b:x:state"]);
        state.split('|').next()?.parse().ok()
    }

    /// Starts a worker, with four instances at once unless `arguments` say otherwise.
    pub(crate) fn worker(&self, arguments: &[&str]) -> Worker {
        let mut command = self.command(&["worker"]);
        if !arguments.contains(&"--concurrency") {
            command.args(["--concurrency", "4"]);
        }
        Worker::start(command.args(arguments))
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have been killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A worker, which is killed at the end of the test.
pub(crate) struct Worker {
    child: Child,
    log: Option<JoinHandle<String>>,
    /// Its first line.
    pub(crate) line: String,
}

impl Worker {
    pub(crate) fn start(command: &mut Command) -> Self {
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.expect("a worker that starts");
        let mut stderr = child.stderr.take().expect("its standard error");
        let log = std::thread::spawn(move || {
            let mut log = String::new();
            stderr.read_to_string(&mut log).expect("text");
            log
        });
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("its standard output");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("its first line");
        assert!(line.starts_with("cocoon works for "), "{line:?}");
        Self {
            child,
            log: Some(log),
            line,
        }
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.child.id(), signal);
    }

    /// Waits for the end of the worker. Returns its exit code and what it logged.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let began = Instant::now();
        let code = loop {
            if let Some(status) = self.child.try_wait().expect("a process") {
                break status.code();
            }
            assert!(began.elapsed() < TIMEOUT, "a worker that ends");
            std::thread::sleep(Duration::from_millis(5));
        };
        let log = self.log.take().expect("a log").join().expect("no panic");
        (code, log)
    }

    /// Ends the worker by SIGTERM, which succeeds. Returns what it logged.
    pub(crate) fn drain(self) -> String {
        self.signal(Signal::TERM);
        let (code, log) = self.end();
        assert_eq!(code, Some(0), "{log}");
        log
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A child that is killed at the end.
pub(crate) struct Killed(pub(crate) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until `is_so`.
pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < TIMEOUT, "{what} within {TIMEOUT:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
