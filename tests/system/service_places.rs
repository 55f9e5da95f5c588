//! A service under more connections and load than it has places for: new clients find a place,
//! health is answered, and further requests are refused rather than dropped.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cocoon_test_guests::hostile;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::harness::{cocoon, json_lines, kill, run_command, stdout_of, wait_for};
use crate::service::{Server, get, rest};

/// Sends a request that never ends, and waits until it runs.
async fn occupy(server: &Server) -> TcpStream {
    let mut stream = server.connect().await;
    let spin = format!(
        "GET /factorial/{} HTTP/1.1\r\nHost: a\r\n\r\n",
        hostile::SPIN
    );
    stream.write_all(spin.as_bytes()).await.expect("a reader");
    server.wait_until_read().await;
    stream
}

/// Connections idle since the same millisecond have no order, and the server finishes a
/// response a moment after the client has read it.
const APART: Duration = Duration::from_millis(50);

#[tokio::test]
async fn the_longest_idle_connection_is_evicted() {
    let server = Server::start(&["--connections", "3", "--idle", "1h"]);
    let mut clients = vec![server.client().await, server.client().await];
    for client in &mut clients {
        let answer = client.send(get("/factorial/5")).await.expect("an answer");
        assert_eq!(answer.text(), "120");
        sleep(APART).await;
    }
    let mut multiplexed = server.client2().await;
    multiplexed.send(get("/healthz")).await.expect("an answer");
    sleep(APART).await;
    let mut new = Vec::new();
    for oldest in 0..2 {
        let mut client = server.client().await;
        let answer = client.send(get("/factorial/6")).await.expect("an answer");
        assert_eq!(answer.text(), "720");
        new.push(client);
        clients[oldest].closed().await;
        if oldest == 0 {
            let younger = clients[1].send(get("/healthz")).await;
            assert_eq!(younger.expect("an answer").status, 200);
            sleep(APART).await;
            // The other connection is the oldest now, and then this one again.
            multiplexed.send(get("/healthz")).await.expect("an answer");
            sleep(APART).await;
            new[0].send(get("/healthz")).await.expect("an answer");
        }
    }
    multiplexed.send(get("/healthz")).await.expect("an answer");
}

/// Sends requests on new connections until one gets a 200. Connections without a place may be
/// reset.
async fn until_answered(server: &Server, path: &str) {
    wait_for("an answer", async {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        while !server.raw(&request).await.starts_with(b"HTTP/1.1 200 ") {}
    })
    .await;
}

#[tokio::test]
async fn silent_connections_do_not_keep_others_out() {
    let server = Server::start(&["--connections", "20", "--idle", "1h"]);
    let mut silent = Vec::new();
    for round in 0..100 {
        let mut stream = server.connect().await;
        if round % 2 == 0 {
            stream.write_all(b"GET /fac").await.expect("a reader");
        }
        silent.push(stream);
    }
    until_answered(&server, "/healthz").await;
    until_answered(&server, "/factorial/5").await;
}

#[tokio::test]
async fn a_full_service_answers_health_and_refuses_the_rest() {
    let server = Server::hostile(&["--connections", "2", "--deadline", "1h"]);
    let busy = [occupy(&server).await, occupy(&server).await];
    for (path, expected) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.text()), (200, expected), "{path}");
        assert_eq!(answer.header("connection"), "close");
    }
    assert_eq!(server.get("/metrics").await.status, 200);
    let refused = server.get("/factorial/5").await;
    let problem = refused.problem(503);
    assert_eq!(
        (&problem["limit"], &problem["value"]),
        (&"connections".into(), &2.into())
    );
    let mut client = server.client2().await;
    let refused = client.send(get("/factorial/5")).await.expect("an answer");
    refused.problem(503);
    wait_for("the end of the connection", async {
        while client.send(get("/healthz")).await.is_ok() {}
    })
    .await;
    // Silent connections do not keep health requests out either.
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(server.connect().await);
    }
    until_answered(&server, "/healthz").await;
    drop(busy);
    until_answered(&server, &format!("/factorial/{}", hostile::HONEST)).await;
}

#[tokio::test]
async fn a_request_under_way_is_never_cut_for_another() {
    // More than the buffers of both sockets hold.
    const LONG: &str = "/factorial/2000000";
    let server = Server::start(&["--connections", "1"]);
    let expected = server.get(LONG).await.body;
    let mut busy = server.connect_narrow().await;
    let long = format!("GET {LONG} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    busy.write_all(long.as_bytes()).await.expect("a reader");
    let mut seen = [0; 16];
    let read = wait_for("an answer", busy.read_exact(&mut seen)).await;
    read.expect("an answer");
    for _ in 0..20 {
        server.get("/factorial/5").await.problem(503);
    }
    let answer = rest(&mut busy).await;
    assert!(answer.ends_with(&expected), "it was cut");
}

#[tokio::test]
async fn a_full_queue_keeps_the_service_ready() {
    let server = Server::hostile(&["--sandboxes", "1", "--queue", "0", "--deadline", "1h"]);
    let _busy = occupy(&server).await;
    let honest = format!("/factorial/{}", hostile::HONEST);
    wait_for("a full queue", async {
        while server.get(&honest).await.status != 503 {}
    })
    .await;
    assert_eq!(server.get("/readyz").await.text(), "ready\n");
    assert!(stdout_of(["health", &server.url("/readyz")]).contains("200 OK"));
}

/// A service with a separate address for health, and both addresses.
struct Apart {
    child: Child,
    main: String,
    admin: String,
}

impl Apart {
    fn start(command: &mut Command) -> Self {
        use std::io::{BufRead as _, BufReader};
        let mut child = command.stdout(Stdio::piped()).spawn().expect("a service");
        let mut line = String::new();
        let out = child.stdout.take().expect("its output");
        BufReader::new(out).read_line(&mut line).expect("a line");
        let mut addresses = line.split("http://").skip(1).map(|rest| {
            let end = rest.find([' ', '\n']).unwrap_or(rest.len());
            rest[..end].to_owned()
        });
        let mut address = || addresses.next().unwrap_or_else(|| panic!("{line:?}"));
        let (main, admin) = (address(), address());
        Self { child, main, admin }
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends `GET path` to `address` and returns the response. The response closes the connection.
async fn send_request(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    String::from_utf8(rest(&mut stream).await).expect("text")
}

#[tokio::test]
async fn health_can_have_its_own_address() {
    let folder = tempfile::tempdir().expect("a folder");
    let token = folder.path().join("token");
    std::fs::write(&token, "0123456789abcdef").expect("a file");
    let mut command = cocoon(["serve", "--listen", "127.0.0.1:0", "--connections", "1"]);
    command
        .args(["--drain-delay", "1h", "--token-file"])
        .arg(&token)
        .env("COCOON_ADMIN_LISTEN", "127.0.0.1:0");
    let service = Apart::start(&mut command);
    for (path, expected) in [
        ("/healthz", "ok\n"),
        ("/readyz", "ready\n"),
        ("/metrics", "cocoon_"),
    ] {
        let answer = send_request(&service.admin, path).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.contains(expected), "{answer}");
    }
    for path in ["/healthz", "/readyz"] {
        let answer = send_request(&service.main, path).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
        assert!(answer.contains("--admin-listen"), "{answer}");
    }
    let elsewhere = send_request(&service.admin, "/factorial/5").await;
    assert!(elsewhere.starts_with("HTTP/1.1 404 "), "{elsewhere}");
    assert!(elsewhere.contains("--listen"), "{elsewhere}");
    // The same variables and configuration direct a probe to that address.
    let mut probe = cocoon(["health"]);
    let probed = run_command(probe.env("COCOON_ADMIN_LISTEN", &service.admin));
    assert_eq!((probed.code, probed.err.as_str()), (Some(0), ""));
    let file = folder.path().join("cocoon.toml");
    let text = format!("[serve]\nadmin-listen = \"{}\"\n", service.admin);
    std::fs::write(&file, text).expect("a file");
    let mut probe = cocoon(["health", "--config"]);
    let probed = run_command(probe.arg(&file));
    let expected = format!("http://{}/healthz is healthy: 200 OK\n", service.admin);
    assert_eq!((probed.code, probed.out), (Some(0), expected));
    // While the service drains, it responds that it is unready.
    kill(service.child.id(), Signal::TERM);
    wait_for("the end of readiness", async {
        while !send_request(&service.admin, "/readyz")
            .await
            .contains("503")
        {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert!(
        send_request(&service.admin, "/healthz")
            .await
            .contains("200 OK")
    );
}

#[test]
fn config_shows_effective_limits_and_reasons() {
    let limited = |arguments: &[&str]| {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n 1000; exec \"$0\" \"$@\""]);
        crate::harness::clean(&mut command)
            .arg(env!("CARGO_BIN_EXE_cocoon"))
            .args(arguments);
        let outcome = run_command(&mut command);
        assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""));
        outcome.out
    };
    let text = limited(&["config", "serve"]);
    let line = text.lines().find(|line| line.starts_with("# connections"));
    let line = line.expect("its line");
    for word in ["16384", "in force: 276", "ulimit -n"] {
        assert!(line.contains(word), "{line}");
    }
    let rows = json_lines(&limited(&["config", "--json", "serve"]));
    let of = |key: &str| {
        let row = rows.iter().find(|row| row["key"] == key);
        row.expect("a row").clone()
    };
    let connections = of("connections");
    assert_eq!(
        (&connections["value"], &connections["in_force"]),
        (&16_384.into(), &276.into())
    );
    assert!(connections["reason"].as_str().is_some());
    assert!(of("total-memory")["in_force"].as_u64() > Some(1 << 20));
    assert!(of("queue").get("in_force").is_none());
}

#[tokio::test]
async fn an_explicit_limit_that_is_lowered_is_reported() {
    let server = Server::start(&["--connections", "1000000"]);
    server.signal(Signal::TERM);
    let log = server.wait_for_exit().await.err;
    for word in ["limit lowered", "connections", "1000000", "in_force"] {
        assert!(log.contains(word), "{log}");
    }
}
