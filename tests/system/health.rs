//! `cocoon health`, as a container engine or a person runs it.

use std::io::Write as _;
use std::net::TcpListener;

use crate::harness::{assert_fails, cocoon, run, run_command, stdout_of};
use crate::service::Server;

#[tokio::test]
async fn a_service_that_answers_is_healthy() {
    let server = Server::start(&[]);
    for path in ["/healthz", "/readyz", "/factorial/5?format=scientific:2"] {
        let url = server.url(path);
        let text = stdout_of(["health", &url]);
        assert_eq!(text, format!("{url} is healthy: 200 OK\n"));
    }
    // The probe uses the address of `--listen`.
    let address = server.url("").replace("http://", "");
    assert!(stdout_of(["health", "--listen", &address]).starts_with(&server.url("/healthz")));
    // A probe of an unspecified address connects to loopback; also for IPv6, where nothing
    // listens.
    for all in ["0.0.0.0", "[::]"] {
        let everywhere = address.replace("127.0.0.1", all);
        let outcome = run_command(cocoon(["health"]).env("COCOON_LISTEN", everywhere));
        assert_eq!((outcome.code, &*outcome.err), (Some(0), ""));
        assert!(
            outcome.out.starts_with(&server.url("/healthz")),
            "{}",
            outcome.out
        );
    }
}

#[tokio::test]
async fn an_error_response_is_unhealthy() {
    let server = Server::start(&[]);
    let url = server.url("/nothing");
    assert_fails(&run(["health", &url]), 1, &[&url, "404 Not Found"]);
}

#[test]
fn an_unreachable_service_is_unhealthy() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    // The listener never accepts, and so never responds.
    let waited = run(["health", "--listen", &address, "--timeout", "200ms"]);
    assert_fails(
        &waited,
        1,
        &[&address, "response within 200ms", "--timeout"],
    );
    drop(listener);
    assert_fails(&run(["health", "--listen", &address]), 1, &["refused"]);
    let unknown = run(["health", "http://nowhere.invalid/healthz"]);
    assert_fails(&unknown, 1, &["nowhere.invalid"]);
}

#[test]
fn a_response_of_another_protocol_is_unhealthy() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let speaking = std::thread::spawn(move || {
        for says in ["SSH-2.0-OpenSSH_9.9\r\n", ""] {
            let (mut stream, _) = listener.accept().expect("a client");
            stream.write_all(says.as_bytes()).expect("said");
        }
    });
    for _ in 0..2 {
        let outcome = run(["health", "--listen", &address]);
        assert_fails(&outcome, 1, &[&address, "is unhealthy"]);
    }
    speaking.join().expect("no panic");
}

#[test]
fn invalid_arguments_are_reported() {
    for url in [
        "localhost:8080",
        "https://localhost/healthz",
        "http://",
        "http://a@b/",
    ] {
        assert_fails(&run(["health", url]), 2, &["http://127.0.0.1:8080/readyz"]);
    }
    for time in ["soon", "0s"] {
        assert_fails(&run(["health", "--timeout", time]), 2, &["3s"]);
    }
}
