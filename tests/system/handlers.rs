//! `cocoon serve FILE`: what clients and handlers see of each other.

use axum::http::{Request, StatusCode};
use bytes::Bytes;
use cocoon_test_guests::{HANDLER, HOSTILE_PROGRAM};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::{assert_fails, run, wait_for};
use crate::service::{Answer, Server, get, post, rest, with};

/// Starts the handler of the tests.
pub(crate) fn serve(flags: &[&str]) -> Server {
    Server::start(&[&[HANDLER], flags].concat())
}

fn request(method: &str, path: &str) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("host", "localhost");
    request.body(Full::default()).expect("a request")
}

#[tokio::test]
async fn a_handler_answers_every_path_and_method() {
    let server = serve(&[]);
    let answer = server.get("/hello").await;
    assert_eq!((answer.status, answer.text()), (200, "hello\n"));
    // A handler that a tick interrupts after the head writes the rest later.
    assert!(
        ["6", ""].contains(&answer.header("content-length")),
        "{answer:?}"
    );
    for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
        let answer = server.send(request(method, "/target?a=%20b&c")).await;
        assert_eq!((answer.status, answer.text()), (200, "/target?a=%20b&c"));
    }
    let answer = server.client2().await.send(get("/target?2")).await;
    assert_eq!(answer.expect("an answer").text(), "/target?2");
}

#[tokio::test]
async fn the_errors_of_a_handler_are_its_own() {
    let server = serve(&[]);
    for status in ["404", "405", "500", "503", "599"] {
        let answer = server.get(&format!("/status?{status}")).await;
        assert_eq!(
            (answer.status.to_string().as_str(), answer.text()),
            (status, "body")
        );
    }
    for path in ["/empty?404", "/empty-late?404", "/empty-late?400"] {
        let answer = server.get(path).await;
        assert_eq!(answer.status.to_string(), path[path.len() - 3..], "{path}");
        assert_eq!((answer.text(), answer.header("content-type")), ("", ""));
    }
    wait_for("work after empty answers", async {
        let worked = |status: &str| server.stderr().contains(&format!("worked after {status}"));
        while !worked("400") || !worked("404") {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let answer = server.get("/elsewhere").await;
    assert_eq!((answer.status, answer.text()), (404, "unknown path\n"));
    assert_eq!(answer.header("content-type"), "text/plain");
}

#[tokio::test]
async fn a_handler_sees_the_request() {
    let server = serve(&[]);
    let sent = with(post("/request?q=1", "x"), "x-mine", "a");
    let sent = with(with(sent, "connection", "upgrade"), "upgrade", "websocket");
    let answer = server.send(sent).await;
    let text = answer.text();
    let first = "Method::Post Some(Scheme::Http) Some(\"localhost\") Some(\"/request?q=1\")\n";
    assert!(text.starts_with(first), "{text}");
    for line in ["x-mine: a\n", "content-length: 1\n"] {
        assert!(text.contains(line), "{text}");
    }
    for name in ["connection", "upgrade", "host"] {
        assert!(!text.contains(&format!("\n{name}: ")), "{text}");
    }
}

#[tokio::test]
async fn answers_without_a_body_keep_their_length() {
    let server = serve(&[]);
    let answer = server.send(request("HEAD", "/head")).await;
    assert_eq!(
        (answer.status, answer.header("content-length")),
        (200, "1000")
    );
    assert_eq!(server.get("/head").await.body.len(), 1000);
    // A handler that treats HEAD as GET.
    let answer = server.send(request("HEAD", "/stream-announced?500")).await;
    assert_eq!(
        (answer.status, answer.header("content-length")),
        (200, "500")
    );
    for status in ["204", "304"] {
        let answer = server.get(&format!("/status?{status}")).await;
        assert_eq!(answer.status.to_string(), status);
        assert!(answer.body.is_empty(), "{answer:?}");
    }
    // An error without a body stays one, and the refusal of a bad head is a problem.
    for status in ["400", "404", "431"] {
        let raw = format!(
            "GET /empty?{status} HTTP/1.1\r\nhost: a\r\n\r\nGET /hello HTTP/1.1\r\nhost: a\r\n\r\nbad\r\n\r\n"
        );
        let answers = String::from_utf8(server.raw(&raw).await).expect("text");
        let statuses = answers.match_indices("HTTP/1.1 ");
        let statuses: Vec<_> = statuses.map(|(at, _)| &answers[at + 9..at + 12]).collect();
        assert_eq!(statuses, [status, "200", "400"], "{answers}");
        assert_eq!(
            answers.matches("application/problem+json").count(),
            1,
            "{answers}"
        );
    }
    let answer = server.send(request("HEAD", "/hello")).await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_ne!(answer.header("content-length"), "0");
}

#[tokio::test]
async fn bodies_stream_both_ways() {
    let server = serve(&[]);
    let bytes = Bytes::from(
        (0..5_000_000_u32)
            .map(|n| (n % 251) as u8)
            .collect::<Vec<_>>(),
    );
    let answer = server.send(post("/echo", bytes.clone())).await;
    assert_eq!((answer.status, answer.body == bytes), (200, true));
    let answer = server
        .client2()
        .await
        .send(post("/echo", bytes.clone()))
        .await;
    assert!(answer.expect("an answer").body == bytes);
    // The first part of the answer arrives before the end of the request.
    let io = TokioIo::new(server.connect().await);
    let (mut client, connection) = http1::handshake(io).await.expect("HTTP/1.1");
    tokio::spawn(connection);
    let (parts, received) = tokio::sync::mpsc::channel::<Result<Frame<Bytes>, std::io::Error>>(1);
    let received = futures::stream::unfold(received, async |mut it| Some((it.recv().await?, it)));
    let body = StreamBody::new(Box::pin(received));
    let sent = Request::post("/echo")
        .header("host", "localhost")
        .body(body);
    let answering = client.send_request(sent.expect("a request"));
    parts
        .send(Ok(Frame::data("one".into())))
        .await
        .expect("sent");
    let answer = wait_for("the head", answering).await.expect("an answer");
    let mut body = answer.into_body();
    let first = wait_for("the first part", body.frame()).await;
    let first = first.expect("a part").expect("no error").into_data();
    assert_eq!(first.expect("data"), "one");
    parts
        .send(Ok(Frame::data("two".into())))
        .await
        .expect("sent");
    drop(parts);
    assert_eq!(body.collect().await.expect("the rest").to_bytes(), "two");
}

#[tokio::test]
async fn trailers_go_both_ways() {
    let server = serve(&[]);
    let answer = server
        .open(with(get("/trailers?12"), "te", "trailers"))
        .await;
    let collected = answer.into_body().collect().await.expect("a body");
    let trailers = collected.trailers().cloned().expect("trailers");
    assert_eq!(trailers["x-sum"], "12");
    assert_eq!(collected.to_bytes(), "summed");
    let sent = "POST /trailers-in HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\
                trailer: x-end\r\n\r\n3\r\nabc\r\n0\r\nx-end: 7\r\n\r\n";
    let answer = String::from_utf8(server.raw(sent).await).expect("text");
    // A handler that outlasts a tick is sent in chunks.
    assert!(answer.contains("\r\nx-end: 7\n"), "{answer}");
}

#[tokio::test]
async fn a_body_is_asked_for_when_the_handler_reads_it() {
    let server = serve(&[]);
    let mut client = server.connect().await;
    let head = |path| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n"
        )
    };
    client
        .write_all(head("/count").as_bytes())
        .await
        .expect("sent");
    let mut answer = [0; 25];
    wait_for("100 Continue", client.read_exact(&mut answer))
        .await
        .expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"abc").await.expect("sent");
    let mut answer = [0; 15];
    wait_for("an answer", client.read_exact(&mut answer))
        .await
        .expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    // A handler that reads nothing.
    let mut client = server.connect().await;
    client
        .write_all(head("/hello").as_bytes())
        .await
        .expect("sent");
    client.shutdown().await.expect("shut down");
    let answer = String::from_utf8(rest(&mut client).await).expect("text");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[tokio::test]
async fn headers_of_the_connection_are_the_server_s() {
    let server = serve(&[]);
    for name in [
        "connection",
        "keep-alive",
        "transfer-encoding",
        "upgrade",
        "host",
    ] {
        let answer = server.get(&format!("/forbidden?{name}")).await;
        assert_eq!(answer.text(), "Err(HeaderError::Forbidden)", "{name}");
    }
    assert_eq!(server.get("/forbidden?x-any").await.text(), "Ok(())");
    let answer = server.get("/fields?20").await;
    assert_eq!((answer.status, answer.header("x-19").len()), (200, 100));
}

#[tokio::test]
async fn old_clients_get_answers_of_known_length() {
    let server = serve(&[]);
    let answer = server.raw("GET /hello HTTP/1.0\r\n\r\n").await;
    let answer = String::from_utf8(answer).expect("text");
    assert!(
        answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.ends_with("hello\n"),
        "{answer}"
    );
    let answer = server.raw("GET /stream?1000000 HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with(b"HTTP/1.0 426 "), "{answer:?}");
    let answer = server
        .raw("GET /stream-announced?1000000 HTTP/1.0\r\n\r\n")
        .await;
    assert!(answer.starts_with(b"HTTP/1.0 200 ") && answer.len() > 1_000_000);
    // Trailers are left out.
    let answer = server.raw("GET /trailers?7 HTTP/1.0\r\n\r\n").await;
    let answer = String::from_utf8(answer).expect("text");
    assert!(
        answer.contains("content-length: 6\r\n") && answer.ends_with("\r\n\r\nsummed"),
        "{answer}"
    );
}

#[tokio::test]
async fn grants_reach_the_handler() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("text"), "from a file").expect("written");
    let dir = format!("{}:/data", folder.path().display());
    let server = serve(&["--env", "MODE=live", "--dir", &dir]);
    assert_eq!(server.get("/env?MODE").await.text(), "live");
    assert_eq!(server.get("/read?/data/text").await.text(), "from a file");
    assert_eq!(server.get("/env?HOME").await.text(), "");
}

#[tokio::test]
async fn the_output_of_a_handler_is_logged_by_line() {
    let server = serve(&["--access-log"]);
    let named = with(get("/log?word"), "x-request-id", "mine-1");
    assert_eq!(server.send(named).await.status, 200);
    server.get("/flood-log?200").await;
    let log = server
        .stderr_with(" WARN cocoon::guest: further lines")
        .await;
    for stream in ["stdout", "stderr"] {
        let line = format!(
            " INFO cocoon::guest: to {stream}: word route=\"/\" request_id=\"mine-1\" stream=\"{stream}\"\n"
        );
        assert!(log.contains(&line), "{log}");
    }
    let lines = log
        .lines()
        .filter(|line| line.contains("cocoon::guest: line "));
    assert_eq!(lines.count(), 100, "{log}");
}

#[tokio::test]
async fn a_line_of_a_handler_moves_no_cursor() {
    let server = serve(&[]);
    server.get("/log-control").await;
    let line = "cocoon::guest: red \u{fffd}[31m\u{fffd}\ttab\u{fffd} INFO forged route=";
    wait_for("the line", async {
        while !server.stderr().contains(line) {
            assert!(!server.stderr().contains("forged\n"), "{}", server.stderr());
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn health_and_metrics_stay_the_service_s_own() {
    let server = serve(&[]);
    assert_eq!(server.get("/healthz").await.text(), "ok\n");
    assert_eq!(server.get("/readyz").await.status, 200);
    assert!(
        server
            .get("/metrics")
            .await
            .text()
            .contains("cocoon_sandboxes")
    );
    let server = serve(&["--admin-listen", "127.0.0.1:0"]);
    assert_eq!(server.get("/healthz").await.text(), "unknown path\n");
}

#[tokio::test]
async fn a_token_guards_handlers_and_is_not_passed_on() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "0123456789abcdef").expect("written");
    let server = serve(&["--token-file", &file.path().display().to_string()]);
    server.get("/hello").await.problem(401);
    let answer = with(get("/request"), "authorization", "Bearer 0123456789abcdef");
    let answer = server.send(answer).await;
    assert_eq!(answer.status, 200);
    assert!(
        !answer.text().contains("authorization"),
        "{}",
        answer.text()
    );
    assert_eq!(server.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_handler_may_work_after_its_answer() {
    let server = serve(&[]);
    let answer = server.get("/work-after?200").await;
    assert_eq!(answer.text(), "done\n");
    // A drain waits for it.
    server.signal(Signal::TERM);
    let outcome = server.wait_for_exit().await;
    assert_eq!(outcome.code, Some(0), "{}", outcome.err);
    assert!(
        outcome.err.contains("worked after the answer"),
        "{}",
        outcome.err
    );
}

#[tokio::test]
async fn a_drain_loses_no_answer() {
    let server = serve(&[]);
    let answers: Vec<_> = futures::future::join_all((0..8).map(|_| server.client())).await;
    let answers = answers
        .into_iter()
        .map(|mut client| tokio::spawn(async move { client.send(get("/slow?300")).await }));
    let answers: Vec<_> = answers.collect();
    server.wait_until_read().await;
    server.signal(Signal::TERM);
    for answer in answers {
        let answer: Answer = answer.await.expect("no panic").expect("an answer");
        assert_eq!(answer.text(), "slow\n");
    }
    assert_eq!(server.wait_for_exit().await.code, Some(0));
}

#[test]
fn other_components_are_refused() {
    let outcome = run(["serve", HOSTILE_PROGRAM, "--listen", "127.0.0.1:0"]);
    assert_fails(
        &outcome,
        1,
        &[
            "wasi:http/incoming-handler",
            "wasi:cli/run@0.2",
            "cocoon exec",
        ],
    );
    let outcome = run(["exec", HANDLER]);
    assert_fails(
        &outcome,
        125,
        &["wasi:http/incoming-handler@0.2", "cocoon serve"],
    );
    let outcome = run(["serve", "--env", "A=b"]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.err);
}

#[tokio::test]
async fn a_request_body_has_a_limit() {
    let server = serve(&["--request-body", "100KiB"]);
    let announced = server.send(post("/count", vec![0; 200 << 10])).await;
    let problem = announced.problem(StatusCode::PAYLOAD_TOO_LARGE.into());
    assert_eq!(problem["limit"], "request-body");
    let chunks = |path: &str| {
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(1 << 16));
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        format!("{head}{chunk}{chunk}{chunk}0\r\n\r\n")
    };
    let answer = String::from_utf8(server.raw(chunks("/count")).await).expect("text");
    assert!(answer.contains(" broken"), "{answer}");
    let answer = String::from_utf8(server.raw(chunks("/refuse-long")).await).expect("text");
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let whole = server.send(post("/count", vec![0; 100 << 10])).await;
    assert_eq!(whole.text(), "102400 whole");
}
