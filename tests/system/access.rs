//! Who may ask the service: everybody, or whoever has the token.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::JoinHandle;
use std::time::Instant;

use rustix::process::Signal;

use crate::harness::{NEVER, assert_fails, cocoon, kill, run};

const ONE: &str = "one-token-of-many-bytes";
const OTHER: &str = "another-token-of-many-bytes";

/// A service of its own port, which ends with the test.
struct Serving {
    child: Child,
    address: String,
    told: Option<JoinHandle<String>>,
}

impl Serving {
    fn with(arguments: &[&str]) -> Self {
        let mut child = cocoon(["serve"].iter().chain(arguments))
            .env("COCOON_LISTEN", "127.0.0.1:0")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a service that starts");
        let mut stderr = child.stderr.take().expect("its standard error");
        let told = std::thread::spawn(move || {
            let mut told = String::new();
            stderr.read_to_string(&mut told).expect("text");
            told
        });
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("its standard output"))
            .read_line(&mut line)
            .expect("its start line");
        let address = line
            .split_once("http://")
            .and_then(|(_, rest)| rest.split_whitespace().next());
        let address = address.unwrap_or_else(|| panic!("an address in {line:?}"));
        Self {
            address: address.to_owned(),
            child,
            told: Some(told),
        }
    }

    /// The answer to a request, from its status to its last byte.
    fn ask(&self, path: &str, authorization: Option<&str>) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        stream.set_read_timeout(Some(NEVER)).expect("a timeout");
        let header = authorization
            .map(|value| format!("Authorization: {value}\r\n"))
            .unwrap_or_default();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{header}\r\n"
        )
        .expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }

    fn status(&self, path: &str, authorization: Option<&str>) -> String {
        let answer = self.ask(path, authorization);
        answer.split(' ').nth(1).expect("a status").to_owned()
    }

    /// Ends it; what it told on standard error.
    fn end(mut self) -> String {
        kill(self.child.id(), Signal::TERM);
        let ended = self.child.wait().expect("its end");
        let told = self.told.take().expect("told once");
        let told = told.join().expect("no panic");
        assert_eq!(ended.code(), Some(0), "{told}");
        told
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Ended already, if all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write(path: &Path, token: &str, mode: u32) {
    std::fs::write(path, format!("{token}\n")).expect("written");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("permissions");
}

#[test]
fn everything_but_health_asks_for_the_token() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    write(&file, ONE, 0o600);
    let serving = Serving::with(&["--token-file", file.to_str().expect("UTF-8")]);
    let right = format!("Bearer {ONE}");
    for path in ["/healthz", "/readyz"] {
        assert_eq!(serving.status(path, None), "200", "{path}");
    }
    for path in [
        "/factorial/20",
        "/factorials/3",
        "/openapi.json",
        "/nowhere",
    ] {
        let answer = serving.ask(path, None);
        assert!(answer.starts_with("HTTP/1.1 401 "), "{path}: {answer}");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
        let head = head.to_ascii_lowercase();
        assert!(head.contains("\r\nwww-authenticate: bearer\r\n"), "{head}");
        assert!(
            head.contains("\r\ncontent-type: application/problem+json"),
            "{head}"
        );
        assert!(
            body.contains("\"status\":401") && body.contains("Authorization: Bearer"),
            "{body}"
        );
    }
    for wrong in [
        "Bearer wrong-token-of-many-bytes",
        "Basic b25lOnRva2Vu",
        ONE,
        "",
    ] {
        assert_eq!(
            serving.status("/factorial/20", Some(wrong)),
            "401",
            "{wrong}"
        );
    }
    let answer = serving.ask("/factorial/20", Some(&right));
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\n2432902008176640000"), "{answer}");
    // No cache is to hand it to somebody else.
    assert!(
        answer
            .to_ascii_lowercase()
            .contains("\r\ncache-control: private,"),
        "{answer}"
    );
    assert_eq!(serving.status("/nowhere", Some(&right)), "404");
    assert_eq!(serving.end(), "");
}

#[test]
fn a_token_that_changes_is_asked_for_from_then_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    write(&file, ONE, 0o600);
    let serving = Serving::with(&["--token-file", file.to_str().expect("UTF-8")]);
    let status = |token: &str| serving.status("/factorial/5", Some(&format!("Bearer {token}")));
    assert_eq!((status(ONE), status(OTHER)), ("200".into(), "401".into()));
    let next = folder.path().join("next");
    write(&next, OTHER, 0o600);
    std::fs::rename(&next, &file).expect("renamed");
    let changed = Instant::now();
    while status(OTHER) != "200" {
        assert!(changed.elapsed() < NEVER, "the token did not change");
    }
    assert_eq!(status(ONE), "401");
    // What is useless changes nothing, and is told once.
    write(&file, "short", 0o600);
    let spoilt = Instant::now();
    while spoilt.elapsed() < cocoon::http::access::TOKEN_AGE * 3 {
        assert_eq!(status(OTHER), "200");
    }
    let told = serving.end();
    assert_eq!(told.matches("it must have 16 or more").count(), 1, "{told}");
}

#[test]
fn a_token_that_is_none_does_not_start_a_service() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    let name = file.to_str().expect("UTF-8");
    let start = || run(["serve", "--listen", "127.0.0.1:0", "--token-file", name]);
    assert_fails(&start(), 1, &[name, "No such file"]);
    write(&file, "short", 0o600);
    assert_fails(&start(), 1, &[name, "5 bytes", "16 or more"]);
    write(&file, "with spaces in between", 0o600);
    assert_fails(&start(), 1, &[name, "visible ASCII"]);
}

#[test]
fn a_token_for_everybody_to_read_is_warned_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    write(&file, ONE, 0o644);
    let serving = Serving::with(&["--token-file", file.to_str().expect("UTF-8")]);
    assert_eq!(serving.status("/factorial/5", None), "401");
    let told = serving.end();
    assert!(told.contains("readable by everybody"), "{told}");
    assert!(!told.contains(ONE), "{told}");
}

#[test]
fn a_service_without_token_tells_that_anybody_may_ask() {
    let open = Serving::with(&["--listen", "0.0.0.0:0"]);
    assert_eq!(open.status("/factorial/5", None), "200");
    assert!(open.end().contains("--token-file"));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    write(&file, ONE, 0o600);
    let asks = Serving::with(&[
        "--listen=0.0.0.0:0",
        "--token-file",
        file.to_str().expect("UTF-8"),
    ]);
    assert_eq!(asks.status("/healthz", None), "200");
    assert_eq!(asks.end(), "");
}
