//! Queues in a Redis with TLS.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cocoon_test_guests::HOSTILE_PROGRAM;

use crate::export::certify;
use crate::harness::{TIMEOUT, assert_fails, cocoon, run_command};
use crate::redis::{Killed, Worker};

/// Starts a Redis with the certificate in `folder`. Returns it with its port.
fn start(folder: &Path) -> (Killed, u16) {
    let began = Instant::now();
    loop {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
        let port = free.expect("a port").port();
        let mut redis = Killed(spawn(folder, port));
        // Another process may have the port by now.
        while redis.0.try_wait().expect("a process").is_none() {
            if ping(folder, port) {
                return (redis, port);
            }
            assert!(began.elapsed() < TIMEOUT, "a Redis that answers");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn spawn(folder: &Path, port: u16) -> Child {
    let port = port.to_string();
    let redis = Command::new("redis-server")
        .args(["--port", "0", "--tls-port", &port, "--bind", "127.0.0.1"])
        .args([
            "--tls-cert-file",
            "server.pem",
            "--tls-key-file",
            "server.key",
        ])
        .args([
            "--tls-ca-cert-file",
            "authority.pem",
            "--tls-auth-clients",
            "no",
        ])
        .args(["--save", "", "--requirepass", "secret"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .spawn();
    redis.expect("redis-server, which .ci/tools installs")
}

fn ping(folder: &Path, port: u16) -> bool {
    let answer = Command::new("redis-cli")
        .args([
            "--tls",
            "--cacert",
            "authority.pem",
            "-p",
            &port.to_string(),
        ])
        .args(["--no-auth-warning", "-a", "secret", "PING"])
        .current_dir(folder)
        .output();
    answer.expect("redis-cli").stdout == b"PONG\n"
}

#[test]
#[ignore = "needs redis-server and openssl"]
fn a_queue_is_reached_over_tls() {
    let folder = tempfile::tempdir().expect("a folder");
    certify(folder.path());
    let (_redis, port) = start(folder.path());
    let password = folder.path().join("password");
    std::fs::write(&password, "secret\n").expect("a file");
    let command = |arguments: &[&str], host: &str, authority: &str| {
        let mut command = cocoon(arguments);
        command
            .env("COCOON_QUEUE_URL", format!("rediss://{host}:{port}#tls"))
            .env("COCOON_QUEUE_PASSWORD_FILE", &password)
            .env("SSL_CERT_FILE", folder.path().join(authority));
        command
    };
    let exec = ["exec", "-n", "20", HOSTILE_PROGRAM, "say", "{i}"];
    let worker = Worker::start(&mut command(&["worker"], "127.0.0.1", "authority.pem"));
    let batch = run_command(&mut command(&exec, "127.0.0.1", "authority.pem"));
    assert_eq!(
        (batch.code, batch.out.lines().count()),
        (Some(0), 20),
        "{}",
        batch.err
    );
    worker.drain();
    // Another authority, and another host than the certificate's.
    for (host, authority) in [("127.0.0.1", "client.pem"), ("localhost", "authority.pem")] {
        for (arguments, code) in [
            (&exec[..], 125),
            (&["worker"], 1),
            (&["queue", "list"], 125),
        ] {
            let refused = run_command(&mut command(arguments, host, authority));
            assert_fails(&refused, code, &["queue rediss://", "certificate"]);
        }
    }
}
