//! Hostile handlers: statuses that name the limit, answers that never look whole, and honest
//! requests beside them.

use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use crate::handlers::serve;
use crate::harness::wait_for;
use crate::service::{Answer, Server, get};

/// The value of a metric without labels.
pub(crate) async fn metric(server: &Server, name: &str) -> u64 {
    let metrics = server.get("/metrics").await;
    let line = metrics
        .text()
        .lines()
        .find(|line| line.starts_with(&format!("{name} ")));
    let value = line.and_then(|line| line.rsplit(' ').next());
    value
        .and_then(|it| it.parse().ok())
        .unwrap_or_else(|| panic!("no {name}"))
}

/// Waits until no sandbox lives.
pub(crate) async fn wait_for_no_sandbox(server: &Server) {
    wait_for("the end of all sandboxes", async {
        while metric(server, "cocoon_sandboxes_live").await > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Resident memory of a service, in KiB.
pub(crate) fn memory_kib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id()));
    let status = status.expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    kib.and_then(|it| it.parse().ok()).expect("a size")
}

#[tokio::test]
async fn a_handler_without_an_answer_has_a_status() {
    let server = serve(&["--deadline", "3s", "--sandbox-memory", "16MiB"]);
    for (path, status, limit) in [
        ("/trap", 502, Value::Null),
        ("/take", 502, "sandbox-memory".into()),
        ("/silent", 502, Value::Null),
        ("/error", 502, Value::Null),
        ("/long-error?100000", 502, Value::Null),
        ("/status?101", 502, Value::Null),
        ("/wait", 504, "deadline".into()),
        ("/spin", 504, "deadline".into()),
    ] {
        let problem = server.get(path).await.problem(status);
        assert_eq!(problem["limit"], limit, "{path}: {problem}");
        assert!(problem.to_string().len() < 3000, "{path}: {problem}");
        assert_eq!(server.get("/hello").await.text(), "hello\n");
    }
    wait_for_no_sandbox(&server).await;
}

#[tokio::test]
async fn a_broken_answer_never_looks_whole() {
    let server = serve(&["--deadline", "3s"]);
    for path in [
        "/trap-after?10",
        "/trap-after?1000000",
        "/drop-body?0",
        "/drop-body?10000",
        "/spin-after",
        "/long?1000000",
    ] {
        let cut = Answer::read(server.open(get(path)).await).await;
        assert!(cut.is_err(), "{path} looks whole: {cut:?}");
        let head = server.client2().await.open(get(path)).await;
        let cut = Answer::read(head.expect("a head")).await;
        assert!(cut.is_err(), "{path} looks whole: {cut:?}");
    }
    wait_for_no_sandbox(&server).await;
}

#[tokio::test]
async fn a_client_that_leaves_frees_the_sandbox() {
    let server = serve(&["--deadline", "1h"]);
    for path in ["/spin", "/wait", "/spin-after", "/stream?4000000000"] {
        let mut client = server.connect().await;
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
        client.write_all(request.as_bytes()).await.expect("sent");
        wait_for("its sandbox", async {
            while metric(&server, "cocoon_sandboxes_live").await == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        drop(client);
        wait_for_no_sandbox(&server).await;
    }
    let mut client = server.client2().await;
    let answer = client
        .open(get("/stream?4000000000"))
        .await
        .expect("a head");
    drop(answer);
    wait_for_no_sandbox(&server).await;
}

#[tokio::test]
async fn work_after_an_answer_ends_at_the_deadline() {
    let server = serve(&["--deadline", "3s"]);
    assert_eq!(server.get("/spin-after-answer").await.text(), "done\n");
    wait_for_no_sandbox(&server).await;
}

#[tokio::test]
async fn a_full_queue_is_answered_with_503() {
    let server = serve(&["--sandboxes", "1", "--queue", "1", "--deadline", "20s"]);
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    for client in [&mut first, &mut second] {
        let request = "GET /wait HTTP/1.1\r\nhost: a\r\n\r\n";
        client.write_all(request.as_bytes()).await.expect("sent");
    }
    wait_for("a queue", async {
        while metric(&server, "cocoon_queue_length").await == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let problem = server.get("/hello").await.problem(503);
    assert_eq!(problem["limit"], "queue");
    drop((first, second));
    wait_for_no_sandbox(&server).await;
    assert_eq!(server.get("/hello").await.text(), "hello\n");
}

#[tokio::test]
async fn honest_requests_are_answered_beside_hostile_ones() {
    let server = serve(&["--deadline", "5s", "--sandbox-memory", "16MiB"]);
    let hostile = [
        "/spin",
        "/wait",
        "/take",
        "/trap",
        "/spin-after",
        "/flood-log?100000",
    ];
    let hostile: Vec<_> = futures::future::join_all(hostile.map(|_| server.client()))
        .await
        .into_iter()
        .zip(hostile)
        .map(|(mut client, path)| tokio::spawn(async move { client.send(get(path)).await.is_ok() }))
        .collect();
    let begun = Instant::now();
    let mut answered = 0;
    while begun.elapsed() < Duration::from_millis(1500) {
        assert_eq!(server.get("/hello").await.text(), "hello\n");
        answered += 1;
    }
    assert!(answered > 10, "{answered}");
    for client in hostile {
        client.await.expect("no panic");
    }
    wait_for_no_sandbox(&server).await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_disconnected() {
    let server = serve(&["--stall", "300ms", "--deadline", "1h"]);
    let mut client = server.connect_narrow().await;
    let request = "GET /stream?4000000000 HTTP/1.1\r\nhost: a\r\n\r\n";
    client.write_all(request.as_bytes()).await.expect("sent");
    wait_for_no_sandbox_after_one(&server).await;
}

async fn wait_for_no_sandbox_after_one(server: &Server) {
    wait_for("its sandbox", async {
        while metric(server, "cocoon_sandboxes_live").await == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    wait_for_no_sandbox(server).await;
}

#[tokio::test]
async fn memory_stays_flat_while_bodies_stream() {
    let server = serve(&["--deadline", "1m"]);
    server.get("/stream?1000000").await;
    let before = memory_kib(&server);
    let mut body = server.open(get("/stream?200000000")).await.into_body();
    let mut bytes = 0;
    while let Some(frame) = wait_for("a piece", body.frame()).await {
        bytes += frame.expect("no error").into_data().expect("data").len();
    }
    assert_eq!(bytes, 200_000_000);
    let after = memory_kib(&server);
    assert!(after < before + (8 << 10), "{before} KiB, then {after} KiB");
}
