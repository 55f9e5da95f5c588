//! Draining: requests under way finish, and the exit code and the log report the outcome.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use cocoon_test_guests::hostile;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{assert_one_line, wait_for};
use crate::service::{Server, factorial, get, rest};

/// A number whose response takes a while, is streamed, and exceeds the buffers of a narrow
/// connection.
const LONG: u64 = 100_000;
static LONG_VALUE: LazyLock<String> = LazyLock::new(|| factorial(LONG));

async fn write(stream: &mut TcpStream, text: &str) {
    let written = wait_for("a reader", stream.write_all(text.as_bytes())).await;
    written.expect("a reader");
}

/// Sends a request for health and reads the response.
async fn ask_for_health(stream: &mut TcpStream) {
    write(stream, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\nok\n") {
        let read = wait_for("an answer", stream.read_buf(&mut seen)).await;
        assert_ne!(read.expect("an answer"), 0);
    }
}

/// Asserts a whole response with `body`, and nothing after it.
fn assert_whole(answer: &[u8], body: &str, what: &str) {
    let answer = String::from_utf8_lossy(answer);
    let (head, seen) = answer.split_once("\r\n\r\n").unwrap_or_default();
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{what}: {answer:.200}");
    assert!(
        seen == body,
        "{what}: {} bytes of {}",
        seen.len(),
        body.len()
    );
}

/// Sends requests until the service is gone. Before the signal no request may fail; after it
/// every response that arrives is whole.
async fn keep_asking(server: &Server, ending: &AtomicBool) -> u32 {
    let mut answered = 0;
    let mut client = server.client().await;
    loop {
        let was_ending = ending.load(Ordering::SeqCst);
        match wait_for("an answer", client.0.send_request(get("/factorial/3000"))).await {
            Ok(response) => {
                let answer = crate::service::Answer::read(response).await;
                assert_eq!(answer.expect("all of it").status, 200);
                answered += 1;
                if wait_for("the connection", client.0.ready()).await.is_err() {
                    return answered;
                }
            }
            Err(error) => {
                assert!(was_ending || ending.load(Ordering::SeqCst), "{error}");
                return answered;
            }
        }
    }
}

async fn end_under_load(signal: Signal) {
    let server = Server::start(&[]);
    let (ending, value) = (AtomicBool::new(false), LONG_VALUE.as_str());
    let half = "GET /factorial/5 HTTP/1.1\r\nHost: loc";
    let long = format!("GET /factorial/{LONG} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    // Half of a request head: as the first request of a connection, and as the second.
    let mut halves = Vec::new();
    for kept in [false, true, false, true] {
        let mut stream = server.connect().await;
        if kept {
            ask_for_health(&mut stream).await;
        }
        halves.push(stream);
    }
    let mut whole = Vec::new();
    for _ in 0..4 {
        whole.push(server.connect_narrow().await);
    }
    let mut client = server.client2().await;
    // Their streams have begun when these requests are answered.
    client.send(get("/healthz")).await.expect("an answer");
    for stream in &mut halves {
        write(stream, half).await;
    }
    for stream in &mut whole {
        write(stream, &long).await;
    }
    let streams = (0..4).map(|_| {
        let mut client = client.clone();
        tokio::spawn(async move { client.send(get(&format!("/factorial/{LONG}"))).await })
    });
    let streams: Vec<_> = streams.collect();
    tokio::task::yield_now().await;
    server.wait_until_read().await;
    let outcome = async {
        server.signal(signal);
        ending.store(true, Ordering::SeqCst);
        server.wait_until_closed().await;
        for stream in &mut halves {
            write(stream, "alhost\r\n\r\n").await;
            let answer = rest(stream).await;
            assert_whole(&answer, "120", "what was half sent");
            let head = String::from_utf8_lossy(&answer).to_lowercase();
            assert!(head.contains("connection: close"), "{head}");
        }
        for stream in &mut whole {
            assert_whole(&rest(stream).await, value, "what was computed");
        }
        for stream in streams {
            let answer = wait_for("an answer", stream).await.expect("no panic");
            let answer = answer.expect("a stream that had begun");
            assert!(answer.text() == value, "a stream is wrong");
        }
    };
    // The load continues meanwhile.
    let load = (0..4).map(|_| keep_asking(&server, &ending));
    let all = async { tokio::join!(futures::future::join_all(load), outcome) };
    let (answered, ()) = wait_for("the end", all).await;
    assert!(answered.iter().sum::<u32>() > 0, "there was no load");
    let outcome = server.wait_for_exit().await;
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_under_way_finish() {
    for round in 0..10 {
        let term = round % 2 == 0;
        end_under_load(if term { Signal::TERM } else { Signal::INT }).await;
    }
}

#[tokio::test]
async fn requests_sent_before_the_signal_are_answered() {
    for _ in 0..10 {
        let server = Server::start(&[]);
        let mut kept = Vec::new();
        for _ in 0..100 {
            let mut stream = server.connect().await;
            ask_for_health(&mut stream).await;
            kept.push(stream);
        }
        // The kernel has received them; the service may not have read them yet.
        for stream in &mut kept {
            write(stream, "GET /factorial/5 HTTP/1.1\r\nHost: a\r\n\r\n").await;
        }
        server.signal(Signal::TERM);
        for stream in &mut kept {
            assert_whole(
                &rest(stream).await,
                "120",
                "what was sent before the signal",
            );
        }
        assert_eq!(server.wait_for_exit().await.code, Some(0));
    }
}

#[tokio::test]
async fn a_second_signal_ends_the_service_at_once() {
    let server = Server::hostile(&["--deadline", "1h", "--drain-timeout", "1h"]);
    let mut stream = server.connect().await;
    let spin = format!(
        "GET /factorial/{} HTTP/1.1\r\nHost: a\r\n\r\n",
        hostile::SPIN
    );
    write(&mut stream, &spin).await;
    server.wait_until_read().await;
    server.signal(Signal::TERM);
    server.wait_until_closed().await;
    server.signal(Signal::TERM);
    assert_eq!(server.wait_for_exit().await.code, Some(130));
}

#[tokio::test]
async fn requests_are_accepted_during_the_drain_delay() {
    let server = Server::start(&["--drain-delay", "1h"]);
    assert_eq!(server.get("/readyz").await.status, 200);
    server.signal(Signal::TERM);
    wait_for("the end of readiness", async {
        while server.get("/readyz").await.status == 200 {}
    })
    .await;
    server.get("/readyz").await.problem(503);
    assert_eq!(server.get("/healthz").await.status, 200);
    let answer = server.get("/factorial/5").await;
    assert_eq!(answer.text(), "120");
    // The response asks the client to reconnect.
    assert_eq!(answer.header("connection"), "close");
    server.signal(Signal::TERM);
    assert_eq!(server.wait_for_exit().await.code, Some(130));
    let server = Server::start(&["--drain-delay", "300ms"]);
    server.signal(Signal::TERM);
    let outcome = server.wait_for_exit().await;
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn the_drain_timeout_cuts_unfinished_requests() {
    let server = Server::hostile(&["--deadline", "1h", "--drain-timeout", "200ms"]);
    let mut stream = server.connect().await;
    let spin = format!(
        "GET /factorial/{} HTTP/1.1\r\nHost: a\r\n\r\n",
        hostile::SPIN
    );
    write(&mut stream, &spin).await;
    server.wait_until_read().await;
    server.signal(Signal::TERM);
    let outcome = server.wait_for_exit().await;
    assert_eq!(outcome.code, Some(1));
    assert_one_line(&outcome.err, &["1 connection", "200ms", "--drain-timeout"]);
    assert_eq!(rest(&mut stream).await, b"");
}

#[tokio::test]
async fn idle_connections_do_not_delay_the_end() {
    // Longer than any test waits.
    let server = Server::start(&["--idle", "1h", "--drain-timeout", "1h"]);
    let silent = server.connect().await;
    let mut kept = server.client().await;
    kept.send(get("/healthz")).await.expect("an answer");
    let mut kept2 = server.client2().await;
    kept2.send(get("/healthz")).await.expect("an answer");
    server.wait_until_read().await;
    server.signal(Signal::TERM);
    assert_eq!(server.wait_for_exit().await.code, Some(0));
    drop((silent, kept, kept2));
    // An incomplete request delays the end by the idle timeout at most.
    let server = Server::start(&["--idle", "500ms", "--drain-timeout", "1h"]);
    let mut half = server.connect().await;
    write(&mut half, "GET /factorial/5 HT").await;
    server.wait_until_read().await;
    server.signal(Signal::TERM);
    assert_eq!(server.wait_for_exit().await.code, Some(0));
}
