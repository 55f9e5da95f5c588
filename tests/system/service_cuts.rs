//! Truncated responses: every client detects the truncation, over every version of HTTP,
//! whether the component or the server failed.

use std::io::Read as _;
use std::process::{Command, Stdio};

use cocoon_test_guests::hostile;
use http_body_util::BodyExt as _;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::{run_command, wait_for};
use crate::service::{Answer, Server, get, rest};
use crate::tools::CURL;

/// Options of curl under which a client knows the length or the end of a response.
const CURLS: [&[&str]; 3] = [
    &["--http1.1"],
    &["--http2-prior-knowledge"],
    // A compressed response lacks its end as well.
    &["--http1.1", "--compressed"],
];

/// Requests whose responses are cut.
const CUTS: [u64; 8] = [
    hostile::TRAP_MIDSTREAM,
    hostile::FAIL_MIDSTREAM,
    hostile::TAKE_MIDSTREAM,
    hostile::SPIN_MIDSTREAM,
    hostile::WAIT_MIDSTREAM,
    hostile::END_SILENTLY,
    hostile::FLOOD,
    // Writes all announced digits, and more.
    hostile::FLOOD_PROMISED,
];

fn hostile_server() -> Server {
    Server::hostile(&["--deadline", "1s", "--output", "1MiB"])
}

fn curl(url: &str, flags: &[&str]) -> Command {
    let mut curl = CURL.command();
    curl.args(["--silent", "--no-buffer", "--noproxy", "*"]);
    curl.args(flags).arg(url);
    curl
}

/// A reset of the connection would take the answer from the client's kernel.
#[tokio::test]
async fn an_answer_before_the_end_of_its_request_arrives() {
    let server = Server::start(&[]);
    for _ in 0..20 {
        let mut client = server.connect().await;
        let head = "POST /factorial/5 HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n";
        client.write_all(head.as_bytes()).await.expect("written");
        for _ in 0..100 {
            client
                .write_all(&vec![b'x'; 1 << 16])
                .await
                .expect("written");
        }
        let mut answer = [0; 16];
        client.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(answer[..13], *b"HTTP/1.1 405 ");
    }
}

#[tokio::test]
async fn a_failing_component_cuts_the_response() {
    let server = hostile_server();
    for n in CUTS {
        let path = format!("/factorial/{n}");
        for media in ["text/plain", "application/json"] {
            let request = || crate::service::with(get(&path), "accept", media);
            let cut = Answer::read(server.open(request()).await).await;
            assert!(cut.is_err(), "{n} as {media} looks whole: {cut:?}");
            let cut = server.client2().await.send(request()).await;
            assert!(cut.is_err(), "{n} as {media} looks whole: {cut:?}");
        }
    }
    let old = format!(
        "GET /factorial/{} HTTP/1.0\r\n\r\n",
        hostile::FLOOD_PROMISED
    );
    assert_cut(&server.raw(old).await);
}

#[tokio::test]
#[ignore = "needs curl"]
async fn curl_detects_a_failing_component() {
    let server = hostile_server();
    for n in CUTS {
        for flags in CURLS {
            let (url, flags) = (server.url(&format!("/factorial/{n}")), flags.to_vec());
            let outcome = tokio::task::spawn_blocking(move || run_command(&mut curl(&url, &flags)));
            let code = outcome.await.expect("no panic").code;
            assert!(
                matches!(code, Some(16 | 18 | 52 | 56 | 61 | 92)),
                "{n}: {code:?}"
            );
        }
    }
    let url = server.url(&format!("/factorial/{}", hostile::FLOOD_PROMISED));
    let outcome = tokio::task::spawn_blocking(move || run_command(&mut curl(&url, &["--http1.0"])));
    let code = outcome.await.expect("no panic").code;
    assert!(matches!(code, Some(18 | 56)), "{code:?}");
}

/// Asserts that a response is shorter than its announced length.
fn assert_cut(answer: &[u8]) {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let length = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, length)| length.parse::<usize>().ok());
    let length = length.expect("a length");
    assert!(body.len() < length, "{head} and {} bytes", body.len());
}

#[tokio::test]
async fn a_killed_server_cuts_the_response() {
    let path = format!("/factorial/{}", hostile::WAIT_MIDSTREAM);
    let first = Server::hostile(&["--deadline", "1h"]);
    let second = Server::hostile(&["--deadline", "1h"]);
    let mut one = first.open(get(&path)).await.into_body();
    let two = second.client2().await.open(get(&path)).await;
    let mut two = two.expect("an answer").into_body();
    for (server, body) in [(first, &mut one), (second, &mut two)] {
        let piece = wait_for("a piece", body.frame()).await;
        assert!(piece.is_some_and(|piece| piece.is_ok()));
        server.signal(Signal::KILL);
        let rest = wait_for("the end", body.collect()).await;
        assert!(rest.is_err(), "it looks whole");
    }
}

#[tokio::test]
#[ignore = "needs curl"]
async fn curl_detects_a_killed_server() {
    let path = format!("/factorial/{}", hostile::WAIT_MIDSTREAM);
    for flags in CURLS.into_iter().take(2) {
        let server = Server::hostile(&["--deadline", "1h"]);
        let mut curl = curl(&server.url(&path), flags);
        let mut child = curl.stdout(Stdio::piped()).spawn().expect("curl");
        let mut out = child.stdout.take().expect("it is piped");
        out.read_exact(&mut [0]).expect("a digit");
        server.signal(Signal::KILL);
        let reading = std::thread::spawn(move || out.read_to_end(&mut Vec::new()));
        let code = child.wait().expect("its end").code();
        reading.join().expect("no panic").expect("its output");
        assert!(matches!(code, Some(16 | 18 | 56 | 92)), "{code:?}");
    }
}

#[tokio::test]
async fn an_http_1_0_client_detects_a_killed_server() {
    // More digits than all buffers between client and server hold.
    let server = Server::start(&[]);
    let mut stream = server.connect_narrow().await;
    let request = b"GET /factorial/3000000 HTTP/1.0\r\n\r\n";
    stream.write_all(request).await.expect("a reader");
    let mut answer = vec![0; 5000];
    let read = wait_for("the first digits", stream.read_exact(&mut answer)).await;
    read.expect("digits");
    server.signal(Signal::KILL);
    answer.extend(rest(&mut stream).await);
    assert!(answer.starts_with(b"HTTP/1.0 200 OK\r\n"));
    assert_cut(&answer);
}
