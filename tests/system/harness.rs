//! Shared helpers of the tests: engines with small limits, components by name, and functions
//! that drain channels.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use bytes::Bytes;
use cocoon::RunError;
use cocoon::channel::{Receiver, channel};
use cocoon::component::Source;
use cocoon::engine::Engine;
use cocoon::limits::{Limit, Limits};
use cocoon::machine::Machine;
use cocoon::worlds::factorial::{BUNDLED, Factorial, Kind, Request};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A short deadline, for jobs that all exceed it. A busy machine may delay a job by more than this.
pub(crate) const SHORT_DEADLINE_MS: u64 = 300;
/// A deadline for jobs that exceed it beside jobs that end well before it.
pub(crate) const FAIR_DEADLINE_MS: u64 = 3000;
/// A timeout that no test reaches, even on a busy machine. It ends a test that would hang.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(2);

/// Limits for tests: a few sandboxes, which fit on a small machine.
pub(crate) const FEW: Limits = Limits::COMMANDS
    .with(Limit::Sandboxes, 64)
    .with(Limit::TotalMemory, 2 << 30);

pub(crate) fn engine(limits: &Limits) -> Engine {
    Engine::new(limits, &Machine::detect()).expect("an engine")
}

/// A source for the component in a file.
pub(crate) fn file(path: &str) -> Source {
    Source::File(path.into())
}

/// The bundled component under `limits`.
pub(crate) async fn honest(limits: &Limits) -> Factorial {
    Factorial::load(&engine(limits), &BUNDLED)
        .await
        .expect("the bundled component")
}

/// The hostile factorial under `limits`.
pub(crate) async fn hostile(limits: &Limits) -> Factorial {
    let source = file(cocoon_test_guests::HOSTILE_FACTORIAL);
    Factorial::load(&engine(limits), &source)
        .await
        .expect("the hostile component")
}

pub(crate) const fn factorial_of(n: u64) -> Request {
    Request::decimal(Kind::Factorial, n)
}

/// Reads a channel to its end. Returns its bytes and its outcome.
pub(crate) async fn drain(mut digits: Receiver<Bytes>) -> (Vec<u8>, Result<(), RunError>) {
    let mut all = Vec::new();
    loop {
        match digits.recv().await {
            Ok(Some(chunk)) => all.extend_from_slice(&chunk),
            Ok(None) => return (all, Ok(())),
            Err(error) => return (all, Err(error)),
        }
    }
}

/// Returns the whole answer through `send_to`, and asserts that writer and reader agree on the
/// outcome.
pub(crate) async fn run_request(
    factorial: &Factorial,
    request: Request,
) -> Result<String, RunError> {
    let (outcome, all, seen) = run_streamed(factorial, request).await?;
    assert_eq!(
        outcome, seen,
        "writer and reader agree on how {request:?} ended"
    );
    seen.map(|()| String::from_utf8(all).expect("digits are text"))
}

/// Runs a request. Returns the outcome of `send_to`, the bytes read, and the outcome that the
/// reader saw.
pub(crate) async fn run_streamed(
    factorial: &Factorial,
    request: Request,
) -> Result<(Result<(), RunError>, Vec<u8>, Result<(), RunError>), RunError> {
    let admitted = factorial.admit(request).await?;
    let (sender, receiver) = channel();
    let (outcome, (all, seen)) = tokio::join!(admitted.send_to(sender), drain(receiver));
    Ok((outcome.map(|_| ()), all, seen))
}

/// Waits for an event, for at most [`TIMEOUT`].
pub(crate) async fn wait_for<R>(what: &str, event: impl Future<Output = R>) -> R {
    let waited = tokio::time::timeout(TIMEOUT, event).await;
    waited.unwrap_or_else(|_| panic!("{what} did not happen within {TIMEOUT:?}"))
}

/// The names of the entries of a folder.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect()
}

/// Output and exit code of a finished command.
pub(crate) struct Outcome {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: Option<i32>,
}

/// The binary with `arguments`. Removes Cocoon's variables of the environment, and turns on
/// backtraces, so that a panic is noticed.
pub(crate) fn cocoon<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cocoon"));
    clean(&mut command).args(arguments);
    command
}

/// Removes the settings of the calling environment from a command, whose caches are those of the
/// tests.
pub(crate) fn clean(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("COCOON_") || text.starts_with("OTEL_") {
            command.env_remove(name);
        }
    }
    command
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .env("RUST_BACKTRACE", "1")
        .stdin(Stdio::null())
}

/// Sends a signal to a child process.
pub(crate) fn kill(id: u32, signal: Signal) {
    let id = i32::try_from(id).ok().and_then(Pid::from_raw);
    kill_process(id.expect("a process"), signal).expect("a signal");
}

/// Runs a command to its end, within [`NEVER`].
pub(crate) fn run_command(command: &mut Command) -> Outcome {
    run_command_into(command, Stdio::piped())
}

/// Runs a command to its end with the given standard output.
pub(crate) fn run_command_into(command: &mut Command, stdout: impl Into<Stdio>) -> Outcome {
    let child = command.stdout(stdout).stderr(Stdio::piped()).spawn();
    let child = child.expect("a program that starts");
    let id = child.id();
    let (done, waiting) = std::sync::mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        if waiting.recv_timeout(TIMEOUT) == Err(RecvTimeoutError::Timeout) {
            kill(id, Signal::KILL);
        }
    });
    let output = child.wait_with_output().expect("its end");
    drop(done);
    watch.join().expect("no panic");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Outcome {
        out: text(output.stdout),
        err: text(output.stderr),
        code: output.status.code(),
    }
}

/// Runs the binary to its end.
pub(crate) fn run<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Outcome {
    run_command(&mut cocoon(arguments))
}

/// Returns the output of the binary. Asserts that it succeeds with an empty standard error.
pub(crate) fn stdout_of<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> String {
    let Outcome { out, err, code } = run(arguments);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    out
}

/// Parses the output of `--json`.
pub(crate) fn json_lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a JSON object a line"))
        .collect()
}

/// The hash of a text, in hexadecimal digits.
pub(crate) fn sha256(text: &str) -> String {
    let hash = Sha256::digest(text.as_bytes());
    hash.iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// Asserts a failure: no output, one line on standard error with all of `words`, and this exit
/// code.
pub(crate) fn assert_fails(outcome: &Outcome, code: i32, words: &[&str]) {
    let Outcome { out, err, .. } = outcome;
    assert_eq!((outcome.code, out.as_str()), (Some(code), ""), "{err}");
    assert_one_line(err, words);
}

/// The lines of `err` that are not part of the backtrace of a trap.
pub(crate) fn without_backtraces(err: &str) -> String {
    let own = err.lines().filter(|line| {
        !line.starts_with("cocoon: backtrace of the trap") && !line.starts_with("  ")
    });
    own.fold(String::new(), |own, line| own + line + "\n")
}

/// Asserts that `err` is one line of the binary's own, with all of `words`. The backtrace of a trap
/// may be before it.
pub(crate) fn assert_one_line(err: &str, words: &[&str]) {
    let err = without_backtraces(err);
    assert!(
        err.starts_with("cocoon: ") && err.ends_with('\n'),
        "{err:?}"
    );
    assert_eq!(err.lines().count(), 1, "{err}");
    for word in words.iter().chain([&""]) {
        assert!(err.contains(word), "{err:?} does not say {word:?}");
    }
    for trace in ["panicked", "stack backtrace", "RUST_BACKTRACE"] {
        assert!(!err.contains(trace), "{err}");
    }
}
