//! The service's batches: one line of response for each line of request, in order, and input is
//! read only as fast as it is answered.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::wait_for;
use crate::service::{Server, factorial, post, rest, with};

#[tokio::test]
async fn answers_are_in_the_order_of_the_lines() {
    let server = Server::start(&[]);
    let lines: Vec<u64> = (0..200).map(|i| i * 7919 % 1000).collect();
    let body: Vec<_> = lines.iter().map(|n| format!("{{\"n\":{n}}}\n")).collect();
    let body = body.concat();
    let answer = server.send(post("/batch", body)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    let answers = answer.lines();
    assert_eq!(answers.len(), lines.len());
    for (answer, n) in answers.iter().zip(lines) {
        assert_eq!(answer["n"], n);
        assert_eq!(answer["value"], factorial(n), "{n}");
    }
}

#[tokio::test]
async fn a_bad_line_is_answered_in_its_place() {
    let server = Server::start(&["--batch-line", "100B", "--output", "1MiB"]);
    let long = format!("{{\"n\":4,{}\"kind\":\"double\"}}", " ".repeat(100_000));
    let body = [
        "{\"n\":3}",
        "no JSON",
        "",
        "{\"n\":4,\"colour\":\"red\"}",
        &long,
        "   \r",
        "{\"n\":30000}",
        "{\"n\":1000000}",
        "{\"n\":5,\"kind\":\"tripel\"}",
        "{\"n\":10,\"kind\":\"double\",\"format\":\"scientific:2\"}\r",
        // The last line has no line end.
        "{\"n\":6}",
    ];
    let answer = server.send(post("/batch", body.join("\n"))).await;
    let answers = answer.lines();
    let problem = |index: usize| &answers[index]["problem"]["status"];
    assert_eq!(answers.len(), 9, "empty lines are none");
    assert_eq!(answers[0]["value"], "6");
    assert_eq!(problem(1), 400);
    assert_eq!(problem(2), 400);
    assert_eq!(problem(3), 413);
    assert_eq!(answers[3]["problem"]["limit"], "batch-line");
    assert_eq!(answers[4]["value"], factorial(30_000));
    assert_eq!(problem(5), 422);
    assert_eq!(problem(6), 400);
    assert_eq!(answers[7]["value"], "3.8e+3");
    assert_eq!(answers[8]["value"], "720");
    let none = server.send(post("/batch", "")).await.problem(400);
    let detail = none["detail"].as_str().expect("text");
    assert!(detail.contains("expected a body of lines"), "{detail}");
    for body in ["\n\n", "\n  \n"] {
        let answer = server.send(post("/batch", body)).await;
        assert_eq!((answer.status, answer.text()), (200, ""));
    }
    // A line without an end is discarded, and gets one error.
    let endless = "7".repeat(3 << 20);
    let answer = server.send(post("/batch", endless)).await;
    assert_eq!(answer.lines().len(), 1);
    assert_eq!(answer.json()["problem"]["status"], 413);
}

#[tokio::test]
async fn requests_that_are_not_batches_are_refused() {
    let server = Server::start(&[]);
    let mut image = post("/batch", "{\"n\":3}");
    image.headers_mut().remove("content-type");
    let image = with(image, "content-type", "image/png");
    server.send(image).await.problem(415);
    let refusing = with(post("/batch", "{\"n\":3}"), "accept", "text/html");
    server.send(refusing).await.problem(406);
    let old = "POST /batch HTTP/1.0\r\nContent-Length: 7\r\n\r\n{\"n\":3}";
    let old = server.raw(old).await;
    assert!(old.starts_with(b"HTTP/1.0 426 "));
}

/// The head of a batch whose body has unknown length.
const CHUNKED: &[u8] =
    b"POST /batch HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Encodes `bytes` as a chunk.
fn chunk(bytes: &str) -> String {
    format!("{:x}\r\n{bytes}\r\n", bytes.len())
}

#[tokio::test]
async fn a_line_is_answered_before_the_next_is_sent() {
    let server = Server::start(&[]);
    let mut stream = server.connect().await;
    stream.write_all(CHUNKED).await.expect("a reader");
    for n in [5, 6, 7] {
        let line = chunk(&format!("{{\"n\":{n}}}\n"));
        stream.write_all(line.as_bytes()).await.expect("a reader");
        let value = format!("\"value\":\"{}\"", factorial(n));
        let mut seen = Vec::new();
        // Up to the end of its chunk.
        while !(seen.ends_with(b"}\n\r\n") && String::from_utf8_lossy(&seen).contains(&value)) {
            let read = wait_for("an answer", stream.read_buf(&mut seen)).await;
            assert_ne!(read.expect("a reader"), 0, "it broke off");
        }
    }
    stream.write_all(b"0\r\n\r\n").await.expect("a reader");
    let mut end = [0; 5];
    wait_for("the end", stream.read_exact(&mut end))
        .await
        .expect("an end");
    assert_eq!(&end, b"0\r\n\r\n");
}

#[tokio::test]
async fn a_client_that_does_not_read_suspends_the_batch() {
    let server = Server::start(&["--stall", "2s"]);
    let mut stream = server.connect_narrow().await;
    stream.write_all(CHUNKED).await.expect("a reader");
    // Each response has 56 KB, so a few of them fill every buffer. A server without
    // back-pressure would read all lines and never disconnect the client.
    let line = chunk(&format!("{{\"n\":15000{}}}\n", " ".repeat(4000)));
    let lines = line.repeat(64);
    let mut written_bytes = 0;
    let written = wait_for("the end of a client that does not read", async {
        while written_bytes < 128 << 20 {
            stream.write_all(lines.as_bytes()).await?;
            written_bytes += lines.len();
        }
        Ok::<_, std::io::Error>(())
    });
    assert!(written.await.is_err(), "all of the lines were read");
    assert_eq!(server.get("/factorial/5").await.text(), "120");
}

#[tokio::test]
async fn a_client_that_stops_sending_is_disconnected() {
    let server = Server::start(&["--stall", "300ms"]);
    let mut stream = server.connect().await;
    stream.write_all(CHUNKED).await.expect("a reader");
    let line = chunk("{\"n\":5}\n{\"n\"");
    stream.write_all(line.as_bytes()).await.expect("a reader");
    let answer = String::from_utf8(rest(&mut stream).await).expect("text");
    assert!(answer.contains("\"value\":\"120\""), "{answer}");
    assert!(!answer.ends_with("\r\n0\r\n\r\n"), "it looks whole");
}
