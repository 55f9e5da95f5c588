//! Slow, lazy and early clients of handlers, and many streams on one connection.

use std::time::Duration;

use axum::http::Request;
use bytes::Bytes;
use futures::future::join_all;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::handlers::serve;
use crate::handlers_hostile::{memory_kib, metric, wait_for_no_sandbox};
use crate::harness::wait_for;
use crate::service::{Server, get, post, rest, with};

/// Streams of one connection, of which the service answers 128 at once.
const STREAMS: usize = 1000;

async fn wait_for_sandboxes(server: &Server, count: u64) {
    wait_for("sandboxes", async {
        while metric(server, "cocoon_sandboxes_live").await < count {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_may_send_and_read_a_byte_at_a_time() {
    let server = serve(&["--stall", "5s"]);
    let mut client = server.connect_narrow().await;
    let request =
        "POST /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 5\r\n\r\nbytes";
    for byte in request.bytes() {
        client.write_all(&[byte]).await.expect("sent");
    }
    let mut answer = Vec::new();
    let mut byte = [0];
    while wait_for("a byte", client.read(&mut byte))
        .await
        .expect("no error")
        > 0
    {
        answer.push(byte[0]);
    }
    let answer = String::from_utf8(answer).expect("text");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("bytes"), "{answer}");
}

#[tokio::test]
async fn a_client_that_sends_nothing_more_frees_the_sandbox() {
    let server = serve(&["--stall", "300ms", "--deadline", "1h"]);
    for path in ["/count", "/echo", "/answer-then-read", "/trailers-in"] {
        let mut client = server.connect().await;
        let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nabc");
        client.write_all(head.as_bytes()).await.expect("sent");
        let answer = String::from_utf8(rest(&mut client).await).expect("text");
        assert!(
            !answer.contains("9 whole") && !answer.contains("begun 9"),
            "{answer}"
        );
        wait_for_no_sandbox(&server).await;
    }
    // Over HTTP/2, other streams of the connection go on meanwhile.
    let io = TokioIo::new(server.connect().await);
    let (client, connection) = http2::handshake(TokioExecutor::new(), io)
        .await
        .expect("HTTP/2");
    tokio::spawn(connection);
    let stalled = || {
        let first =
            futures::stream::iter([Ok::<_, std::io::Error>(Frame::data(Bytes::from("abc")))]);
        let body = futures::StreamExt::chain(first, futures::stream::pending());
        Request::post("http://localhost/count").body(StreamBody::new(body).boxed_unsync())
    };
    let mut sending = client.clone();
    let waiting =
        tokio::spawn(async move { sending.send_request(stalled().expect("a request")).await });
    wait_for_sandboxes(&server, 1).await;
    let hello = || {
        let body = Full::<Bytes>::default()
            .map_err(|never| match never {})
            .boxed_unsync();
        Request::get("http://localhost/hello")
            .body(body)
            .expect("a request")
    };
    while !waiting.is_finished() {
        let answer = client
            .clone()
            .send_request(hello())
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 200);
    }
    wait_for_no_sandbox(&server).await;
}

#[tokio::test]
async fn a_stream_that_nobody_reads_frees_its_sandbox() {
    let server = serve(&["--stall", "300ms", "--deadline", "1h"]);
    let mut client = server.client2().await;
    let unread = client
        .open(get("/stream?4000000000"))
        .await
        .expect("a head");
    wait_for_sandboxes(&server, 1).await;
    // Another stream keeps the connection alive.
    wait_for("the end of the sandbox", async {
        while metric(&server, "cocoon_sandboxes_live").await > 0 {
            let answer = client.send(get("/status?404")).await.expect("an answer");
            assert_eq!(answer.status, 404);
        }
    })
    .await;
    drop(unread);
    assert_eq!(
        client.send(get("/hello")).await.expect("an answer").text(),
        "hello\n"
    );
}

#[tokio::test]
async fn a_request_body_without_end_is_bounded() {
    let server = serve(&["--request-body", "1MiB", "--deadline", "20s"]);
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(1 << 16));
    let before = memory_kib(&server);
    for (path, expected) in [
        ("/count", "broken"),
        ("/refuse-long", "HTTP/1.1 413 "),
        ("/hello", "hello\n"),
        ("/wait", "HTTP/1.1 504 "),
    ] {
        let mut client = server.connect().await;
        let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
        client.write_all(head.as_bytes()).await.expect("sent");
        let (mut reader, mut writer) = client.into_split();
        let sending = tokio::spawn({
            let chunk = chunk.clone();
            async move {
                // The server closes the connection, or reads no more.
                while writer.write_all(chunk.as_bytes()).await.is_ok() {}
            }
        });
        let mut answer = Vec::new();
        if path != "/wait" {
            let _ = wait_for("an answer", reader.read_to_end(&mut answer)).await;
            let answer = String::from_utf8_lossy(&answer);
            assert!(answer.contains(expected), "{path}: {answer}");
        }
        sending.abort();
        drop(sending.await);
        drop(reader);
        wait_for_no_sandbox(&server).await;
    }
    let after = memory_kib(&server);
    assert!(
        after < before + (16 << 10),
        "{before} KiB, then {after} KiB"
    );
}

#[tokio::test]
async fn a_handler_that_reads_nothing_holds_its_client_back() {
    let server = serve(&["--deadline", "5s", "--stall", "1h"]);
    server.get("/hello").await;
    let before = memory_kib(&server);
    let mut client = server.connect().await;
    let head = "POST /wait HTTP/1.1\r\nhost: a\r\ncontent-length: 60000000\r\n\r\n";
    client.write_all(head.as_bytes()).await.expect("sent");
    let piece = vec![0; 1 << 16];
    let mut bytes = 0;
    // Longer than a server that reads needs for a piece.
    let patience = Duration::from_millis(500);
    while let Ok(sent) = tokio::time::timeout(patience, client.write_all(&piece)).await {
        sent.expect("a server");
        bytes += piece.len();
    }
    // The buffers of the kernel.
    assert!(bytes < 20_000_000, "{bytes} bytes");
    let after = memory_kib(&server);
    assert!(after < before + (8 << 10), "{before} KiB, then {after} KiB");
    let answer = rest(&mut client).await;
    assert!(answer.starts_with(b"HTTP/1.1 504 "), "{answer:?}");
    wait_for_no_sandbox(&server).await;
}

#[tokio::test]
async fn a_handler_may_answer_before_it_reads() {
    let server = serve(&[]);
    let body = vec![b'x'; 3_000_000];
    for path in ["/answer-then-read", "/hello"] {
        let expected = if path == "/hello" {
            "hello\n"
        } else {
            "begun 3000000"
        };
        let mut client = server.client().await;
        for _ in 0..3 {
            match client.send(post(path, body.clone())).await {
                Ok(answer) => assert_eq!((answer.status, answer.text()), (200, expected)),
                Err(error) => {
                    // A rest that the server would not discard closes the connection.
                    assert!(path == "/hello", "{error}");
                    client = server.client().await;
                }
            }
        }
        let mut client = server.client2().await;
        for _ in 0..3 {
            let answer = client
                .send(post(path, body.clone()))
                .await
                .expect("an answer");
            assert_eq!((answer.status, answer.text()), (200, expected));
        }
    }
    // 100 is asked for after the head of the answer, which cannot be sent any more.
    let mut client = server.connect().await;
    let head = "POST /answer-then-read HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n\
                connection: close\r\ncontent-length: 3\r\n\r\n";
    client.write_all(head.as_bytes()).await.expect("sent");
    let mut start = [0; 15];
    wait_for("an answer", client.read_exact(&mut start))
        .await
        .expect("an answer");
    client.write_all(b"abc").await.expect("sent");
    let answer = String::from_utf8(rest(&mut client).await).expect("text");
    let answer = format!("{}{answer}", String::from_utf8_lossy(&start));
    assert!(
        answer.contains("begun ") && answer.contains('3'),
        "{answer}"
    );
    assert!(answer.matches("HTTP/1.1 200").count() == 1, "{answer}");
}

#[tokio::test]
async fn many_streams_share_one_connection() {
    let server = serve(&["--queue", "2000"]);
    let client = server.client2().await;
    let streams = (0..STREAMS).map(|number| {
        let mut client = client.clone();
        tokio::spawn(async move {
            let path = format!("/target?{number}");
            let body = Bytes::from(number.to_string().repeat(1000));
            if number % 3 == 0 {
                let answer = client
                    .send(post("/echo", body.clone()))
                    .await
                    .expect("an answer");
                assert!(answer.status == 200 && answer.body == body, "{answer:?}");
            } else if number % 50 == 1 {
                // Reset after the head, or before.
                let opening = client.open(get("/stream?4000000000"));
                let _ = tokio::time::timeout(Duration::from_millis(50), opening).await;
            } else {
                let answer = client.send(get(&path)).await.expect("an answer");
                assert_eq!((answer.status, answer.text()), (200, path.as_str()));
            }
        })
    });
    for stream in join_all(streams).await {
        stream.expect("no panic");
    }
    wait_for_no_sandbox(&server).await;
    assert_eq!(server.get("/hello").await.text(), "hello\n");
}

#[tokio::test]
async fn trailers_end_answers_of_every_length() {
    let server = serve(&[]);
    for path in ["/trailers?7", "/trailers-late?7"] {
        let announced = || with(get(path), "te", "trailers");
        let answer = server.client().await.send(announced()).await;
        let answer = answer.unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!((answer.status, answer.text()), (200, "summed"), "{path}");
        let mut client = server.client2().await;
        let answer = client.open(announced()).await.expect("a head");
        let whole = answer.into_body().collect().await;
        let whole = whole.unwrap_or_else(|error| panic!("{path}: {error}"));
        let trailers = whole.trailers().cloned().expect("trailers");
        assert_eq!(trailers["x-sum"], "7");
        assert_eq!(whole.to_bytes(), "summed");
    }
    let io = TokioIo::new(server.connect().await);
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), io)
        .await
        .expect("HTTP/2");
    tokio::spawn(connection);
    let trailers = [(
        "x-end".parse().expect("a name"),
        "9".parse().expect("a value"),
    )];
    let frames = [
        Frame::data(Bytes::from("abc")),
        Frame::trailers(trailers.into_iter().collect()),
    ];
    let body = StreamBody::new(futures::stream::iter(frames.map(Ok::<_, std::io::Error>)));
    let request = Request::post("http://localhost/trailers-in")
        .body(body)
        .expect("a request");
    let answer = client.send_request(request).await.expect("an answer");
    let answer = answer
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    assert_eq!(answer, "x-end: 9\n");
}

#[tokio::test]
async fn answers_without_a_body_end_at_once() {
    let server = serve(&["--deadline", "3s"]);
    for path in [
        "/stream?4000000000",
        "/stream-announced?4000000000",
        "/hold",
        "/trap-after?10",
    ] {
        let mut head = get(path);
        *head.method_mut() = axum::http::Method::HEAD;
        let mut client = server.client().await;
        for _ in 0..2 {
            let answer = client.send(head.clone()).await.expect("an answer");
            assert_eq!((answer.status, answer.body.len()), (200, 0), "{path}");
        }
        let answer = server.client2().await.send(head).await.expect("an answer");
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{path}");
    }
    wait_for_no_sandbox(&server).await;
    let raw = "HEAD /hello HTTP/1.1\r\nhost: a\r\n\r\nGET /status?204 HTTP/1.1\r\nhost: a\r\n\r\n\
               GET /status?304 HTTP/1.1\r\nhost: a\r\n\r\nGET /hello HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answers = String::from_utf8(server.raw(raw).await).expect("text");
    let statuses: Vec<_> = answers
        .match_indices("HTTP/1.1 ")
        .map(|(at, _)| &answers[at + 9..at + 12])
        .collect();
    assert_eq!(statuses, ["200", "204", "304", "200"], "{answers}");
    assert_eq!(answers.matches("hello\n").count(), 1, "{answers}");
    assert_eq!(answers.matches("body").count(), 0, "{answers}");
}

#[tokio::test]
async fn unread_bodies_over_http2_are_bounded() {
    const CLIENTS: u64 = 200;
    let server = serve(&["--queue", "1000", "--deadline", "1h", "--stall", "1h"]);
    server.get("/hello").await;
    let before = memory_kib(&server);
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = server.client2().await;
        let sent = post("/wait", vec![b'x'; 2_000_000]);
        clients.push(tokio::spawn(async move { client.send(sent).await }));
    }
    wait_for("a queue", async {
        while metric(&server, "cocoon_queue_length").await < CLIENTS - 10 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    server.wait_until_read().await;
    let after = memory_kib(&server);
    // The windows of HTTP/2, and the buffers of a connection.
    let allowed = CLIENTS * 400;
    assert!(after < before + allowed, "{before} KiB, then {after} KiB");
}
