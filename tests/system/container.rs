//! Containers of the image, run by the Docker engine.
//!
//! `COCOON_IMAGE` names the image; without it the tests use the image `cocoon`, which must
//! be of this commit. A container ends with its [`Container`].

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Outcome, TIMEOUT, run_command};
use crate::tools::DOCKER;

/// The variable that names the image.
const VARIABLE: &str = "COCOON_IMAGE";

/// Options that restrict every container of the tests.
pub(crate) const LOCKED: [&str; 7] = [
    "--read-only",
    "--cap-drop",
    "ALL",
    "--network",
    "none",
    "--security-opt",
    "no-new-privileges",
];

/// The image with the compiler, and the one without it.
///
/// # Panics
///
/// When no Docker daemon answers, or when it lacks the images of this commit.
pub(crate) fn images() -> &'static [String; 2] {
    static IMAGES: OnceLock<[String; 2]> = OnceLock::new();
    IMAGES.get_or_init(|| {
        let named = std::env::var(VARIABLE).ok();
        let name = named.as_deref().unwrap_or("cocoon");
        let images = [name.to_owned(), format!("{name}-lean")];
        let daemon = docker(&["info"]);
        assert_eq!(
            daemon.code,
            Some(0),
            "expected a Docker daemon, got: {}; run `.ci/docker`",
            daemon.err.trim_end()
        );
        for image in &images {
            let inspected = docker(&["image", "inspect", image]);
            assert_eq!(
                inspected.code,
                Some(0),
                "expected the image {image}, got none; run `.ci/docker`"
            );
            if named.is_none() {
                assert_of_this_commit(image);
            }
        }
        images
    })
}

/// The image with the compiler.
pub(crate) fn image() -> &'static str {
    &images()[0]
}

/// Asserts that an image is of the commit that is checked out.
fn assert_of_this_commit(image: &str) {
    let head = run_command(Command::new("git").args(["rev-parse", "HEAD"])).out;
    let label = &inspect(image)["Config"]["Labels"]["org.opencontainers.image.revision"];
    assert_eq!(
        label.as_str(),
        Some(head.trim()),
        "expected {image} of this commit, got another; run `.ci/docker`"
    );
}

/// Runs `docker` with `arguments` to its end.
pub(crate) fn docker(arguments: &[&str]) -> Outcome {
    DOCKER.run(arguments)
}

/// Runs `docker` and returns its output. Asserts that it succeeds.
pub(crate) fn docker_stdout(arguments: &[&str]) -> String {
    let Outcome { out, err, code } = docker(arguments);
    assert_eq!(code, Some(0), "docker {arguments:?}: {err}");
    out.trim_end().to_owned()
}

/// Returns the output of `docker inspect` for an image or a container.
pub(crate) fn inspect(thing: &str) -> Value {
    let text = docker_stdout(&["inspect", thing]);
    let mut all: Value = serde_json::from_str(&text).expect("JSON");
    all[0].take()
}

/// Runs a container to its end.
pub(crate) fn run(image: &str, options: &[&str], arguments: &[&str]) -> Outcome {
    docker(&[&["run", "--rm"], options, &[image], arguments].concat())
}

/// A container in the background.
pub(crate) struct Container {
    pub(crate) id: String,
}

impl Container {
    /// Starts a container of `image` and waits for its first line of output, which announces
    /// the service.
    pub(crate) fn serve(image: &str, options: &[&str], arguments: &[&str]) -> Self {
        let it = Self::start(image, options, arguments);
        let first = it.follow(&["logs", "--follow", &it.id]);
        assert!(first.contains("serves http://"), "{first:?}");
        it
    }

    /// Starts a container of `image`.
    pub(crate) fn start(image: &str, options: &[&str], arguments: &[&str]) -> Self {
        let id = docker_stdout(&[&["run", "--detach"], options, &[image], arguments].concat());
        Self { id }
    }

    /// Runs `docker` until it prints a line, then ends it and returns that line.
    fn follow(&self, arguments: &[&str]) -> String {
        let mut client = DOCKER
            .command()
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a client");
        let mut line = String::new();
        let mut out = BufReader::new(client.stdout.take().expect("a pipe"));
        out.read_line(&mut line).expect("a line");
        let _ = client.kill();
        client.wait().expect("its end");
        assert!(!line.is_empty(), "{}", self.logs());
        line
    }

    /// Waits for the first result of the container's health check, and returns it.
    pub(crate) fn health(&self) -> String {
        let filter = format!("container={}", self.id);
        let event = self.follow(&[
            "events",
            "--since",
            "0",
            "--filter",
            &filter,
            "--filter",
            "event=health_status",
            "--format",
            "{{.Action}}",
        ]);
        event
            .trim_end()
            .trim_start_matches("health_status: ")
            .to_owned()
    }

    /// The container's own address, which the host reaches without a proxy.
    pub(crate) fn address(&self, port: u16) -> String {
        let details = inspect(&self.id);
        let ip = details["NetworkSettings"]["IPAddress"].as_str();
        format!("{}:{port}", ip.expect("an address"))
    }

    /// The container's output on both streams so far.
    pub(crate) fn logs(&self) -> String {
        let Outcome { out, err, .. } = docker(&["logs", &self.id]);
        out + &err
    }

    /// The names of the threads of its main process.
    pub(crate) fn threads(&self) -> Vec<String> {
        let id = &inspect(&self.id)["State"]["Pid"];
        let tasks = std::fs::read_dir(format!("/proc/{id}/task")).expect("a process");
        let name = |task: std::io::Result<std::fs::DirEntry>| {
            std::fs::read_to_string(task.ok()?.path().join("comm")).ok()
        };
        let names = tasks.filter_map(name);
        names.map(|name| name.trim_end().to_owned()).collect()
    }

    /// Waits until its main process has a handler for `signal`: the first process of a
    /// container does not end by a signal that it does not handle.
    pub(crate) fn wait_for_handler(&self, signal: Signal) {
        let id = &inspect(&self.id)["State"]["Pid"];
        let bit = 1_u64 << (signal.as_raw() - 1);
        loop {
            let status = std::fs::read_to_string(format!("/proc/{id}/status"));
            let status = status.expect("it runs");
            let handled = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
            let handled = handled.expect("a mask").trim();
            if u64::from_str_radix(handled, 16).expect("a mask") & bit != 0 {
                return;
            }
            std::thread::yield_now();
        }
    }

    /// Stops the container as `docker stop` does, and returns its exit code.
    pub(crate) fn stop(&self, grace_s: u32) -> i64 {
        docker_stdout(&["stop", "-t", &grace_s.to_string(), &self.id]);
        inspect(&self.id)["State"]["ExitCode"]
            .as_i64()
            .expect("a code")
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        docker(&["rm", "--force", &self.id]);
    }
}

/// Connects and sends a request for `path`.
pub(crate) fn send_request(address: &str, path: &str) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    Ok(stream)
}

/// Sends a request and returns the whole response.
pub(crate) fn fetch(address: &str, path: &str) -> std::io::Result<String> {
    let mut answer = String::new();
    send_request(address, path)?.read_to_string(&mut answer)?;
    Ok(answer)
}
