//! Handlers of WASI 0.3 are served as those of WASI 0.2.

use bytes::Bytes;
use cocoon_test_guests::P3_HANDLER;
use futures::future::join_all;
use http_body_util::BodyExt as _;
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{run, wait_for};
use crate::service::{Answer, Server, get, post, with};

fn serve(flags: &[&str]) -> Server {
    Server::start(&[&[P3_HANDLER], flags].concat())
}

#[tokio::test]
async fn a_handler_of_0_3_answers() {
    let server = serve(&["--env", "MODE=live"]);
    let answer = server.get("/hello").await;
    assert_eq!((answer.status, answer.text()), (200, "hello\n"));
    let answer = server.client2().await.send(get("/request?a=1")).await;
    let answer = answer.expect("an answer");
    let seen = "Method::Get Some(Scheme::Http) Some(\"localhost\") /request?a=1\n";
    assert_eq!(answer.text(), seen);
    assert_eq!(server.get("/env?MODE").await.text(), "live");
    assert_eq!(server.get("/status?503").await.status, 503);
    assert_eq!(server.get("/elsewhere").await.status, 404);
}

#[tokio::test]
async fn bodies_and_trailers_of_0_3_stream() {
    let server = serve(&[]);
    let bytes = Bytes::from(
        (0..3_000_000_u32)
            .map(|n| (n % 251) as u8)
            .collect::<Vec<_>>(),
    );
    let answer = server.send(post("/echo", bytes.clone())).await;
    assert!(answer.body == bytes, "{} bytes", answer.body.len());
    assert_eq!(server.get("/stream?3000000").await.body.len(), 3_000_000);
    assert_eq!(server.get("/announced?10").await.text(), "xxxxxxxxxx");
    let answer = server
        .open(with(get("/trailers?12"), "te", "trailers"))
        .await;
    let collected = answer.into_body().collect().await.expect("a body");
    let trailers = collected.trailers().cloned().expect("trailers");
    assert_eq!(trailers["x-end"], "12");
    assert_eq!(collected.to_bytes(), "body");
}

#[tokio::test]
async fn a_handler_of_0_3_without_an_answer_is_a_problem() {
    let server = serve(&["--deadline", "3s"]);
    for (path, status, limit) in [
        ("/trap", 502, Value::Null),
        ("/error", 502, Value::Null),
        ("/fields", 502, Value::Null),
        ("/wait", 504, "deadline".into()),
        ("/spin", 504, "deadline".into()),
    ] {
        let problem = server.get(path).await.problem(status);
        assert_eq!(problem["limit"], limit, "{path}: {problem}");
        assert_eq!(server.get("/hello").await.text(), "hello\n");
    }
}

#[tokio::test]
async fn a_broken_answer_of_0_3_never_looks_whole() {
    let server = serve(&["--deadline", "3s"]);
    let paths = [
        "/trap-late",
        "/hold",
        "/abandon",
        "/announced?5",
        "/announced?20",
    ];
    let breaks_off = async |path| {
        let cut = Answer::read(server.open(get(path)).await).await;
        assert!(cut.is_err(), "{path} looks whole: {cut:?}");
        let head = server.client2().await.open(get(path)).await;
        let cut = Answer::read(head.expect("a head")).await;
        assert!(cut.is_err(), "{path} looks whole: {cut:?}");
    };
    join_all(paths.map(breaks_off)).await;
}

#[tokio::test]
async fn a_trap_of_0_3_right_after_the_head_is_seen() {
    let server = serve(&[]);
    for _ in 0..20 {
        let head = server.open(get("/trap-at-once")).await;
        let status = head.status();
        match Answer::read(head).await {
            Ok(answer) => drop(answer.problem(502)),
            Err(_) => assert_eq!(status, 200),
        }
    }
}

#[tokio::test]
async fn a_request_of_0_3_needs_a_grant() {
    let upstream = serve(&[]);
    let authority = upstream.url("");
    let authority = authority
        .trim_start_matches("http://")
        .trim_end_matches('/');
    let fetch = format!("/fetch?{authority}");
    let server = serve(&[]);
    let answer = server.get(&fetch).await;
    assert_eq!(answer.text(), "ErrorCode::HttpRequestDenied");
    server.stderr_with("flag=\"--allow-http 127.0.0.1\"").await;
    let server = serve(&["--allow-http", authority]);
    assert_eq!(server.get(&fetch).await.text(), "404");
    let answer = server.get(&format!("/send-long?{authority}")).await;
    assert_eq!(answer.text(), "ErrorCode::HttpRequestBodySize(Some(4))");
}

#[tokio::test]
async fn a_drain_waits_for_a_handler_of_0_3() {
    let server = serve(&[]);
    assert_eq!(server.get("/after").await.text(), "answer");
    server.signal(Signal::TERM);
    let outcome = wait_for("the end", server.wait_for_exit()).await;
    assert_eq!(outcome.code, Some(0), "{}", outcome.err);
    assert!(outcome.err.contains("after the answer"), "{}", outcome.err);
}

#[test]
fn a_handler_of_0_3_is_no_program() {
    let outcome = run(["exec", P3_HANDLER]);
    assert!(outcome.err.contains("cocoon serve"), "{}", outcome.err);
}
