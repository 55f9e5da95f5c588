//! Handlers under more load than the service takes, and under signals.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use cocoon::machine::processors;
use futures::future::join_all;
use rustix::process::Signal;
use tokio::io::AsyncWriteExt as _;

use crate::handlers::serve;
use crate::handlers_hostile::{memory_kib, metric, wait_for_no_sandbox};
use crate::harness::wait_for;
use crate::service::{Answer, Server, get, post, rest};

/// Requests at once for each place of the service.
const OVERLOAD: usize = 10;
/// Sandboxes and queue of the service.
const PLACES: [usize; 2] = [4, 8];
/// Bytes of an answer that takes a client a while to read.
const STREAM_BYTES: usize = 8_000_000;

/// Requests with the bodies of their answers.
const HONEST: [(&str, &str); 3] = [
    ("/hello", "hello\n"),
    ("/slow?20", "slow\n"),
    ("/compute?5", "computed\n"),
];

/// Asserts a right answer, or a refusal with advice. Returns whether it is an answer.
fn assert_answer(answer: &Answer, expected: &str) -> bool {
    if answer.status == 200 {
        assert_eq!(answer.text(), expected);
        return true;
    }
    let problem = answer.problem(503);
    assert_eq!(problem["limit"], "queue");
    let wait = answer.header("retry-after").parse::<u32>();
    assert!(wait.is_ok_and(|wait| wait > 0), "{answer:?}");
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overload_is_answered_or_refused() {
    let [sandboxes, queue] = PLACES.map(|places| places.to_string());
    let server = serve(&["--sandboxes", &sandboxes, "--queue", &queue]);
    let clients = PLACES.iter().sum::<usize>() * OVERLOAD;
    let over1: Vec<_> = join_all((0..clients).map(|_| server.client())).await;
    let over2 = server.client2().await;
    server.get("/hello").await;
    let before = memory_kib(&server);
    let mut tasks = Vec::new();
    for (number, mut client) in over1.into_iter().enumerate() {
        tasks.push(tokio::spawn(async move {
            let mut answered = [0; 2];
            for turn in 0..20 {
                let (path, expected) = HONEST[(number + turn) % HONEST.len()];
                let answer = client.send(get(path)).await.expect("an answer");
                answered[usize::from(assert_answer(&answer, expected))] += 1;
            }
            answered
        }));
    }
    for number in 0..clients {
        let mut client = over2.clone();
        tasks.push(tokio::spawn(async move {
            let (path, expected) = HONEST[number % HONEST.len()];
            let answer = client.send(get(path)).await.expect("an answer");
            let mut answered = [0; 2];
            answered[usize::from(assert_answer(&answer, expected))] += 1;
            answered
        }));
    }
    let answered = join_all(tasks).await;
    let sum = |index: usize| {
        answered
            .iter()
            .map(move |it| it.as_ref().expect("no panic")[index])
    };
    let (refused, right) = (sum(0).sum::<i32>(), sum(1).sum::<i32>());
    assert!(refused > 0 && right > 0, "{refused} refused, {right} right");
    let after = memory_kib(&server);
    // The memory of the places, and buffers of the connections.
    let allowed = (sandboxes.parse::<u64>().expect("a number") * 4 + 32) << 10;
    assert!(after < before + allowed, "{before} KiB, then {after} KiB");
    wait_for_no_sandbox(&server).await;
    assert_eq!(metric(&server, "cocoon_queue_length").await, 0);
    assert_eq!(server.get("/hello").await.text(), "hello\n");
}

#[tokio::test]
async fn clients_that_leave_the_queue_make_room() {
    let server = serve(&["--sandboxes", "1", "--queue", "20", "--deadline", "1m"]);
    for _ in 0..5 {
        let mut clients = Vec::new();
        for _ in 0..21 {
            let mut client = server.connect().await;
            let request = b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n";
            client.write_all(request).await.expect("sent");
            clients.push(client);
        }
        wait_for("a full queue", async {
            while metric(&server, "cocoon_queue_length").await < 20 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        server.get("/hello").await.problem(503);
        drop(clients);
        wait_for_no_sandbox(&server).await;
        assert_eq!(server.get("/hello").await.text(), "hello\n");
    }
}

/// Asserts that the last answer has this body. One that took a tick is sent in chunks.
fn assert_ends(answer: &[u8], expected: &str) {
    let answer = String::from_utf8_lossy(answer);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let chunked = format!("\r\n\r\n{:x}\r\n{expected}\r\n0\r\n\r\n", expected.len());
    let is_whole = answer.ends_with(&format!("\r\n\r\n{expected}"));
    assert!(is_whole || answer.ends_with(&chunked), "{answer}");
}

/// Sends requests until the service is gone. Before the signal no request may fail; after it
/// every answer that begins is whole.
async fn keep_asking(server: &Server, ending: &AtomicBool) -> u32 {
    let mut answered = 0;
    let mut client = server.client().await;
    for (path, expected) in HONEST.iter().cycle() {
        let was_ending = ending.load(Ordering::SeqCst);
        match wait_for("an answer", client.0.send_request(get(path))).await {
            Ok(response) => {
                let answer = Answer::read(response).await.expect("all of it");
                assert_answer(&answer, expected);
                answered += 1;
                if wait_for("the connection", client.0.ready()).await.is_err() {
                    break;
                }
            }
            Err(error) => {
                assert!(was_ending || ending.load(Ordering::SeqCst), "{error}");
                break;
            }
        }
    }
    answered
}

async fn end_under_load(signal: Signal) {
    let server = serve(&["--queue", "1000"]);
    let ending = AtomicBool::new(false);
    let head = "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc";
    let mut halves = Vec::new();
    for text in ["GET /hel", head, head] {
        let mut stream = server.connect().await;
        stream.write_all(text.as_bytes()).await.expect("sent");
        halves.push(stream);
    }
    let mut narrow = server.connect_narrow().await;
    let streamed = format!("GET /stream-announced?{STREAM_BYTES} HTTP/1.1\r\nHost: a\r\n\r\n");
    narrow.write_all(streamed.as_bytes()).await.expect("sent");
    let mut client = server.client2().await;
    client.send(get("/hello")).await.expect("an answer");
    let bytes = vec![b'y'; STREAM_BYTES];
    let mut streams = Vec::new();
    for path in ["/stream", "/stream-announced", "/echo", "/count"] {
        let mut sent = post(&format!("{path}?{STREAM_BYTES}"), bytes.clone());
        *sent.uri_mut() = server.url(&sent.uri().to_string()).parse().expect("a URL");
        sent.headers_mut().remove("host");
        client.0.ready().await.expect("a connection");
        let answering = client.0.send_request(sent);
        streams.push(tokio::spawn(
            async move { Answer::read(answering.await?).await },
        ));
    }
    // The streams have begun when a later one ends.
    client.send(get("/hello")).await.expect("an answer");
    server.wait_until_read().await;
    let outcome = async {
        server.signal(signal);
        ending.store(true, Ordering::SeqCst);
        server.wait_until_closed().await;
        for (stream, (last, expected)) in halves.iter_mut().zip([
            ("lo HTTP/1.1\r\nHost: a\r\n\r\n", "hello\n"),
            ("def", "6 whole"),
            ("def", "6 whole"),
        ]) {
            stream.write_all(last.as_bytes()).await.expect("a reader");
            let answer = String::from_utf8(rest(stream).await).expect("text");
            assert_ends(answer.as_bytes(), expected);
        }
        let answer = rest(&mut narrow).await;
        assert!(answer.len() > STREAM_BYTES, "{} bytes", answer.len());
        for (stream, expected) in streams.into_iter().zip(["x", "x", "y", ""]) {
            let answer = stream.await.expect("no panic").expect("a whole answer");
            match expected {
                "" => assert_eq!(answer.text(), format!("{STREAM_BYTES} whole")),
                byte => assert!(answer.text() == byte.repeat(STREAM_BYTES), "a wrong body"),
            }
        }
    };
    let load = (0..4).map(|_| keep_asking(&server, &ending));
    let all = async { tokio::join!(join_all(load), outcome) };
    let (answered, ()) = wait_for("the end", all).await;
    assert!(answered.iter().sum::<u32>() > 0, "there was no load");
    let outcome = server.wait_for_exit().await;
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_under_way_finish() {
    for round in 0..6 {
        let term = round % 2 == 0;
        end_under_load(if term { Signal::TERM } else { Signal::INT }).await;
    }
}

#[tokio::test]
async fn requests_sent_before_the_signal_are_answered() {
    for _ in 0..5 {
        let server = serve(&["--queue", "1000"]);
        let mut clients = join_all((0..100).map(|_| server.connect())).await;
        server.wait_until_read().await;
        for client in &mut clients {
            let request = b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n";
            client.write_all(request).await.expect("sent");
        }
        server.signal(Signal::TERM);
        for client in &mut clients {
            let answer = rest(client).await;
            assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{answer:?}");
            assert_ends(&answer, "hello\n");
        }
        assert_eq!(server.wait_for_exit().await.code, Some(0));
    }
}

#[tokio::test]
async fn a_long_request_is_not_put_off_by_shorter_ones() {
    const SHORT: &str = "/count-down?5000000";
    const LONG: &str = "/count-down?160000000";
    let clients_count = 16 * processors();
    let server = serve(&["--deadline", "1m"]);
    let (answered, ended) = (AtomicUsize::new(0), AtomicBool::new(false));
    let clients = (0..clients_count).map(async |_| {
        let mut client = server.client().await;
        while !ended.load(Ordering::Relaxed) {
            let answer = client.send(get(SHORT)).await.expect("an answer");
            assert_eq!(answer.text(), "zero\n");
            answered.fetch_add(1, Ordering::Relaxed);
        }
    });
    let long = async {
        wait_for("a load", async {
            while answered.load(Ordering::Relaxed) < 2 * clients_count {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let before = answered.load(Ordering::Relaxed);
        assert_eq!(server.get(LONG).await.text(), "zero\n");
        ended.store(true, Ordering::Relaxed);
        answered.load(Ordering::Relaxed) - before
    };
    let (passed, _) = tokio::join!(long, join_all(clients));
    // It needs some 15 turns. In a fair order, each client has one short answer between two of them.
    let bound = 32 * clients_count;
    assert!(passed < bound, "{passed} others were answered first");
}
