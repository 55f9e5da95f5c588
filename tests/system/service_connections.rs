//! The service's connections: their memory, their timeouts and their number.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;

use crate::harness::wait_for;
use crate::service::{Server, get, rest, with};

const REQUEST: &[u8] = b"GET /factorial/5 HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = Server::start(&["--idle", "500ms"]);
    let mut silent = server.connect().await;
    let mut half = server.connect().await;
    half.write_all(b"GET /factorial/5 HTTP/1.1\r\nHo")
        .await
        .expect("a reader");
    // A prefix of the HTTP/2 preface.
    let mut preface = server.connect().await;
    preface.write_all(b"PRI * HT").await.expect("a reader");
    let mut kept = server.connect().await;
    kept.write_all(REQUEST).await.expect("a reader");
    let (silent, half) = (rest(&mut silent).await, rest(&mut half).await);
    assert_eq!(String::from_utf8_lossy(&silent), "");
    assert!(!half.starts_with(b"HTTP/1.1 200"));
    assert!(!rest(&mut preface).await.starts_with(b"HTTP/1.1 200"));
    assert!(rest(&mut kept).await.ends_with(b"\r\n\r\n120"));
    let mut client = server.client2().await;
    let answer = client.send(get("/factorial/5")).await.expect("an answer");
    assert_eq!(answer.text(), "120");
    wait_for("the end of an idle connection", async {
        while client.send(get("/healthz")).await.is_ok() {
            // Longer than the idle timeout.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_slow_request_head_closes_the_connection() {
    let server = Server::start(&["--idle", "1s"]);
    let mut stream = server.connect().await;
    let sending = async {
        // Never idle for long, and never complete.
        stream.write_all(b"GET / HTTP/1.1\r\nX: ").await?;
        loop {
            stream.write_all(b"x").await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        #[expect(unreachable_code, reason = "it says what type this has")]
        Ok::<(), std::io::Error>(())
    };
    assert!(wait_for("the end of a slow head", sending).await.is_err());
}

#[tokio::test]
async fn the_size_of_a_request_head_is_limited() {
    let server = Server::start(&["--headers", "8KiB"]);
    let fits = with(get("/factorial/5"), "x", &"x".repeat(7000));
    assert_eq!(server.send(fits.clone()).await.text(), "120");
    let mut client = server.client2().await;
    let answer = client.send(fits).await.expect("an answer");
    assert_eq!(answer.text(), "120");
    let too_long = with(get("/factorial/5"), "x", &"x".repeat(20_000));
    assert_eq!(server.send(too_long.clone()).await.status, 431);
    let answer = client.send(too_long).await;
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status == 431));
    let long = format!("/factorial/5?kind={}", "x".repeat(20_000));
    let long = server.send(get(&long)).await.status;
    assert!(matches!(long, 414 | 431), "{long}");
    let many = (0..1000).fold(String::from("GET / HTTP/1.1\r\n"), |head, i| {
        head + &format!("x{i}: \r\n")
    });
    let many = server.raw(many + "\r\n").await;
    assert!(many.starts_with(b"HTTP/1.1 431 "), "{many:?}");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = Server::start(&[]);
    let mut stream = server.connect().await;
    let requests: String = [5, 30_000, 6]
        .map(|n| format!("GET /factorial/{n} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        .concat();
    let last = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let all = requests + last;
    stream.write_all(all.as_bytes()).await.expect("a reader");
    let answers = String::from_utf8(rest(&mut stream).await).expect("text");
    let answers: Vec<_> = answers.split("HTTP/1.1 200 OK\r\n").skip(1).collect();
    assert_eq!(answers.len(), 4);
    assert!(answers[0].ends_with("\r\n\r\n120"), "{}", answers[0]);
    assert!(answers[1].ends_with(&crate::service::factorial(30_000)));
    assert!(answers[2].ends_with("\r\n\r\n720"), "{}", answers[2]);
    assert!(answers[3].ends_with("\r\n\r\nok\n"), "{}", answers[3]);
}
