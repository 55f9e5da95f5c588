//! Authentication: the service without a token is open to every client, and with one it
//! requires the token.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Instant;

use crate::blocking_service::{Service, status_of};
use crate::harness::{TIMEOUT, assert_fails, cocoon, run};

const ONE: &str = "one-token-of-many-bytes";
const OTHER: &str = "another-token-of-many-bytes";

fn start_service(arguments: &[&str]) -> Service {
    Service::start(&mut cocoon(["serve"].iter().chain(arguments)))
}

/// Returns the response to a request with this `Authorization` header.
fn send_request(service: &Service, path: &str, authorization: Option<&str>) -> String {
    let header = authorization.map(|value| ("Authorization", value));
    service.get(path, header.as_slice())
}

fn status(service: &Service, path: &str, authorization: Option<&str>) -> String {
    status_of(&send_request(service, path, authorization)).to_owned()
}

fn write(path: &Path, token: &str, mode: u32) {
    std::fs::write(path, format!("{token}\n")).expect("written");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("permissions");
}

#[test]
fn all_routes_except_health_require_the_token() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    write(&file, ONE, 0o600);
    let service = start_service(&["--token-file", file.to_str().expect("UTF-8")]);
    let right = format!("Bearer {ONE}");
    for path in ["/healthz", "/readyz"] {
        assert_eq!(status(&service, path, None), "200", "{path}");
    }
    for path in [
        "/factorial/20",
        "/factorials/3",
        "/openapi.json",
        "/nowhere",
    ] {
        let answer = send_request(&service, path, None);
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
            status(&service, "/factorial/20", Some(wrong)),
            "401",
            "{wrong}"
        );
    }
    let answer = send_request(&service, "/factorial/20", Some(&right));
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\n2432902008176640000"), "{answer}");
    // No cache may serve the response to another client.
    assert!(
        answer
            .to_ascii_lowercase()
            .contains("\r\ncache-control: private,"),
        "{answer}"
    );
    assert_eq!(status(&service, "/nowhere", Some(&right)), "404");
    assert_eq!(service.end(), "");
}

#[test]
fn a_changed_token_is_required_from_then_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    write(&file, ONE, 0o600);
    let service = start_service(&["--token-file", file.to_str().expect("UTF-8")]);
    let status_with =
        |token: &str| status(&service, "/factorial/5", Some(&format!("Bearer {token}")));
    assert_eq!(
        (status_with(ONE), status_with(OTHER)),
        ("200".into(), "401".into())
    );
    let next = folder.path().join("next");
    write(&next, OTHER, 0o600);
    std::fs::rename(&next, &file).expect("renamed");
    let changed = Instant::now();
    while status_with(OTHER) != "200" {
        assert!(changed.elapsed() < TIMEOUT, "the token did not change");
    }
    assert_eq!(status_with(ONE), "401");
    // An invalid token file changes nothing and is logged once.
    write(&file, "short", 0o600);
    let spoilt = Instant::now();
    while spoilt.elapsed() < cocoon::limits::TOKEN_AGE * 3 {
        assert_eq!(status_with(OTHER), "200");
    }
    let log = service.end();
    assert_eq!(
        log.matches("expected a token of at least 16 bytes").count(),
        1,
        "{log}"
    );
}

#[test]
fn an_invalid_token_prevents_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    let name = file.to_str().expect("UTF-8");
    let start = || run(["serve", "--listen", "127.0.0.1:0", "--token-file", name]);
    assert_fails(&start(), 1, &[name, "No such file"]);
    write(&file, "short", 0o600);
    assert_fails(&start(), 1, &[name, "at least 16 bytes", "got 5"]);
    write(&file, "with spaces in between", 0o600);
    assert_fails(&start(), 1, &[name, "visible ASCII"]);
}

#[test]
fn a_world_readable_token_file_logs_a_warning() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    write(&file, ONE, 0o644);
    let service = start_service(&["--token-file", file.to_str().expect("UTF-8")]);
    assert_eq!(status(&service, "/factorial/5", None), "401");
    let log = service.end();
    assert!(log.contains("readable by others"), "{log}");
    assert!(!log.contains(ONE), "{log}");
}

#[test]
fn a_service_without_a_token_logs_that_it_is_open() {
    let open = start_service(&["--listen", "0.0.0.0:0"]);
    assert_eq!(status(&open, "/factorial/5", None), "200");
    assert!(open.end().contains("--token-file"));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    write(&file, ONE, 0o600);
    let asks = start_service(&[
        "--listen=0.0.0.0:0",
        "--token-file",
        file.to_str().expect("UTF-8"),
    ]);
    assert_eq!(status(&asks, "/healthz", None), "200");
    assert_eq!(asks.end(), "");
}
